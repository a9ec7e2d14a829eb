"""run_demo: a simulated screen through the same code as a real one, and what was found against its truth."""

import numpy as np
from sklearn.preprocessing import normalize

from archetypal_triplet._utils._columns import ARCHETYPE_PREFIX, COMPOUND, EMBEDDING_PREFIX, PLATE
from archetypal_triplet.datasets import make_screen
from archetypal_triplet.runs._plan import plan_run
from archetypal_triplet.runs._progress import log_plan
from archetypal_triplet.runs._results import check_results_folder, results_folder, write_json
from archetypal_triplet.runs._run import execute
from archetypal_triplet.runs._summary import summarize
from archetypal_triplet.runs._tables import standardize_features
from archetypal_triplet.screens import write_table

SIZES = {
    "small": {
        "n_batches": 2,
        "n_plates": 2,
        "n_replicates": 2,
        "plate_format": 96,
        "n_features": 60,
        "n_end_points": 4,
    },
    "full": {},
}
CONTROLS = "Metadata_ControlType == 'negative'"
POSITIVE_CONTROLS = "Metadata_ControlType == 'positive'"
# a well shows an end point where more than half of its cells' change is of that kind
MIN_MIXTURE = 0.5


def run_demo(out="demo_results", *, size="full", force=False, device="auto", random_state=0, progress=False):
    """Simulate a screen, run the method on its profiles, and compare what was found with the truth.

    The screen comes from `archetypal_triplet.datasets.make_screen`. Its profiles are written to the results
    as a file, and are read from it by the code that real tables go through. The truth is used for scoring
    only.

    Parameters
    ----------
    out : str or Path, default="demo_results"
        Folder of results; beside those of `run_profiles` it holds the simulated ``profiles.parquet`` and
        ``truth.parquet``, and the scores as ``demo.json``.
    size : {"small", "full"}, default="full"
        Size of the screen: 4 plates of 96 wells, or 6 of 384.
    force : bool, default=False
        Whether older results in `out` are replaced.
    device : str, default="auto"
        Where the network is trained.
    random_state : int, default=0
        Seed of the screen and of the run.
    progress : bool, default=False
        Whether to draw a bar while the network trains.

    Returns
    -------
    sklearn.utils.Bunch
        As `run_profiles`, and ``scores``: a dictionary of what was found against the truth.

    Raises
    ------
    ValueError
        If `size` is unknown.
    OSError
        If `out` cannot become a folder of results.

    See Also
    --------
    run_profiles : The same on a real table.

    Examples
    --------
    >>> import tempfile
    >>> from archetypal_triplet.runs import run_demo
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = run_demo(folder + "/demo", size="small")
    >>> sorted(result.scores["neighbors"])
    ['embedding', 'features', 'whitened']
    """
    if size not in SIZES:
        raise ValueError(f"size={size!r} is unknown. Choose from: {', '.join(SIZES)}.")
    final = check_results_folder(out, force=force)
    screen = make_screen(**SIZES[size], random_state=random_state)
    with results_folder(final, force=force) as folder:
        write_table(screen.profiles, folder / "profiles.parquet")
        write_table(screen.truth, folder / "truth.parquet")
        plan = plan_run(
            folder / "profiles.parquet",
            plate=PLATE,
            controls=CONTROLS,
            positive_controls=POSITIVE_CONTROLS,
            device=device,
            random_state=random_state,
            hold_out="auto" if size == "full" else "none",  # small takes seconds
            progress=progress,
            out=folder / "unused",
        )
        plan.inputs[0]["file"] = "profiles.parquet"
        log_plan(plan)
        result = execute(plan, folder)
        result.scores = score_against_truth(result, screen)
        write_json(folder / "demo.json", result.scores)
    result.folder = final
    result.truth = screen.truth
    result.summary = "\n".join([summarize(result), "", *_lines(result.scores)])
    return result


def score_against_truth(result, screen):
    """Score a run on a simulated screen; the truth is used here and nowhere else.

    Parameters
    ----------
    result : Bunch
        From `execute`.
    screen : Bunch
        From `make_screen`; rows as in the result.

    Returns
    -------
    dict
        ``neighbors``: for plate-standardized features, whitened components and embedding the share of
        treatments (compound and dose, mean of wells) whose nearest neighbor among other compounds, by cosine,
        has the same true mechanism; ``n_treatments`` of them. ``archetypes``: for each true end point the
        archetype that dominates most of its wells, and which share of the wells of the end point it
        dominates.
    """
    truth = screen.truth
    spaces = {
        "features": standardize_features(screen.profiles, result.pipeline["normalize"]),
        "whitened": result.pipeline["normalize"].transform(screen.profiles),
        "embedding": result.embedding.filter(regex=f"^{EMBEDDING_PREFIX}").to_numpy(),
    }
    mixtures = truth.filter(regex="^Truth_Mixture_")
    shows = mixtures.to_numpy().max(axis=1) > MIN_MIXTURE
    end_point = mixtures.columns.str.removeprefix("Truth_Mixture_").to_numpy()[
        mixtures.to_numpy().argmax(axis=1)
    ]
    treated = (
        shows & (end_point != "Vehicle") & screen.profiles[COMPOUND].str.startswith("Compound").to_numpy()
    )
    dose = screen.profiles["Metadata_Concentration_uM"]
    keys = screen.profiles[COMPOUND] + "@" + dose.astype(str)
    neighbors = {
        name: score_neighbors(
            values[treated], keys[treated], screen.profiles[COMPOUND][treated], end_point[treated]
        )
        for name, values in spaces.items()
    }
    shares = result.embedding.filter(regex=f"^{ARCHETYPE_PREFIX}").to_numpy()
    return {
        "neighbors": {name: share for name, (share, _) in neighbors.items()},
        "n_treatments": neighbors["embedding"][1],
        "archetypes": match_archetypes(shares[shows], end_point[shows]),
    }


