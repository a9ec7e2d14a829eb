"""Files that hold several planes: which channels, planes of a stack and time points lie in one file."""

import json
import re
import warnings
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.images._zarr import axis_names

_TIFF_SUFFIXES = (".tif", ".tiff", ".flex", ".btf")
# files of a plate that are looked at until one can be read
_N_TRIED = 3


class Inside(NamedTuple):
    """What one file holds.

    Parameters
    ----------
    channels : list of str
        Names of its channels, "1", "2", ... where it does not name them; one name if it has one channel.
    n_z, n_t : int
        Numbers of planes of a stack and of time points.
    n_pages : int
        Number of planes of a file that does not say what they are; 1 if it says so.
    """

    channels: list
    n_z: int = 1
    n_t: int = 1
    n_pages: int = 1

    @property
    def is_single(self):
        """Tell whether the file holds one plane."""
        return len(self.channels) * self.n_z * self.n_t * self.n_pages == 1


SINGLE = Inside(["1"])


def look_inside(path):
    """Say what a TIFF file or the folder of an OME-Zarr image holds, from its description alone.

    Parameters
    ----------
    path : str
        The file or folder.

    Returns
    -------
    Inside or None
        What it holds; None if it cannot be read.
    """
    if path.lower().endswith(_TIFF_SUFFIXES):
        return _look_into_tiff(path)
    if Path(path).is_dir():
        return _look_into_zarr(path)
    return SINGLE


def expand_planes(planes, *, has_channels, pages=None, z=None, t=None):
    """Make one row per plane out of one row per file; one file of each plate is looked at.

    Parameters
    ----------
    planes : pandas.DataFrame
        Columns path, exists, plate, channel as `assemble` takes them.
    has_channels : bool
        Whether each file is one channel.
    pages : {"channels", "z"} or None, default=None
        What the pages of a TIFF are that does not say it itself.
    z, t : int, default=None
        Plane of a stack and time point to take, counted from 0.

    Returns
    -------
    planes : pandas.DataFrame
        The same with a column "index", channel by channel.
    channels : list of str or None
        Channels that were found in the files, in their order; None if none were sought.
    is_chosen : bool
        Whether `z` and `t` were used for planes inside of files.
    """
    pd = import_optional("pandas", extra="images")
    parts, channels, is_chosen = [], [], False
    for _, of_plate in planes.groupby("plate", sort=False):
        inside, path = _look_into_one(of_plate)
        if inside.n_pages > 1:
            inside = _tell_pages(inside, pages, path)
        if has_channels and len(inside.channels) > 1:
            raise ValueError(
                f"{path} holds {len(inside.channels)} channels, and its name, or the list, says that it is "
                "one. If the files are whole fields, leave the channel out of pattern= (or of the list)."
            )
        tail = _choose_inside(inside, z, t, path)
        is_chosen |= inside.n_z > 1 or inside.n_t > 1
        for number, name in enumerate(inside.channels):
            index = None if inside.is_single else _index(number, tail, pages)
            indices = pd.Series([index] * len(of_plate), index=of_plate.index, dtype=object)
            part = of_plate.assign(index=indices)
            parts.append(part if has_channels else part.assign(channel=name))
        channels += [c for c in inside.channels if c not in channels]
    return pd.concat(parts, ignore_index=True), None if has_channels else channels, is_chosen


