"""The results folder: judged before the work, filled beside its place, put there in one step at the end."""

import json
import math
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

RUN_FILE = "run.json"


def check_results_folder(out, *, force=False, marker=RUN_FILE):
    """Judge, without writing anything, whether results can be written to a folder.

    Parameters
    ----------
    out : str or Path
        The folder that the results shall become.
    force : bool, default=False
        Whether an older results folder may be replaced.
    marker : str, default="run.json"
        The file by which results are known; a folder without it is never replaced.

    Returns
    -------
    Path
        The folder, absolute, with links followed.

    Raises
    ------
    FileExistsError
        If `out` holds something: results without `force`, or anything that is not our results.
    FileNotFoundError
        If the folder above does not exist.
    NotADirectoryError
        If `out`, or what stands above it, is a file.
    PermissionError
        If the folder above may not be written to.
    OSError
        If `out` is a mount point, which cannot be replaced in one step.

    Examples
    --------
    >>> import tempfile
    >>> from archetypal_triplet.runs import check_results_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_results_folder(folder + "/results").name
    'results'
    """
    out = Path(out).expanduser().resolve()
    parent = out.parent
    if not parent.exists():
        raise FileNotFoundError(
            f"out={str(out)!r}: the folder {str(parent)!r} does not exist. "
            "Create it, or choose another place."
        )
    if not parent.is_dir():
        raise NotADirectoryError(f"out={str(out)!r}: {str(parent)!r} is a file. Choose another place.")
    if out.exists():
        _check_replaceable(out, force, marker)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(
            f"out={str(out)!r}: you may not write to {str(parent)!r}. "
            "Choose another place, or change its rights."
        )
    return out


def _check_replaceable(out, force, marker):
    if not out.is_dir():
        raise NotADirectoryError(f"out={str(out)!r} is a file. Results are a folder: choose another name.")
    if out.is_mount():
        raise OSError(f"out={str(out)!r} is a mount point and cannot be replaced. Name a folder inside it.")
    if not any(out.iterdir()):
        return
    if not (out / marker).is_file():
        raise FileExistsError(
            f"out={str(out)!r} holds files that are not results of a run (there is no {marker}), "
            "so it is left alone, with --force (force=True) too. Choose another folder."
        )
    if not force:
        raise FileExistsError(
            f"out={str(out)!r} already holds results. "
            "Choose another folder, or replace them with --force (force=True)."
        )


@contextmanager
def results_folder(out, *, force=False, marker=RUN_FILE):
    """Give a temporary folder to write results to, and put it in place when all went well.

    The folder stands beside `out`, so that it can be renamed in one step. After an error or an interruption
    nothing of it is left, and results that stood there before are untouched; older results are removed only
    after the new ones are complete and in their place.

    Parameters
    ----------
    out : str or Path
        The folder that the results shall become.
    force : bool, default=False
        Whether an older results folder may be replaced.
    marker : str, default="run.json"
        The file by which results are known; a folder without it is never replaced.

    Yields
    ------
    Path
        An empty folder.

    Raises
    ------
    OSError
        As `check_results_folder`, or if the temporary folder cannot be created.
    """
    out = check_results_folder(out, force=force, marker=marker)
    partial = out.with_name(f".{out.name}.partial-{os.getpid()}")
    try:
        partial.mkdir()
    except FileExistsError:
        raise FileExistsError(
            f"out={str(out)!r}: {str(partial)!r} is in the way, left by a run that was killed, or in use by "
            "another run of this process. Remove it if nothing writes to it."
        ) from None
    except OSError as error:
        raise PermissionError(
            f"out={str(out)!r}: nothing can be written to {str(out.parent)!r} ({error.strerror}). "
            "Choose another place."
        ) from error
    try:
        yield partial
        # somebody else may have written there in the meantime
        check_results_folder(out, force=force, marker=marker)
        _put_in_place(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _put_in_place(new, out):
    if not out.exists():
        new.rename(out)
        return
    old = out.with_name(f".{out.name}.replaced-{os.getpid()}")
    try:
        out.rename(old)
        new.rename(out)
    except BaseException:
        # Ctrl-C may come just after the one or the other
        if old.exists() and not out.exists():
            old.rename(out)
        elif old.exists():
            shutil.rmtree(old, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)


def check_output_file(path, *, force=False):
    """Judge, without writing anything, whether a file can be written.

    Parameters
    ----------
    path : str or Path
        The file.
    force : bool, default=False
        Whether an existing file may be replaced.

    Returns
    -------
    Path
        The file, absolute, with links followed.

    Raises
    ------
    FileExistsError
        If the file exists and `force` is not set.
    FileNotFoundError
        If its folder does not exist.
    IsADirectoryError
        If the path is a folder.
    PermissionError
        If its folder may not be written to.
    """
    path = Path(path).expanduser().resolve()
    if path.is_dir():
        raise IsADirectoryError(f"out={str(path)!r} is a folder; name a file, such as embedding.parquet.")
    if path.exists() and not force:
        raise FileExistsError(
            f"out={str(path)!r} already exists. Choose another name, or replace it with --force (force=True)."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"out={str(path)!r}: the folder {str(path.parent)!r} does not exist. "
            "Create it, or choose another place."
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(
            f"out={str(path)!r}: you may not write to {str(path.parent)!r}. Choose another place."
        )
    return path


def check_inputs_survive(paths, out):
    """Raise if writing to `out` would replace a file that is read.

    Parameters
    ----------
    paths : list of str or Path
        Files that are read.
    out : Path
        From `check_results_folder` or `check_output_file`.

    Raises
    ------
    ValueError
        If one of them is `out` or lies in it.
    """
    for path in paths:
        inside = Path(path).expanduser().resolve()
        if out == inside or out in inside.parents:
            raise ValueError(
                f"out={str(out)!r} would replace the table that is read, {str(path)!r}. Choose another "
                "place, or move the table."
            )


def write_json(path, content):
    """Write `content` as readable JSON; it knows NumPy and paths, and NaN and infinity become null."""
    path.write_text(json.dumps(plain(content), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def plain(value):
    """Return `value` with NumPy numbers, arrays, tuples and paths turned into what JSON knows."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    return str(value)