def score_neighbors(values, treatments, compounds, labels):
    """Share of treatments whose nearest neighbor among other compounds has the same label.

    Parameters
    ----------
    values : ndarray of shape (n_wells, n_features)
        Profiles in any space.
    treatments, compounds, labels : array-like of shape (n_wells,)
        Treatment, compound and label of each well; all wells of a treatment have the same compound. The label
        of a treatment is that of most of its wells.

    Returns
    -------
    share : float
        NaN where no treatment can be scored.
    n_treatments : int
        Treatments scored: those whose label another compound has too.
    """
    compounds, labels = np.asarray(compounds), np.asarray(labels)
    _, first, codes = np.unique(np.asarray(treatments), return_index=True, return_inverse=True)
    label_names, label_codes = np.unique(labels, return_inverse=True)
    votes = np.zeros((len(first), len(label_names)), dtype=int)
    np.add.at(votes, (codes, label_codes), 1)
    label, compound = votes.argmax(axis=1), compounds[first]
    means = np.zeros((len(first), values.shape[1]))
    np.add.at(means, codes, values)
    means = normalize(means)  # the cosine does not ask whether this is a sum or a mean
    similarity = means @ means.T
    other = compound[:, None] != compound
    scored = (other & (label[:, None] == label)).any(axis=1)
    if not scored.any():
        return float("nan"), 0
    nearest = np.where(other, similarity, -np.inf)[scored].argmax(axis=1)
    return float(np.mean(label[nearest] == label[scored])), int(scored.sum())


def match_archetypes(shares, end_point):
    """Find for each true end point the archetype that dominates most of its wells.

    Parameters
    ----------
    shares : ndarray of shape (n_wells, n_archetypes)
        Mixtures that were found.
    end_point : ndarray of str of shape (n_wells,)
        What each well shows in truth.

    Returns
    -------
    dict
        ``share_of_wells``: share of wells whose dominant archetype stands for their end point, where an
        archetype stands for the end point that most of the wells that it dominates show, each end point
        weighted by the inverse of its number of wells; ``balanced_share``: its mean over end points;
        ``end_points``: for each, the number of wells, the archetypes that stand for it and their share of its
        wells.
    """
    names, codes = np.unique(end_point, return_inverse=True)
    n_wells = np.bincount(codes)
    dominant = shares.argmax(axis=1)
    table = np.zeros((shares.shape[1], len(names)))
    np.add.at(table, (dominant, codes), 1)
    # vehicle wells are most of the screen: without the weights they would claim every archetype
    stands_for = (table / n_wells).argmax(axis=1)
    right = stands_for[dominant] == codes
    used = np.unique(dominant)
    found = {
        str(name): {
            "n_wells": int(n_wells[j]),
            "archetypes": [f"{ARCHETYPE_PREFIX}{i}" for i in used if stands_for[i] == j],
            "share": float(right[codes == j].mean()),
        }
        for j, name in enumerate(names)
    }
    return {
        "share_of_wells": float(right.mean()),
        "balanced_share": float(np.mean([one["share"] for one in found.values()])),
        "end_points": found,
    }


def _lines(scores):
    neighbors, archetypes = scores["neighbors"], scores["archetypes"]
    lines = [
        "Against the truth of the simulation (used for this comparison only, never to train)",
        f"  Nearest other compound has the same true mechanism, {scores['n_treatments']} treatments:",
        *(f"    {_SPACES[name]:<34}{share:.2f}" for name, share in neighbors.items()),
        f"  Wells whose strongest archetype is their end point's, mean: {archetypes['balanced_share']:.2f}",
    ]
    for name, one in archetypes["end_points"].items():
        which = ", ".join(one["archetypes"]) or "no archetype of its own"
        lines.append(f"    {name:<28}{one['share']:.2f} of {one['n_wells']:>4} wells   {which}")
    return lines


_SPACES = {
    "features": "features, plate-standardized",
    "whitened": "whitened components",
    "embedding": "embedding",
}
