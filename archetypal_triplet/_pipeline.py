"""make_archetypal_triplet: the whole method as one standard scikit-learn Pipeline."""

from numbers import Integral

from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from archetypal_triplet.archetypes import ArchetypalAnalysis
from archetypal_triplet.labels import EnsembleLabeler, FlaggedLabeler, PseudoLabeler
from archetypal_triplet.screens import NeighborAverager, ScreenNormalizer
from archetypal_triplet.triplets import TripletEmbedder

# What differs with the kind of row. Measured on real screens during the design; the reasons stand in the
# user guide. Wells are averages and clean, so only confident labels train; a cell is noisy, so it is labeled
# by the mean of its neighbors, all labels count, and noise on the input is kept small beside its own. Single
# cells come by the thousand and along a continuum, so they bear as many archetypes as wells and take twice
# the steps; most of their features are texture, which must not outvote the rest; and a cell's length is
# measured from the mean cell, since the controls' cells are as varied as all others.
LEVELS = {
    "well": {
        "n_components": 30,
        "balance": None,
        "origin": "controls",
        "soft_length": 2.0,
        "n_archetypes": (8, 12, 16, 20, 24, 32),
        "threshold": 0.5,
        "n_neighbors": None,
        "input_noise": 1.0,
        "max_steps": 400,
    },
    "field": {
        "n_components": "auto",
        "balance": None,
        "origin": "controls",
        "soft_length": 2.0,
        "n_archetypes": (8, 12, 16, 20, 24, 32),
        "threshold": 0.0,
        "n_neighbors": None,
        "input_noise": 1.0,
        "max_steps": 400,
    },
    "cell": {
        "n_components": "auto",
        "balance": "category",
        "origin": "mean",
        "soft_length": 1.0,
        "n_archetypes": (8, 12, 16, 20, 24, 32),
        "threshold": 0.0,
        "n_neighbors": 25,
        "input_noise": 0.25,
        "max_steps": 800,
    },
}

# Between the two kinds of screens that were measured: wells explain 9 % of the variance of cardiac
# fibroblasts, whose diseased cells differ by a small shift of all, and 42 % of those of a translocation.
MAX_GROUP_SHARE = 0.25

# each of several labelings is fitted on its own half of the rows, and labels all
MAX_SAMPLES = 0.5


