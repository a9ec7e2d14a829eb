"""Image files of a folder or a glob, and which plate a folder stands for."""

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from archetypal_triplet._utils._columns import PLATE, SITE, WELL

PROBLEM_COLUMNS = ["Kind", "File", PLATE, WELL, SITE, "Channel", "Message"]

SUFFIXES = (".tif", ".tiff", ".flex", ".c01", ".dib", ".png", ".jpg", ".jpeg", ".jp2", ".bmp", ".jxl", ".btf")
_THUMBNAIL = re.compile(r"_thumb|thumbnail", re.IGNORECASE)
# folders that instruments put below a plate; they name no plate
_NAMELESS = re.compile(
    r"images?|tiffs?|tifs?|raw|data|assayplate|timepoint_?\d+|zstep_?\d+|measurement_?\d+|\d{4}-\d\d-\d\d",
    re.IGNORECASE,
)


class Listing(NamedTuple):
    """Files, one a row, as a folder or a list names them.

    Parameters
    ----------
    planes : pandas.DataFrame
        Columns path, exists, plate, well, channel, maybe field, z, t and ``Metadata_`` columns; text.
    channels : list of str or None
        Channels in their order; None sorts them.
    has_channels : bool
        Whether each file is one channel, and not a whole field.
    plate_is_told : bool
        Whether the names or the list say the plate, rather than the folder.
    pages : str or None
        What the pages of a file are.
    problems : list of dict
        What is wrong so far, each made by `problem`.
    notes : list of str
        How it was read, in words.
    """

    planes: Any
    channels: list | None
    has_channels: bool
    plate_is_told: bool
    pages: str | None
    problems: list
    notes: list


def problem(kind, message, *, path="", plate="", well="", site="", channel=""):
    """Return a row of `Layout.problems`; what does not apply is empty text."""
    return dict(zip(PROBLEM_COLUMNS, (kind, path, plate, well, site, channel, message), strict=True))


def list_images(source):
    """List the image files of a folder, with all folders below it, or of a glob.

    Parameters
    ----------
    source : str
        A folder, or a path with ``*``, ``?`` or ``[...]`` (``**`` for folders of any depth), of files or of
        folders.

    Returns
    -------
    root : str
        The folder that all files lie in.
    names : list of str
        Paths of the image files relative to it, with "/", sorted.
    folders : list of str
        Folders that end in .zarr; they are not looked into.
    n_thumbnails, n_others : int
        Numbers of files that were passed over: thumbnails, and files that are no images.
    """
    folders = []
    if Path(source).is_dir():
        root, names = source, list(_walk(source, "", folders))
    else:
        root, rest = _split_glob(source)
        found = {p: p.is_dir() for p in sorted(Path(root).glob(rest))}
        folders = [str(p) for p, is_folder in found.items() if p.suffix.lower() == ".zarr" and is_folder]
        names = {p.relative_to(root).as_posix() for p, is_folder in found.items() if not is_folder}
        if not any(name.lower().endswith(SUFFIXES) for name in names):  # a glob of plates
            for place in [p for p, is_folder in found.items() if is_folder and str(p) not in folders]:
                names.update(_walk(place, f"{place.relative_to(root).as_posix()}/", folders))
    images = [name for name in names if name.lower().endswith(SUFFIXES)]
    full_size = sorted(name for name in images if not _THUMBNAIL.search(name))
    return root, full_size, folders, len(images) - len(full_size), len(names) - len(images)


def plates_of_folders(names, root):
    """Name the plate of each file after its folder.

    The plate is the first folder below `root` that differs from plate to plate; folders such as "Images" and
    "TimePoint_1" name none. Files that lie in no other folder belong to one plate, called like `root`.

    Parameters
    ----------
    names : list of str
        Paths relative to `root`, with "/".
    root : str
        The folder that was read.

    Returns
    -------
    list of str
        Names of plates.
    """
    folders = [name.rpartition("/")[0] for name in names]
    parts = {f: [p for p in f.split("/") if p and not _NAMELESS.fullmatch(p)] for f in set(folders)}
    distinct = {tuple(p) for p in parts.values()}
    own = [p for p in Path(root).resolve().parts if not _NAMELESS.fullmatch(p)]
    own = own[-1] if own else "plate"
    deepest = max((len(p) for p in distinct), default=0)
    if deepest == 0:
        return [own] * len(names)
    depth = next(
        (d for d in range(deepest) if len({p[d] if len(p) > d else "" for p in distinct}) == len(distinct)),
        None,
    )
    if depth is None:  # no one level tells the plates apart
        called = {f: "_".join(p) for f, p in parts.items()}
    else:
        called = {f: p[depth] if len(p) > depth else "" for f, p in parts.items()}
    return [called[f] or own for f in folders]


def existing(paths):
    """Tell which paths exist, by listing each of their folders once.

    Parameters
    ----------
    paths : list of str
        Paths of files, with "/".

    Returns
    -------
    list of bool
        Whether each exists.
    """
    listed = {}
    found = []
    for path in paths:
        folder, _, name = path.rpartition("/")
        if folder not in listed:
            try:
                with os.scandir(folder or ("/" if path.startswith("/") else ".")) as entries:
                    listed[folder] = {entry.name for entry in entries}
            except OSError:
                listed[folder] = set()
        found.append(name in listed[folder])
    return found


def _walk(folder, prefix, zarrs):
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            if entry.name.startswith("."):
                continue
            if not entry.is_dir():
                yield prefix + entry.name
            elif entry.name.lower().endswith(".zarr"):
                zarrs.append(entry.path)
            elif not (entry.is_symlink() and _leads_back(entry.path)):
                yield from _walk(entry.path, f"{prefix}{entry.name}/", zarrs)


def _leads_back(link):
    """Tell whether a link to a folder leads to one that it lies in, which would never end."""
    target, here = Path(link).resolve(), Path(link).parent.resolve()
    return target == here or target in here.parents


def _split_glob(pattern):
    """Return the folder before the first wildcard of a glob, and the rest.

    A folder whose name has brackets, and that exists, is no wildcard.
    """
    parts = Path(pattern).parts
    first = next(
        (
            i
            for i, part in enumerate(parts[:-1])
            if re.search(r"[*?\[]", part) and not Path(*parts[: i + 1]).exists()
        ),
        len(parts) - 1,
    )
    return str(Path(*parts[:first])), str(Path(*parts[first:]))