def read_json(path):
    """Return what a JSON file holds, or None if it does not exist or is none."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def zarr_attributes(folder):
    """Return the OME attributes of a Zarr group, version 0.5 or 0.4, or None if the folder is none."""
    new = read_json(Path(folder) / "zarr.json")
    if isinstance(new, dict):
        return new.get("attributes", {}).get("ome")
    return read_json(Path(folder) / ".zattrs")


def _look_into_one(of_plate):
    """Look into the first file of a plate that can be read."""
    paths = of_plate.loc[of_plate["exists"].astype(bool), "path"]
    for path in paths.head(_N_TRIED):
        inside = look_inside(path)
        if inside is not None:
            return inside, path
    return SINGLE, ""


def _tell_pages(inside, pages, path):
    n = inside.n_pages
    if pages == "channels":
        return Inside([str(i + 1) for i in range(n)])
    if pages == "z":
        return Inside(["1"], n_z=n)
    raise ValueError(
        f"{path} has {n} pages and does not say what they are. Pass pages='channels' if each is a channel, "
        "or pages='z' if they are a stack, with z= for the one to take."
    )


def _choose_inside(inside, z, t, path):
    """Return z and t of the plane to take, as far as the file has several."""
    chosen = []
    for axis, n, wanted, noun in (("z", inside.n_z, z, "planes"), ("t", inside.n_t, t, "time points")):
        if n > 1 and (wanted is None or not 0 <= int(wanted) < n):
            said = "" if wanted is None else f", not {axis}={wanted!r}"
            raise ValueError(
                f"{path} holds {n} {noun} ({axis}). Say which one to take, {axis}=0 to {axis}={n - 1}{said}; "
                "or project the stack before."
            )
        chosen.append(int(wanted) if n > 1 else 0)
    return chosen


def _index(number, tail, pages):
    z, t = tail
    if pages == "z":
        return (z,)
    return (number, z, t) if t else (number, z) if z else (number,)


def _look_into_tiff(path):
    tifffile = import_optional("tifffile", extra="images")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with tifffile.TiffFile(path) as tiff:
                described = _read_ome(tiff.ome_metadata, Path(path).name) if tiff.is_ome else None
                if described is not None:
                    return described
                about = tiff.imagej_metadata or {}
                n_pages = max(len(tiff.pages), int(about.get("images", 1)))
                if "slices" in about or "frames" in about or "channels" in about:
                    sizes = {k: int(about.get(k, 1)) for k in ("channels", "slices", "frames")}
                    if sizes["channels"] == n_pages:
                        return Inside([str(i + 1) for i in range(n_pages)])
                return Inside(["1"], n_pages=n_pages)
    except Exception:  # damaged files raise whatever they like; reading the plane will say what it is
        return None


def _read_ome(xml, name):
    """Read the OME description of a TIFF; None if it is of a set of several files, or of several images."""
    root = ElementTree.fromstring(xml)
    images = [e for e in root if e.tag.endswith("}Image")]
    files = {u.get("FileName") for u in root.iter() if u.tag.endswith("}UUID")} - {None, name}
    if len(images) != 1 or files:
        return None
    pixels = next(e for e in images[0] if e.tag.endswith("}Pixels"))
    found = [e for e in pixels if e.tag.endswith("}Channel")]
    samples = sum(int(e.get("SamplesPerPixel", 1)) for e in found)
    n = len(found) if found and samples >= int(pixels.get("SizeC")) else int(pixels.get("SizeC"))
    names = _tidy_names([e.get("Name") or "" for e in found], n)
    return Inside(names, n_z=int(pixels.get("SizeZ")), n_t=int(pixels.get("SizeT")))


def _look_into_zarr(path):
    attributes = zarr_attributes(path) or {}
    try:
        scales = attributes["multiscales"][0]
        level = Path(path) / scales["datasets"][0]["path"]
        array = read_json(level / "zarr.json") or read_json(level / ".zarray")
        names = axis_names(scales, len(array["shape"]))
        sizes = dict(zip(names, map(int, array["shape"]), strict=True))
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    labels = [str(c.get("label") or "") for c in attributes.get("omero", {}).get("channels", [])]
    return Inside(_tidy_names(labels, sizes.get("c", 1)), sizes.get("z", 1), sizes.get("t", 1))


def _tidy_names(names, n):
    """Return the names of `n` channels, or numbers if some have none or two have the same."""
    names = [re.sub(r"\s+", " ", name).strip() for name in names]
    if len(names) == n and all(names) and len(set(names)) == n:
        return names
    return [str(i + 1) for i in range(n)]
