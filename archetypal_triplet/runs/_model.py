"""The model folder: our fitted normalizer and embedder as safetensors and JSON, never as pickle."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.runs._codec import decode_estimator, encode_estimator
from archetypal_triplet.runs._results import plain

MODEL_FILE = "model.json"
FORMAT = "archetypal-triplet model"
# raise it when a reader of the old number would misread what is written
FORMAT_VERSION = 1
# the folders of a run that learned from pixels
PARTS = ("features", "pixels", "joint")


def save_model(pipeline, folder):
    """Write a fitted Pipeline of `ScreenNormalizer` and `TripletEmbedder` to a folder.

    The folder holds ``model.json`` (format, parameters, names, hashes) and one ``.safetensors`` file a step.
    Nothing in it is code: reading it runs nothing. The labeler stays behind, since `transform` never asks it;
    archetypes are in the results' ``archetypes.parquet``.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted; each step is a `ScreenNormalizer` or, the last one, a `TripletEmbedder`.
    folder : str or Path
        Where to write; made if it does not exist.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    TypeError
        If a step is something else; the message names it and says what to do.
    sklearn.exceptions.NotFittedError
        If the Pipeline is not fitted.

    See Also
    --------
    load_model : The way back.

    Examples
    --------
    >>> from sklearn.pipeline import Pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from archetypal_triplet.runs import save_model
    >>> save_model(Pipeline([("scale", StandardScaler())]), "model")
    Traceback (most recent call last):
        ...
    TypeError: Step 'scale' (StandardScaler) cannot be saved...
    """
    steps = _check_steps(pipeline)
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    records = []
    for name, step in steps:
        kind = type(step).__name__
        tensors, config = _KINDS[kind][0](step)
        path = folder / f"{name}.safetensors"
        path.write_bytes(_tensor_bytes(tensors))
        records.append(
            {"name": name, "kind": kind, "file": path.name, "sha256": sha256_of(path), "state": plain(config)}
        )
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "written_by": f"archetypal-triplet {version('archetypal-triplet')}",
        "steps": records,
    }
    content["sha256"] = _content_hash(content)
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    (folder / MODEL_FILE).write_text(text, encoding="utf-8")
    return folder


def load_model(folder):
    """Read a Pipeline that `save_model` wrote.

    Parameters
    ----------
    folder : str or Path
        The model folder, or a results folder with a ``model`` in it.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Ready for ``transform``. Its embedder has no labeler any more: it embeds, and cannot be asked for the
        archetypes.

    Raises
    ------
    FileNotFoundError
        If there is no model.
    ValueError
        If the files are no model of ours, are damaged, or come from a newer version of the package.

    See Also
    --------
    save_model : Writes the folder.

    Examples
    --------
    >>> from archetypal_triplet.runs import load_model
    >>> load_model("no_such_folder")
    Traceback (most recent call last):
        ...
    FileNotFoundError: 'no_such_folder' is not a folder...
    """
    folder = find_model(folder)
    content = _read_content(folder)
    steps = []
    for record in content["steps"]:
        path = folder / record["file"]
        if path.parent != folder:
            raise ValueError(
                f"{str(folder / MODEL_FILE)!r} names {record['file']!r}, which is outside of it."
            )
        if record["kind"] not in _KINDS:
            raise ValueError(
                f"{str(folder)!r} holds a step of kind {record['kind']!r}, which this version does not know. "
                f"It reads: {', '.join(_KINDS)}."
            )
        if not path.is_file():
            raise FileNotFoundError(
                f"{str(path)!r} is missing: the model folder is not complete. Copy the whole folder."
            )
        if sha256_of(path) != record["sha256"]:
            raise ValueError(
                f"{str(path)!r} is not the file that was saved (its sha256 differs). Copy the folder again."
            )
        tensors = import_optional("safetensors.numpy", extra="screens").load(path.read_bytes())
        steps.append((record["name"], _KINDS[record["kind"]][1](tensors, record["state"])))
    return Pipeline(steps)


def find_model(folder):
    """Return the model folder that `folder` is, or that the results folder `folder` holds.

    Parameters
    ----------
    folder : str or Path
        What the user named.

    Returns
    -------
    Path
        A folder with a ``model.json``.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    given = Path(folder).expanduser()
    if not given.is_dir():
        raise FileNotFoundError(
            f"{str(given)!r} is not a folder. "
            "Name the folder 'model' of a run's results, or the results themselves."
        )
    for candidate in (given, given / "model"):
        if (candidate / MODEL_FILE).is_file():
            return candidate
    several = [
        c / name for c in (given, given / "model") for name in PARTS if (c / name / MODEL_FILE).is_file()
    ]
    if several:
        raise FileNotFoundError(
            f"{str(given)!r} holds {len(several)} models, because its run learned from pixels. Name one of "
            f"them: {', '.join(map(repr, map(str, several)))}. Of these, 'features' alone takes tables."
        )
    raise FileNotFoundError(
        f"{str(given)!r} holds no model: there is no {MODEL_FILE} in it, nor in {str(given / 'model')!r}. "
        "Name the folder 'model' of a run's results."
    )


def sha256_of(path):
    """Return the sha256 of a file as text, read in pieces."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_steps(pipeline):
    if not isinstance(pipeline, Pipeline):
        raise TypeError(f"Only a Pipeline can be saved, not {type(pipeline).__name__}.")
    for name, step in pipeline.steps:
        if type(step).__name__ not in _KINDS:
            raise TypeError(
                f"Step {name!r} ({type(step).__name__}) cannot be saved as a model. Allowed are: "
                f"{', '.join(_KINDS)}. Save other steps yourself (joblib) and apply them before."
            )
        check_is_fitted(step)
    return pipeline.steps


def _tensor_bytes(tensors):
    import numpy as np

    # safetensors takes the memory as it lies: a transposed or sliced array would be written in another order
    ordered = {name: np.asarray(tensors[name], order="C") for name in sorted(tensors)}
    return import_optional("safetensors.numpy", extra="screens").save(ordered)


def _content_hash(content):
    without = {key: value for key, value in content.items() if key != "sha256"}
    canonical = json.dumps(without, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _read_content(folder):
    path = folder / MODEL_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{str(path)!r} is damaged: it is not readable as JSON ({error}).") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{str(path)!r} was not written by archetypal-triplet: it does not say {FORMAT!r}.")
    if content.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{str(path)!r} has format version {content.get('format_version')!r}, written by "
            f"{content.get('written_by', 'an unknown version')}; this version reads {FORMAT_VERSION}. "
            "Update archetypal-triplet, or run again with this version."
        )
    if content.get("sha256") != _content_hash(content):
        raise ValueError(f"{str(path)!r} was changed after it was written (its sha256 differs).")
    return content


def _save_normalizer(step):
    return encode_estimator(step)


def _load_normalizer(tensors, state):
    from archetypal_triplet.screens import ScreenNormalizer

    return decode_estimator(ScreenNormalizer, tensors, state)


def _save_embedder(step):
    from archetypal_triplet.triplets._serialize import module_state

    return module_state(step)


def _load_embedder(tensors, state):
    from archetypal_triplet.triplets._serialize import embedder_from_state

    return embedder_from_state(tensors, state)


def _load_whitener(tensors, state):
    from archetypal_triplet.runs._joint import EmbeddingWhitener

    return decode_estimator(EmbeddingWhitener, tensors, state)


_KINDS = {
    "ScreenNormalizer": (_save_normalizer, _load_normalizer),
    "TripletEmbedder": (_save_embedder, _load_embedder),
    "EmbeddingWhitener": (encode_estimator, _load_whitener),
}
