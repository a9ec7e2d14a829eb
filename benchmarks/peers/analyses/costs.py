"""Memory of every method, and what compilation costs us: each in a process of its own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from problems import METHODS

# a child starts with its parent's peak, so the peak is reset (Linux)
PEAK = """
def reset_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")

def peak():
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith("VmHWM")).split()[1]) / 1024
"""

MEMORY = """
import sys, time, numpy as np
from archetypal_triplet import ArchetypalAnalysis
n, k = int(sys.argv[1]), 20
ArchetypalAnalysis(k).fit(np.random.default_rng(0).normal(size=(2000, 50)).astype(np.float32))
rng = np.random.default_rng(0)
X = np.empty((n, 50), np.float32)
corners = rng.normal(size=(k, 50))
for start in range(0, n, 10000):
    m = min(10000, n - start)
    X[start:start + m] = rng.dirichlet(np.ones(k), m) @ corners + 0.05 * rng.normal(size=(m, 50))
reset_peak()
before, cpu = peak(), time.process_time()
model = ArchetypalAnalysis(k, random_state=0).fit(X)
own = model.coefficients_.nbytes / 2**20
print(n, time.process_time() - cpu, peak() - before, own, model.n_iter_, model.duality_gap_)
"""


def memory():
    """Peak memory beyond X, and the exponent of CPU time in n."""
    times = {}
    for n in (10_000, 100_000, 1_000_000):
        command = [sys.executable, "-c", PEAK + MEMORY, str(n)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        _, cpu, peak, own, n_iter, gap = map(float, run.stdout.split())
        times[n] = cpu
        print(f"memory: n={n:.0e} x 50 float32 k=20: {cpu:.2f} s CPU, peak beyond X {peak:.0f} MB, "
              f"coefficients {own:.0f} MB, {n_iter:.0f} passes, gap {gap:.1e}", flush=True)  # fmt: skip
    print(f"memory: exponent in n {np.log(times[1_000_000] / times[10_000]) / np.log(100):.2f}")


PEER_MEMORY = """
import sys
sys.path.insert(0, sys.argv[1])
import problems
method, name = sys.argv[2:]
X, k = problems.SETS[name][0](), problems.SETS[name][1]
fit = problems.METHODS[method]
fit(X[:200], 3)  # imports and compilation
reset_peak()
before = peak()
fit(X, k)
print(peak() - before)
"""


def peer_memory(names):
    """Peak memory of a default fit beyond the data, each method in a process of its own."""
    folder = str(Path(__file__).parent)
    for name in names:
        peaks = []
        for method in METHODS:
            command = [sys.executable, "-W", "ignore", "-c", PEAK + PEER_MEMORY, folder, method, name]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            peaks.append(
                f"{method} {float(run.stdout.split()[-1]):.0f} MB"
                if run.returncode == 0
                else f"{method} failed"
            )
        print(f"peer memory: {name:8s} {', '.join(peaks)}", flush=True)


def compile_time():
    """CPU time of the first fit in a fresh process, without and with numba's cache."""
    code = (
        "import time, numpy as np\nfrom archetypal_triplet import ArchetypalAnalysis as A\n"
        "X = np.random.default_rng(0).normal(size=(300, 5)); t = time.perf_counter()\n"
        "A(4, random_state=0).fit(X); print(time.perf_counter() - t)\n"
        "t = time.perf_counter(); A(60, random_state=0, max_iter=5).fit(X); print(time.perf_counter() - t)"
    )
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "NUMBA_CACHE_DIR": folder, "PYTHONWARNINGS": "ignore"}
        for label in ("cold", "with the cache"):
            command = [sys.executable, "-c", code]
            run = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
            first, second = map(float, run.stdout.split())
            print(f"compile: {label}: first fit {first:.2f} s, another k {second:.2f} s", flush=True)
