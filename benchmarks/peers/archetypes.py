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
import sys
import warnings
from pathlib import Path

# this file would hide the peer of the same name; what belongs to it lies in a folder of its own
sys.path[0] = str(Path(__file__).parent / "analyses")

import numpy as np
from costs import compile_time, memory, peer_memory
from problems import FAST, METHODS, SETS, SMALL, ours, polytope, relative_error, spams_fit, timed
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from archetypal_triplet.archetypes import ArchetypalAnalysis, bicross_validated_variance, parsimonious
from archetypal_triplet.archetypes._initialization import furthest_sum
from archetypal_triplet.archetypes._rows import Rows, single_threaded_blas
from archetypal_triplet.datasets import make_archetypes


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
