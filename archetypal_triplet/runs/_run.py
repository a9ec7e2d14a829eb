"""run_profiles: a table of profiles in, a folder of results out."""

import time
from datetime import UTC, datetime

from sklearn.utils import Bunch

from archetypal_triplet._pipeline import make_archetypal_triplet
from archetypal_triplet.runs._files import draw_maps, save_models, write_tables
from archetypal_triplet.runs._flag_fields import flag_fields
from archetypal_triplet.runs._hold_out import compute_held_out_quality, explain_none_held_out
from archetypal_triplet.runs._pixels import learn_pixels
from archetypal_triplet.runs._plan import check_enough_rows, plan_run
from archetypal_triplet.runs._progress import Stages, TrainingBar, heard_warnings, log_plan
from archetypal_triplet.runs._quality import add_held_out, compute_quality
from archetypal_triplet.runs._results import RUN_FILE, results_folder, write_json
from archetypal_triplet.runs._summary import find_versions, summarize
from archetypal_triplet.runs._tables import (
    find_reference,
    make_archetypes_table,
    make_embedding_table,
    make_group_table,
    select_reference,
)

# the mean of so many most typical rows describes an archetype: a well is a mean already, a cell is noisy
N_DESCRIBED = {"well": 5, "field": 5, "cell": 25}


def execute(plan, folder, pixels=None):
    """Do what a plan says and write all results into an empty folder.

    Parameters
    ----------
    plan : RunPlan
        From `plan_run`.
    folder : Path
        Where to write.
    pixels : PixelPlan or None, default=None
        Images of the rows, if the embedding is to be made from them.

    Returns
    -------
    sklearn.utils.Bunch
        As `run_profiles`, without ``folder``.
    """
    started = datetime.now(UTC)
    begin = time.perf_counter()
    stages = Stages()
    stages.seconds["read"] = plan.seconds_read
    with heard_warnings() as heard:
        scores, flagged = _flag(plan, stages)
        pipeline, components = _fit(plan, stages)
        normalizer, embedder = pipeline["normalize"], pipeline["embed"]
        reference = find_reference(embedder, components, plan.left_out)
        learned = _learn(plan, pixels, embedder, components, stages)
        embedding, archetypes, groups = _make_tables(plan, scores, normalizer, reference, learned, stages)
        quality = _score(plan, pipeline, components, embedding, learned, stages)
        with stages("files") as say:
            files = write_tables(folder, embedding, archetypes, groups, quality, embedder.history_)
            files["model/"] = save_models(folder / "model", pipeline, learned.models)
            files |= draw_maps(folder, plan, embedding, groups)
            say("wrote tables, map and model")
    info = {
        "format": "archetypal-triplet run",
        "format_version": 1,
        "started_utc": started.isoformat(timespec="seconds"),
        "seconds": {**stages.seconds, "total": round(time.perf_counter() - begin + plan.seconds_read, 3)},
        "parameters": plan.options,
        "seed": plan.options["random_state"],
        "versions": find_versions(),
        "device": str(embedder.device_),
        "input": plan.inputs,
        "table": plan.facts,
        "trained_on": _trained_on(embedder, plan),
        "flagged_fields": flagged,
        "embedding": {
            "of": pixels.embed if pixels else "features",
            "n_dimensions": learned.embedding.shape[1],
        },
        "pixels": learned.info,
        "archetypes": _archetypes_info(reference),
        "warnings": [*plan.warnings, *heard],
        "files": files,
    }
    write_json(folder / RUN_FILE, info)
    return Bunch(
        pipeline=pipeline,
        embedding=embedding,
        archetypes=archetypes,
        groups=groups,
        quality=quality,
        info=info,
    )


