"""ArchetypalAnalysis side by side with its peers: SPAMS, archetypes, py_pcha, partipy.

Run by `make peers`, in an environment of its own (requirements.txt here, plus this package without its
dependencies). One process, one thread unless said, medians of CPU time; in `speed` the methods take turns.
The objective is always recomputed from the A and B that a method returns, after checking that their rows
lie on the simplex.

    python benchmarks/peers/archetypes.py speed --sets digits,1e4x20 --out results/
    python benchmarks/peers/archetypes.py defaults quality recovery choose limit
    python benchmarks/peers/archetypes.py threads memory peer_memory compile
"""

# ruff: noqa: B023, E402 - closures are called at once; the thread limits must come before the imports

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

if __name__ == "__main__":
    sys.path.pop(0)  # this file would hide the peer of the same name

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_sample_images
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from archetypal_triplet.archetypes import ArchetypalAnalysis, bicross_validated_variance, parsimonious
from archetypal_triplet.archetypes._initialization import furthest_sum
from archetypal_triplet.archetypes._rows import Rows, single_threaded_blas
from archetypal_triplet.datasets import make_archetypes


def polytope(n, d, k, noise=0.05):
    rng = np.random.default_rng(0)
    corners = rng.normal(size=(k, d))
    return rng.dirichlet(np.full(k, 0.5), size=n) @ corners + noise * rng.normal(size=(n, d))


def breast_cancer():
    X = load_breast_cancer().data
    return (X - X.mean(axis=0)) / X.std(axis=0)


def patches(n=100_000, size=8):
    rng = np.random.default_rng(0)
    images = [image.mean(axis=2) / 255 for image in load_sample_images().images]
    out = np.empty((n, size * size))
    for i in range(n):
        image = images[i % len(images)]
        row, column = rng.integers(image.shape[0] - size), rng.integers(image.shape[1] - size)
        out[i] = image[row : row + size, column : column + size].ravel()
    return out


SETS = {
    "digits": (lambda: load_digits().data, 10),
    "breast": (breast_cancer, 5),
    "1e3x100": (lambda: polytope(1000, 100, 20), 20),
    "1e4x20": (lambda: polytope(10_000, 20, 10), 10),
    "1e4x100": (lambda: polytope(10_000, 100, 20), 20),
    "1e5x20": (lambda: polytope(100_000, 20, 10), 10),
    "1e5x100": (lambda: polytope(100_000, 100, 20), 20),
    "1e5x100k10": (lambda: polytope(100_000, 100, 10), 10),
    "patches": (patches, 10),
    "patches20": (patches, 20),
}
FAST = ("digits", "1e4x20", "1e4x100", "1e5x20", "1e5x100", "patches")
SMALL = ("digits", "breast", "1e3x100", "1e4x20", "1e4x100")


def relative_error(X, A, B):
    """Residual over total sum of squares; fails if A or B are not feasible."""
    for factor in (A, B):
        data = factor.data if hasattr(factor, "nnz") else factor
        sums = np.asarray(factor.sum(axis=1)).ravel()
        if np.min(data) < -1e-6 or np.max(np.abs(sums - 1)) > 1e-3:
            return np.nan
    return float(np.sum((X - A @ (B @ X)) ** 2) / np.sum((X - X.mean(axis=0)) ** 2))


def timed(fit):
    """Return CPU time, wall time and what `fit` returns."""
    cpu, wall = time.process_time(), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = fit()
    return time.process_time() - cpu, time.perf_counter() - wall, result


def ours(X, k, **parameters):
    model = ArchetypalAnalysis(k, **{"random_state": 0, **parameters}).fit(X)
    return model.coefficients_, model.archetype_weights_


def spams_fit(X, start, steps, fista=3, compute_gram=False):
    import spams

    Z0 = np.asfortranarray(X[start].T)
    _, A, B = spams.archetypalAnalysis(
        np.asfortranarray(X.T), Z0=Z0, p=len(start), returnAB=True, stepsAS=steps, stepsFISTA=fista,
        computeXtX=compute_gram, numThreads=1,
    )  # fmt: skip
    return A.T.tocsr().toarray(), B.T.tocsr()


