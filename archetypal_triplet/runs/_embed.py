"""embed_profiles: later plates through the model of an earlier run."""

from pathlib import Path

from archetypal_triplet._utils._columns import is_metadata
from archetypal_triplet._utils._frames import as_pandas, is_frame, query_words
from archetypal_triplet._utils._roles import as_names
from archetypal_triplet.runs._model import load_model
from archetypal_triplet.runs._progress import Stages, heard_warnings
from archetypal_triplet.runs._results import check_inputs_survive, check_output_file
from archetypal_triplet.runs._tables import make_embedding_table
from archetypal_triplet.screens import read_profiles, write_table
from archetypal_triplet.screens._features import LEAVE_OUT
from archetypal_triplet.screens._files import table_suffix


def embed_profiles(model, table, *, out=None, force=False):
    """Embed the rows of a table with the model of an earlier run.

    A plate that the run has seen is centered as it was then; a new plate on its own negative controls, which
    the query of the run finds. Nothing is learned, and rows do not influence each other beyond that.

    Parameters
    ----------
    model : str or Path
        The folder ``model`` of a run, or its results folder.
    table : DataFrame, str, Path, or list of str or Path
        Profiles with the features of the run; files as `archetypal_triplet.screens.read_profiles` reads them.
    out : str, Path or None, default=None
        File to write: ``.parquet``, ``.csv`` or ``.csv.gz``. None writes nothing.
    force : bool, default=False
        Whether the file may be replaced if it exists.

    Returns
    -------
    pandas.DataFrame
        The table's metadata and ``Embedding_*``.

    Raises
    ------
    FileNotFoundError
        If there is no model, or no folder to write to.
    FileExistsError
        If `out` exists and `force` is not set.
    ValueError
        If the model is damaged, of another kind or newer, features are missing or hold NaN or infinities, a
        new plate has no controls, or `out` is one of the files that are read.

    See Also
    --------
    run_profiles : Learns the model.

    Examples
    --------
    >>> from archetypal_triplet.runs import embed_profiles
    >>> try:
    ...     embed_profiles("no_such_model", "new.parquet")
    ... except FileNotFoundError as error:
    ...     print(error)
    'no_such_model' is not a folder. Name the folder 'model' of a run's results, or the results themselves.
    """
    paths = [] if is_frame(table) else [table] if isinstance(table, (str, Path)) else list(table)
    if out is not None:
        place = check_output_file(out, force=force)
        table_suffix(place)
        check_inputs_survive(paths, place)
    stages = Stages()
    with heard_warnings():
        pipeline = load_model(model)
        _check_reads_tables(pipeline, model)
        with stages("read") as say:
            table = as_pandas(table) if is_frame(table) else _read(paths, pipeline)
            say("read %d rows", len(table))
        with stages("embed") as say:
            embedding = pipeline.transform(table)
            say("embedded them in %d dimensions", embedding.shape[1])
        result = make_embedding_table(table[_metadata(table, pipeline)], embedding)
        if out is not None:
            write_table(result, out, overwrite=force)
    return result


def _check_reads_tables(pipeline, model):
    first = pipeline[0]
    if not (hasattr(first, "plate") and hasattr(first, "feature_names_in_")):
        raise ValueError(
            f"{str(model)!r} does not begin with a ScreenNormalizer that was fitted on a table with named "
            f"columns, so its features are not known. Use load_model({str(model)!r}).transform(X) on arrays."
        )


def _read(paths, pipeline):
    """Read the features of the model, whatever their values are here: one plate may well hold a constant."""
    normalizer = pipeline[0]
    roles = {"plate": normalizer.plate, "features": list(normalizer.feature_names_in_)}
    # the query itself is asked by the normalizer, of new plates alone
    queried = query_words(normalizer.controls) if normalizer.controls else ()
    roles["metadata"] = [*as_names(normalizer.groups), *queried]
    # every row is embedded by itself, so that rows of one well do no harm
    try:
        return read_profiles(paths, **roles, level="cell")
    except ValueError as error:
        if LEAVE_OUT not in str(error):
            raise
        cure = "Impute them, or drop these rows from the table: the model needs all of its features."
        raise ValueError(str(error).replace(LEAVE_OUT, cure)) from error


def _metadata(table, pipeline):
    """Metadata and text, and the column of the plate however it is called."""
    features = set(pipeline[0].feature_names_in_)
    plate = pipeline[0].plate
    return [
        c
        for c in table
        if c not in features and (is_metadata(c) or c == plate or table[c].dtype.kind not in "fiub")
    ]
