"""Image files of a folder or a glob, and which plate a folder stands for."""

import glob
import os
import re
from pathlib import Path

SUFFIXES = (".tif", ".tiff", ".flex", ".c01", ".dib", ".png", ".jpg", ".jpeg", ".jp2", ".bmp", ".jxl", ".btf")
_THUMBNAIL = re.compile(r"_thumb|thumbnail", re.IGNORECASE)
# folders that instruments put below a plate; they name no plate
_NAMELESS = re.compile(
    r"images?|tiffs?|tifs?|raw|data|assayplate|timepoint_?\d+|zstep_?\d+|measurement_?\d+|\d{4}-\d\d-\d\d",
    re.IGNORECASE,
)


def list_images(source):
    """List the image files of a folder, with all folders below it, or of a glob.

    Parameters
    ----------
    source : str
        A folder, or a path with ``*``, ``?`` or ``[...]`` (``**`` for folders of any depth).

    Returns
    -------
    root : str
        The folder that all files lie in.
    names : list of str
        Paths of the image files relative to it, with "/", sorted.
    n_thumbnails, n_others : int
        Numbers of files that were passed over: thumbnails, and files that are no images.
    """
    if os.path.isdir(source):
        root, names = source, list(_walk(source, ""))
    else:
        root = _fixed_part(source)
        found = (p for p in glob.iglob(source, recursive=True) if not os.path.isdir(p))
        names = [os.path.relpath(p, root).replace(os.sep, "/") for p in found]
    images = [name for name in names if name.lower().endswith(SUFFIXES)]
    full_size = sorted(name for name in images if not _THUMBNAIL.search(name))
    return root, full_size, len(images) - len(full_size), len(names) - len(images)


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
        Paths of files.

    Returns
    -------
    list of bool
        Whether each exists.
    """
    listed = {}
    found = []
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in listed:
            try:
                listed[folder] = set(os.listdir(folder or "."))
            except OSError:
                listed[folder] = set()
        found.append(name in listed[folder])
    return found


def _walk(folder, prefix):
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name


def _fixed_part(pattern):
    """Return the folder before the first wildcard of a glob."""
    before = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    return os.path.dirname(before) or "."