def pcha_fit(X, k):
    vars(np)["mat"] = np.asmatrix  # it was written for NumPy 1
    from py_pcha import PCHA

    _, S, C, _, _ = PCHA(X.T.copy(), k)
    return np.asarray(S).T, np.asarray(C).T


def partipy_fit(X, k):
    from partipy.arch import AA

    model = AA(n_archetypes=k, scaling=False)
    model.fit(X)
    return np.asarray(model.A), np.asarray(model.B)


def archetypes_fit(X, k):
    from archetypes import AA

    model = AA(n_archetypes=k, init="furthest_sum", random_state=0)
    A = model.fit_transform(X)
    return np.asarray(A), np.asarray(model.arch_coefficients_)


# as they come, from the same start where a method takes one
METHODS = {
    "ours": ours,
    "spams": lambda X, k: spams_fit(X, furthest_sum(X, k, np.ones(len(X))), 50),
    "py_pcha": pcha_fit,
    "partipy": partipy_fit,
    "archetypes": archetypes_fit,
}


def speed(names, repeats, out, budget):
    """CPU time to the same objective, from the same rows, against SPAMS at its best settings."""
    ratios = {}
    for name in names:
        X, k = SETS[name][0](), SETS[name][1]
        start = furthest_sum(X, k, np.ones(len(X)))
        ours(X[:1000], k, init=start[start < 1000] if (start < 1000).all() else "random")
        points = [
            ("ours", f"tol={tol:g}", lambda tol=tol: ours(X, k, init=start, exchange=False, tol=tol))
            for tol in (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5)
        ]
        runs = [[timed(fit)] for *_, fit in points]
        spent = 0.0
        for fista, gram in (
            ((0, False), (3, False), (3, True)) if len(X) <= 2000 else ((0, False), (3, False))
        ):
            previous = np.inf
            for steps in (2, 5, 10, 20, 40, 80, 160, 320):
                if spent > budget:
                    break
                fit = lambda s=steps, f=fista, g=gram: spams_fit(X, start, s, f, g)  # noqa: E731
                points.append(("spams", f"stepsAS={steps} stepsFISTA={fista} XtX={gram}", fit))
                runs.append([timed(fit)])
                spent += runs[-1][0][0]
                error = relative_error(X, *runs[-1][0][2])
                if error > previous * (1 - 1e-4):
                    break
                previous = error
        # the other rounds go through both methods in turn; long SPAMS fits are run once
        for _ in range(repeats - 1):
            for (method, _, fit), done in zip(points, runs, strict=True):
                if method == "ours" or len(X) <= 10_000:
                    done.append(timed(fit))
        curves = {"ours": [], "spams": []}
        for (method, label, _), done in zip(points, runs, strict=True):
            cpu, wall = (np.median([run[part] for run in done]) for part in (0, 1))
            curves[method].append((cpu, wall, relative_error(X, *done[0][2]), label))
        ends = {method: min(point[2] for point in curve) for method, curve in curves.items()}
        goal = 1.001 * max(ends.values())
        best = {
            method: min(((point[0], point[3]) for point in curve if point[2] <= goal), default=(np.nan, ""))
            for method, curve in curves.items()
        }
        ratios[name] = best["spams"][0] / best["ours"][0]
        print(
            f"{name:8s} goal {goal:.5f}  "
            f"ours {best['ours'][0]:.4f} s ({best['ours'][1]}, end {ends['ours']:.5f})  "
            f"spams {best['spams'][0]:.3f} s ({best['spams'][1]}, end {ends['spams']:.5f})  "
            f"ratio {ratios[name]:.1f}",
            flush=True,
        )
        if out:
            plot(curves, name, out)
    values = np.array([r for r in ratios.values() if np.isfinite(r)])
    print(f"speed: geometric mean {np.exp(np.log(values).mean()):.1f}, least {values.min():.1f}", flush=True)