def run_profiles(
    table,
    *,
    plate=None,
    controls=None,
    positive_controls=None,
    groups=None,
    features=None,
    level="well",
    n_archetypes=None,
    color=None,
    on_nonfinite="raise",
    flag_fields="auto",
    hold_out="auto",
    out="results",
    force=False,
    device="auto",
    random_state=0,
    progress=False,
):
    """Learn the map of a screen from its profiles, and write a folder of results.

    Everything that can be judged is judged before any work. The steps are those of
    `archetypal_triplet.make_archetypal_triplet`: normalise, label by archetypes, train the embedding; then
    tables, map and model are written beside `out`, and put in its place in one step when all is complete.

    Parameters
    ----------
    table : DataFrame, str, Path, or list of str or Path
        The profiles, or files of them as `archetypal_triplet.screens.read_profiles` reads them.
    plate : str or None, default=None
        Column that names the plate.
    controls : str or None, default=None
        Query that chooses the negative controls, such as ``"Metadata_ControlType == 'negative'"``.
    positive_controls : str or None, default=None
        Query that chooses the positive controls. They are scored against the negative ones, and are not used
        otherwise.
    groups : str, list of str or None, default=None
        Columns whose equal values mark rows of one kind: the well of fields or cells, or the treatment of
        replicates.
    features : list of str or None, default=None
        Feature columns; None takes all numeric columns that are not metadata.
    level : {"well", "field", "cell"}, default="well"
        What a row is.
    n_archetypes : int or None, default=None
        None trains on many labelings with different numbers of archetypes, which is better; an int on one.
    color : str or None, default=None
        One more column to color the map by.
    on_nonfinite : {"raise", "drop_features", "drop_rows"}, default="raise"
        What to do with NaN and infinities among the features.
    flag_fields : {"auto", "none"}, default="auto"
        Whether fields that are unlike the other fields of their well are left out of the fit, where rows are
        fields and `groups` tells of their wells. They get an embedding and the pseudo-label -1, and stay out
        of the means of their wells.
    hold_out : {"auto", "none"}, default="auto"
        Whether controls are also scored by fits that they did not train, which takes the time of two more
        fits (not with an embedding of pixels).
    out : str or Path, default="results"
        Folder of results.
    force : bool, default=False
        Whether older results in `out` are replaced. Anything else that is there is never touched.
    device : str, default="auto"
        Where the network is trained: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
    random_state : int, default=0
        Seed of archetypes and network. The same seed, threads and device give the same results.
    progress : bool, default=False
        Whether to draw a bar while the network trains.

    Returns
    -------
    sklearn.utils.Bunch
        ``folder``, the fitted ``pipeline``, the tables ``embedding``, ``archetypes``, ``groups`` (means over
        `groups` where rows are fields or cells, else None) and ``quality`` (None without positive controls),
        ``info`` (the content of run.json) and ``summary`` (a text to print).

    Raises
    ------
    ValueError
        If the table or an option has a fault; the message says which and what to do.
    OSError
        If a file does not exist, or `out` cannot become a folder of results.

    Warns
    -----
    DataWarning, CollapseWarning
        As log records of level WARNING, which are kept in run.json too.

    See Also
    --------
    plan_run : The checks alone.
    embed_profiles : Later plates through the model of a run.

    Notes
    -----
    The embedding has seen every row that it is computed for: a number computed from it, such as the
    separability of controls, describes this map, and is not an estimate for other plates. run.json says so.

    Several labelings have no common set of shares. The shares, pseudo-labels and archetypes that are written
    are those of the first labeling with the fewest archetypes.

    Examples
    --------
    >>> import tempfile
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.runs import run_profiles
    >>> profiles = make_screen(1, 1, n_replicates=1, plate_format=96, n_features=20, random_state=0).profiles
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = run_profiles(
    ...         profiles,
    ...         plate="Metadata_Plate",
    ...         controls="Metadata_ControlType == 'negative'",
    ...         n_archetypes=4,
    ...         out=folder + "/results",
    ...     )
    ...     sorted(path.name for path in result.folder.iterdir())
    ['archetypes.parquet', 'embedding.parquet', 'map.png', 'model', 'run.json', 'training.csv']
    >>> result.archetypes["Archetype"].tolist()
    ['Archetype_0', 'Archetype_1', 'Archetype_2', 'Archetype_3']
    """
    plan = plan_run(**locals())
    log_plan(plan)
    with results_folder(out, force=force) as folder:
        result = execute(plan, folder)
    result.folder = plan.out
    result.summary = summarize(result)
    return result


def _flag(plan, stages):
    """Find the fields that the run does not fit on; the plan keeps them."""
    if plan.options["level"] != "field":
        return flag_fields(plan)[::2]
    with stages("flags") as say:
        scores, plan.left_out, info = flag_fields(plan)
        say("flagged %d fields that are unlike the others of their wells", info["n_flagged"])
    if plan.left_out is not None:
        check_enough_rows(int((~plan.left_out).sum()), plan.options)
    return scores, info