@validate_params(
    {
        "n_archetypes": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "level": [StrOptions(set(LEVELS))],
        "plate": [str, None],
        "controls": [str, None],
        "groups": [str, list, None],
        "features": ["array-like", None],
        "flags": [str, None],
        "n_labelings": [Interval(Integral, 1, None, closed="left")],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "max_steps": [Interval(Integral, 1, None, closed="left"), None],
        "device": [str],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def make_archetypal_triplet(
    n_archetypes=None,
    *,
    level="well",
    plate=None,
    controls=None,
    groups=None,
    features=None,
    flags=None,
    n_labelings=48,
    embedding_dim=32,
    max_steps=None,
    device="auto",
    random_state=None,
    n_jobs=None,
    verbose=0,
):
    """Return the recommended Pipeline: normalize the screen, label it by archetypes, train the embedding.

    The two steps are ``normalize``, a `ScreenNormalizer`, and ``embed``, a `TripletEmbedder` whose labeler
    finds the archetypes. ``fit(X)`` needs no y and ignores one, so that scoring the embedding against known
    mechanisms never trains on them. The parts are standard: replace, search or take out any of them.

    Parameters
    ----------
    n_archetypes : int, sequence of int or None, default=None
        None trains on `n_labelings` labelings with different numbers of archetypes, which is what to use
        unless there is a reason against it. A sequence does the same with these numbers. An int uses one
        labeling with that many, the parameter ``embed__labeler__archetypes__n_archetypes`` of the Pipeline
        (with `flags` ``embed__labeler__labeler__archetypes__n_archetypes``).
    level : {"well", "field", "cell"}, default="well"
        What a row of the table is. It sets how components are made and lengths softened, the numbers of
        archetypes, which samples are labeled, and the noise on the input of the network and its steps.
    plate : str or None, default=None
        Column that names the plate.
    controls : str or None, default=None
        Query that selects the negative controls, for example ``"Metadata_ControlType == 'negative'"``.
    groups : str, list of str or None, default=None
        Columns whose equal values mark rows of one kind: the well of fields or cells, or replicates.
    features : sequence of str or None, default=None
        Feature columns; None takes all numeric columns that are not metadata.
    flags : str or None, default=None
        Column of flags, 0 or 1, such as the ``Metadata_atq_IsFlagged`` of `qc.compute_field_scores`. Flagged
        rows shape nothing: neither the normalization nor archetypes, and they get the label -1, on which
        nothing is trained. They are embedded as all others are. Not with cells in `groups`.
    n_labelings : int, default=48
        Number of labelings, unless `n_archetypes` is an int. With 12 of them the embedding depended on the
        seed about twice as much; more than 48 changed nothing more.
    embedding_dim : int, default=32
        Number of dimensions of the embedding.
    max_steps : int or None, default=None
        Training steps of the network; None takes 400, and 800 for cells.
    device : str, default="auto"
        Where the network is trained: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
    random_state : int, RandomState instance or None, default=None
        Seed of the archetypes, of the labelings and of the network.
    n_jobs : int or None, default=None
        Threads for archetypes and neighbors.
    verbose : int, default=0
        With 1 or more the network reports its progress.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Unfitted, with the steps ``normalize`` and ``embed``.

    Raises
    ------
    ValueError
        If `n_archetypes` is a sequence that is empty or holds something else than whole numbers, or `flags`
        are given for cells in `groups`.

    Examples
    --------
    >>> from archetypal_triplet import make_archetypal_triplet
    >>> pipe = make_archetypal_triplet(
    ...     plate="Metadata_Plate", controls="Metadata_ControlType == 'negative'", random_state=0
    ... )
    >>> list(pipe.named_steps)
    ['normalize', 'embed']
    """
    defaults = LEVELS[level]
    # a well's own cells are averaged, and a cell's positives come from other wells where there are any
    by_group = level == "cell" and groups is not None
    if by_group and flags is not None:
        raise ValueError(
            f"flags={flags!r}: cells in groups cannot be flagged in the Pipeline, since the network is kept "
            "from one column, that of the groups. Fit on the cells that are not flagged, and transform all."
        )
    groups_column = -1 if by_group else None
    normalizer = ScreenNormalizer(
        plate,
        controls,
        groups,
        features=features,
        n_components=defaults["n_components"],
        soft_length=defaults["soft_length"],
        balance=defaults["balance"],
        origin=defaults["origin"],
        append_groups=by_group,
        flags=flags,
        append_flags=flags is not None,
    )
    labeler = _make_labeler(
        n_archetypes, n_labelings, defaults, groups_column, controls is not None, random_state, n_jobs
    )
    if flags is not None:
        # a column that the network is kept from goes by the name of groups; all that is trained on is one
        labeler, groups_column = FlaggedLabeler(labeler, flag_column=-1), -1
    embedder = TripletEmbedder(
        labeler,
        embedding_dim=embedding_dim,
        max_steps=defaults["max_steps"] if max_steps is None else max_steps,
        input_noise=defaults["input_noise"],
        groups_column=groups_column,
        device=device,
        random_state=random_state,
        verbose=verbose,
    )
    return Pipeline([("normalize", normalizer), ("embed", embedder)])


def _make_labeler(n_archetypes, n_labelings, defaults, groups_column, has_controls, random_state, n_jobs):
    archetypes = ArchetypalAnalysis(random_state=random_state, n_jobs=n_jobs)
    labels = PseudoLabeler(threshold=defaults["threshold"])
    if isinstance(n_archetypes, Integral):
        steps = [("archetypes", archetypes.set_params(n_archetypes=n_archetypes)), ("labels", labels)]
    else:
        one = Pipeline([("archetypes", archetypes), ("labels", labels)])
        counts = defaults["n_archetypes"] if n_archetypes is None else _check_counts(n_archetypes)
        ensemble = EnsembleLabeler(
            one,
            n_labelings,
            param_distributions={"archetypes__n_archetypes": list(counts)},
            max_samples=MAX_SAMPLES,
            random_state=random_state,
        )
        steps = [("ensemble", ensemble)]
    if defaults["n_neighbors"] is not None:
        averager = NeighborAverager(
            defaults["n_neighbors"],
            groups_column=groups_column,
            # what only sets wells apart has been whitened by control wells, if there are any
            max_group_share=1.0 if has_controls else MAX_GROUP_SHARE,
            n_jobs=n_jobs,
        )
        steps = [("average", averager), *steps]
    return steps[0][1] if len(steps) == 1 else Pipeline(steps)


def _check_counts(n_archetypes):
    counts = list(n_archetypes)
    if not counts or not all(isinstance(count, Integral) and count >= 1 for count in counts):
        raise ValueError(
            f"n_archetypes={n_archetypes!r} must be a whole number of at least 1, "
            "a non-empty sequence of such numbers, or None for the defaults of the level."
        )
    return [int(count) for count in counts]