def plot(curves, name, out):
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    for method, curve in curves.items():
        axes.loglog([p[0] for p in curve], [p[2] for p in curve], "o", label=method)
    axes.set(xlabel="CPU time / s", ylabel="residual / total sum of squares", title=name)
    axes.legend()
    Path(out).mkdir(parents=True, exist_ok=True)
    figure.savefig(Path(out) / f"peers_{name}.png", dpi=120)
    Path(out, f"peers_{name}.json").write_text(json.dumps(curves))


def defaults(names, repeats):
    """Whole default fits, exchange search included, against the peers' defaults."""
    ratios = {method: [] for method in METHODS}
    for name in names:
        X, k = SETS[name][0](), SETS[name][1]
        ours(X[:200], k)
        row = {}
        for method, fit in METHODS.items():
            n_runs = repeats if method == "ours" or len(X) < 5000 else 1
            try:
                runs = [timed(lambda fit=fit: fit(X, k)) for _ in range(n_runs)]
            except Exception as error:
                print(f"{name:8s} {method}: {error!r:.100}", flush=True)
                continue
            row[method] = (np.median([run[0] for run in runs]), relative_error(X, *runs[0][2]))
            ratios[method].append(row[method][0] / row["ours"][0])
        text = "  ".join(f"{m} {t:.3f} s err {e:.5f}" for m, (t, e) in row.items())
        print(f"{name:8s} {text}", flush=True)
    for method, values in ratios.items():
        print(
            f"defaults: {method} takes {np.exp(np.mean(np.log(values))):.1f} times our CPU (geometric mean)"
        )


def quality(names):
    """Every start ends within 1 % of the best objective that anyone finds."""
    for name in names:
        X, k = SETS[name][0](), SETS[name][1]
        errors = [relative_error(X, *ours(X, k, random_state=seed)) for seed in range(8)]
        errors += [relative_error(X, *ours(X, k, random_state=seed, init="aa++")) for seed in range(8)]
        print(f"quality: {name:8s} best {min(errors):.5f} worst {max(errors):.5f} "
              f"(+{100 * (max(errors) / min(errors) - 1):.2f} %)", flush=True)  # fmt: skip


def recovery():
    """Exact vertices of noise-free polytopes that contain them."""
    for k in (3, 5, 10, 20):
        for n, d in ((1000, 30), (10_000, 50)):
            rng = np.random.default_rng(k)
            corners = rng.normal(size=(k, d))
            X = np.vstack([rng.dirichlet(np.ones(k), n) @ corners, corners])
            Z = ArchetypalAnalysis(k, random_state=0).fit(X).archetypes_
            distance = np.linalg.norm(corners[:, None] - Z[None], axis=2).min(axis=1)
            error = np.max(distance / np.linalg.norm(corners, axis=1))
            print(f"recovery: k={k} n={n} largest relative error {error:.1e}", flush=True)


def choose():
    """The number of archetypes of known polytopes, by the default recipe; half of them in PCA space.

    Once with the corners among the samples, once without: then nothing is there where the corners are, and
    with little noise more archetypes than corners describe the rounded hull better.
    """
    for contain in (True, False):
        cases = list(itertools.product((3, 4, 5, 6), (20, 50), (0.1, 0.5), (None, 12)))
        found = [choose_one(*case, contain, seed) for seed, case in enumerate(cases)]
        wrong = [f"{case} found {k}" for case, k in zip(cases, found, strict=True) if k != case[0]]
        label = "among" if contain else "not among"
        print(f"choose: corners {label} the samples: {len(cases) - len(wrong)} of {len(cases)} exactly right")
        print(f"choose: wrong (k, d, noise, pca): {'; '.join(wrong)}", flush=True)