def _fit(plan, stages):
    """Fit the two steps of the Pipeline one after the other, so that each can be timed."""
    names = ("n_archetypes", "level", "plate", "controls", "groups", "device", "random_state")
    pipeline = make_archetypal_triplet(**{name: plan.options[name] for name in names}, features=plan.features)
    normalizer, embedder = pipeline["normalize"], pipeline["embed"]
    with stages("normalize") as say:
        components = normalizer.fit_transform(plan.table[plan.kept])
        share = normalizer.explained_variance_ratio_.sum()
        say(
            "normalized %d features to %d components (%.0f %% of the variance)",
            normalizer.features_kept_.sum(), normalizer.n_components_, 100 * share,
        )  # fmt: skip
    bar = TrainingBar(embedder.max_steps, shown=plan.progress)
    with stages("archetypes_and_network") as say:
        embedder.set_params(callbacks=[bar])
        embedder.fit(components)
        if plan.left_out is not None:
            components = normalizer.transform(plan.table)
        bar.check_not_interrupted()
        embedder.set_params(callbacks=None)
        n_labelings = 1 if embedder.labels_.ndim == 1 else embedder.labels_.shape[1]
        say(
            "labeled the rows by archetypes (%d labeling%s), trained the network for %d steps on %s",
            n_labelings, "s" * (n_labelings > 1), embedder.n_steps_, embedder.device_,
        )  # fmt: skip
    return pipeline, components


def _learn(plan, pixels, embedder, components, stages):
    if pixels is not None:
        return learn_pixels(plan, pixels, embedder, components, stages)
    return Bunch(embedding=embedder.transform(components), spaces={}, models={}, info=None)


def _make_tables(plan, scores, normalizer, reference, learned, stages):
    """Make the tables of rows, archetypes and, where rows are parts of groups, groups."""
    with stages("tables") as say:
        metadata = plan.metadata if scores is None else plan.metadata.assign(**scores)
        embedding = make_embedding_table(metadata, learned.embedding, reference)
        archetypes = make_archetypes_table(
            plan.table[plan.kept], normalizer, select_reference(reference, plan.kept),
            n_described=N_DESCRIBED[plan.options["level"]],
        )  # fmt: skip
        groups = None
        if plan.group_columns:
            groups = make_group_table(embedding[plan.kept], plan.group_columns)
        say("described %d archetypes", len(archetypes))
    return embedding, archetypes, groups


def _score(plan, pipeline, components, embedding, learned, stages):
    if not plan.options["positive_controls"]:
        return None
    with stages("quality") as say:
        quality = compute_quality(plan, pipeline, components, embedding, learned.spaces)
        say("scored the separation of the controls")
    if plan.options["hold_out"] == "none":
        return quality
    if "pixels" in learned.models:  # it takes hours, which nobody expects of a default
        held_out = explain_none_held_out("the network on pixels would have to be trained twice more")
    else:
        held_out = compute_held_out_quality(plan, pipeline, stages)
    return add_held_out(quality, held_out)


def _trained_on(embedder, plan):
    labels = embedder.labels_ if embedder.labels_.ndim == 2 else embedder.labels_[:, None]
    but = "" if plan.left_out is None else " but the flagged fields that were left out"
    return {
        "what": f"every row of the table{but}, controls of both kinds and treated rows alike; no label, "
        "mechanism or control type was used "
        "to train. Numbers computed from these rows describe a map that has seen them.",
        "n_rows": len(labels),
        "n_labelings": labels.shape[1],
        "n_rows_labeled_at_least_once": int((labels >= 0).any(axis=1).sum()),
        "n_steps": embedder.n_steps_,
        "spread": embedder.spread_,
        "last_round": embedder.history_[-1],
    }


def _archetypes_info(reference):
    counts = [len(one["archetypes"].archetypes_) for one in reference.labelers]
    variances = [one["archetypes"].explained_variance_ for one in reference.labelers]
    return {
        "labelings": [
            {"n_archetypes": count, "explained_variance": variance}
            for count, variance in zip(counts, variances, strict=True)
        ],
        "reference_labeling": reference.position,
        "reference_n_archetypes": counts[reference.position],
        "reference_compared_with": reference.n_compared,
        "why": "Shares, pseudo-labels and archetypes.parquet are those of one labeling: of all that "
        "trained the network, the first with the fewest archetypes.",
    }