def choose_one(k, d, noise, n_components, contain, seed):
    X = make_archetypes(400, d, k, noise=noise, contain_archetypes=contain, random_state=seed).X
    if n_components is not None:
        X = PCA(n_components, random_state=0).fit_transform(X)
    search = GridSearchCV(
        ArchetypalAnalysis(random_state=0),
        {"n_archetypes": range(2, 11)},
        scoring=bicross_validated_variance,
        refit=parsimonious("n_archetypes"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return search.fit(X).best_params_["n_archetypes"]


def limit(names, repeats):
    """A steady iteration over the two dense products that no method can avoid."""
    for name in names:
        X, k = SETS[name][0](), SETS[name][1]
        model = ArchetypalAnalysis(k, random_state=0, max_iter=300).fit(X)
        rows = Rows(X, X.mean(axis=0))
        Z = model.archetypes_ - rows.shift
        A = np.zeros((len(X), k))
        with single_threaded_blas():
            M, C, _, _ = rows.run(Z, A, warm=False)
            G = M @ Z - C
            B = np.random.default_rng(0).random((k, len(X)))
            mine, reference = [], []
            for turn in range(repeats + 4):
                moved = Z * (1 + 1e-3 * (turn % 2))
                mine.append(timed(lambda moved=moved: rows.run(moved, A, warm=True, G=G))[0])
                reference.append(timed(lambda moved=moved: (X @ moved.T, B @ X))[0])
        print(f"limit: {name:11s} pass {np.median(mine):.4f} s, products {np.median(reference):.4f} s, "
              f"ratio {np.median(mine) / np.median(reference):.2f}", flush=True)  # fmt: skip


def threads(repeats):
    """Wall time at one and two threads, and whether the bits agree; says little on a busy machine."""
    X, k = polytope(1_000_000, 50, 20).astype(np.float32), 20
    walls, fits = {1: [], 2: []}, {}
    for _ in range(repeats):
        for n_jobs in (1, 2):
            model = ArchetypalAnalysis(k, random_state=0, n_jobs=n_jobs)
            walls[n_jobs].append(timed(lambda model=model: model.fit(X))[1])
            fits[n_jobs] = model
    same = np.array_equal(fits[1].archetypes_, fits[2].archetypes_) and np.array_equal(
        fits[1].coefficients_, fits[2].coefficients_
    )
    one, two = np.median(walls[1]), np.median(walls[2])
    print(f"threads: 1 {one:.3f} s, 2 {two:.3f} s, ratio {one / two:.2f}, same bits {same}", flush=True)


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
import archetypes_benchmark as benchmark
method, name = sys.argv[2:]
X, k = benchmark.SETS[name][0](), benchmark.SETS[name][1]
fit = benchmark.METHODS[method]
fit(X[:200], 3)  # imports and compilation
reset_peak()
before = peak()
fit(X, k)
print(peak() - before)
"""


def peer_memory(names):
    """Peak memory of a default fit beyond the data, each method in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        # under another name: this file's own would hide the peer that is called the same
        shutil.copy(__file__, Path(folder) / "archetypes_benchmark.py")
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    everything = ["speed", "defaults", "quality", "recovery", "choose", "limit"]
    everything += ["threads", "memory", "peer_memory", "compile"]
    parser.add_argument("sections", nargs="*", default=everything, help="some of: " + " ".join(everything))
    parser.add_argument("--sets", help="comma-separated names instead of each section's own")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--budget", type=float, default=300, help="CPU seconds for SPAMS per set")
    parser.add_argument("--out", help="folder for the error-against-time curves")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    names = arguments.sets.split(",") if arguments.sets else None
    for section in arguments.sections:
        if section == "speed":
            speed(names or FAST, arguments.repeats, arguments.out, arguments.budget)
        elif section == "defaults":
            defaults(names or SMALL, arguments.repeats)
        elif section == "quality":
            quality(names or SMALL[:3])
        elif section == "recovery":
            recovery()
        elif section == "choose":
            choose()
        elif section == "limit":
            limit(names or ("patches", "1e5x100k10", "1e5x100", "1e5x20"), arguments.repeats)
        elif section == "threads":
            threads(arguments.repeats)
        elif section == "memory":
            memory()
        elif section == "peer_memory":
            peer_memory(names or ("digits", "1e4x20", "1e4x100"))
        elif section == "compile":
            compile_time()
        else:
            raise SystemExit(f"unknown section {section!r}")


if __name__ == "__main__":
    main()
