"""Writing images: OME-TIFF fields and OME-Zarr plates, each written beside its place and renamed."""

import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._wells import parse_well, row_letters


def write_ome_tiff(
    path, image, *, axes=None, channel_names=None, pixel_size_um=None, compression="zlib", overwrite=False
):
    """Write one field as OME-TIFF.

    Parameters
    ----------
    path : str or Path
        Where to write; ends in ``.ome.tif`` or ``.ome.tiff``, by which readers know it.
    image : ndarray of shape (C, H, W), (H, W), or as `axes` says
        Pixels.
    axes : str, default=None
        Letters out of T, C, Z, Y, X, one for each dimension, in this order; None: "YX", "CYX", "CZYX" or
        "TCZYX" by the number of dimensions.
    channel_names : list of str, default=None
        Names of the channels.
    pixel_size_um : float, default=None
        Side of a pixel in micrometers.
    compression : str, default="zlib"
        As tifffile calls it; None leaves the pixels as they are.
    overwrite : bool, default=False
        Whether a file that exists is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileExistsError
        If it exists and `overwrite` is False.
    ValueError
        If the name or the axes do not fit.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from archetypal_triplet.images import read_plane, write_ome_tiff
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_ome_tiff(Path(folder) / "A01.ome.tif", np.full((2, 4, 4), 7, dtype=np.uint16))
    ...     read_plane((path, (1,))).max()
    np.uint16(7)
    """
    tifffile = import_optional("tifffile", extra="images")
    path, image = Path(path), np.asarray(image)
    if not path.name.lower().endswith((".ome.tif", ".ome.tiff")):
        raise ValueError(f"path={str(path)!r} must end in .ome.tif, by which readers know an OME-TIFF.")
    axes = axes or {2: "YX", 3: "CYX", 4: "CZYX", 5: "TCZYX"}.get(image.ndim, "")
    if len(axes) != image.ndim or not axes.endswith("YX"):
        raise ValueError(f"axes={axes!r} does not describe an image of shape {image.shape}.")
    metadata = {"axes": axes}
    if channel_names is not None:
        n = image.shape[axes.index("C")] if "C" in axes else 1
        if len(channel_names) != n:
            raise ValueError(f"channel_names has {len(channel_names)} names for {n} channels.")
        metadata["Channel"] = {"Name": list(map(str, channel_names))}
    if pixel_size_um is not None:
        for axis in "XY":
            metadata |= {f"PhysicalSize{axis}": float(pixel_size_um), f"PhysicalSize{axis}Unit": "µm"}
    with written_beside(path, overwrite=overwrite) as beside:
        tifffile.imwrite(
            beside, image, ome=True, photometric="minisblack", metadata=metadata, compression=compression
        )
    return path


def write_ome_zarr_plate(
    path,
    images,
    wells,
    *,
    channel_names=None,
    pixel_size_um=None,
    version="0.5",
    name=None,
    overwrite=False,
):
    """Write a plate as OME-Zarr, one field at a time.

    Parameters
    ----------
    path : str or Path
        Folder of the plate, which ends in ``.zarr``.
    images : iterable of ndarray of shape (C, H, W)
        The fields, in any order of wells; may be a generator, so that they need not be in memory at once.
    wells : sequence of str
        Well of each field ("A01"). Fields of one well are numbered from 0 in the order that they come.
    channel_names : list of str, default=None
        Names of the channels.
    pixel_size_um : float, default=None
        Side of a pixel in micrometers; None writes a scale of 1 without unit.
    version : {"0.5", "0.4"}, default="0.5"
        Version of OME-Zarr: 0.5 stands on Zarr 3, 0.4 on Zarr 2.
    name : str, default=None
        Name of the plate; None takes that of the folder.
    overwrite : bool, default=False
        Whether a folder that exists is replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FileExistsError
        If it exists and `overwrite` is False.
    ValueError
        If numbers of images and wells differ, or a well has no valid name.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from archetypal_triplet.images import read_plane, write_ome_zarr_plate
    >>> images = np.arange(3 * 2 * 4 * 4, dtype=np.uint16).reshape(3, 2, 4, 4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plate = write_ome_zarr_plate(Path(folder) / "p1.zarr", images, ["A01", "A01", "B02"])
    ...     read_plane((plate / "A" / "1" / "1", (1,))).ravel()[:3]
    array([48, 49, 50], dtype=uint16)
    """
    zarr = import_optional("zarr", extra="images")
    if version not in ("0.5", "0.4"):
        raise ValueError(f"version={version!r} is unknown. Pass '0.5' or '0.4'.")
    path, wells = Path(path), list(wells)
    if path.suffix != ".zarr":
        raise ValueError(f"path={str(path)!r} must end in .zarr.")
    places = [parse_well(well) for well in wells]
    fields = dict.fromkeys(sorted(set(places)), 0)
    with written_beside(path, overwrite=overwrite) as beside:
        root = zarr.open_group(beside, mode="w", zarr_format=3 if version == "0.5" else 2)
        n = 0
        for n, image in enumerate(images, 1):
            if n > len(places):
                raise ValueError(f"images holds more fields than the {len(places)} wells that were named.")
            place = places[n - 1]
            group = root.require_group(f"{_well_path(place)}/{fields[place]}")
            write_zarr_field(
                group,
                np.asarray(image),
                channel_names=channel_names,
                pixel_size_um=pixel_size_um,
                version=version,
            )
            fields[place] += 1
        if n != len(places):
            raise ValueError(f"images holds {n} fields, and {len(places)} wells were named.")
        describe_zarr_plate(root, fields, name=name or path.stem, version=version)
    return path


def write_zarr_field(
    group, image, *, channel_names=None, pixel_size_um=None, version="0.5", name=None, white=None
):
    """Write one field into a group of Zarr.

    Parameters
    ----------
    group : zarr.Group
        An empty group.
    image : ndarray of shape (C, H, W)
        Pixels.
    channel_names : list of str, default=None
        Names of the channels.
    pixel_size_um : float, default=None
        Side of a pixel in micrometers; None writes a scale of 1 without unit.
    version : {"0.5", "0.4"}, default="0.5"
        Version of OME-Zarr.
    name : str, default=None
        Name of the image; None writes none.
    white : float, default=None
        Gray value that viewers show as white; None takes the largest of the type, 1 for floats.

    Raises
    ------
    ValueError
        If the image has not three dimensions, or there are not as many names as channels.
    """
    if image.ndim != 3:
        raise ValueError(f"A field has three dimensions (channels, height, width), got shape {image.shape}.")
    if channel_names is not None and len(channel_names) != image.shape[0]:
        raise ValueError(f"channel_names has {len(channel_names)} names for {image.shape[0]} channels.")
    keys = {"chunk_key_encoding": {"name": "v2", "separator": "/"}} if version == "0.4" else {}
    array = group.create_array(
        "0",
        shape=image.shape,
        dtype=image.dtype,
        chunks=(1, *image.shape[1:]),
        dimension_names=["c", "y", "x"] if version == "0.5" else None,
        **keys,
    )
    array[:] = image
    space = {"type": "space"} | ({} if pixel_size_um is None else {"unit": "micrometer"})
    size = 1.0 if pixel_size_um is None else float(pixel_size_um)
    axes = [{"name": "c", "type": "channel"}, {"name": "y", **space}, {"name": "x", **space}]
    scale = [{"type": "scale", "scale": [1.0, size, size]}]
    scales = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    metadata = {"multiscales": [scales | ({} if name is None else {"name": name})]}
    if channel_names is not None:
        top = float(np.iinfo(image.dtype).max) if image.dtype.kind in "ui" else 1.0
        window = {"min": 0.0, "max": top, "start": 0.0, "end": top if white is None else float(white)}
        shown = {"color": "FFFFFF", "window": window, "active": True}
        metadata["omero"] = {"channels": [{"label": str(c), **shown} for c in channel_names]}
    _describe(group, version, **metadata)


def describe_zarr_plate(root, fields, *, name, version="0.5"):
    """Write what a plate and its wells hold, when their fields are there.

    Parameters
    ----------
    root : zarr.Group
        The plate.
    fields : dict of (int, int) to int
        Row and column of each well, counted from 0, and the number of its fields, which are called "0", "1",
        ... in the well's group.
    name : str
        Name of the plate.
    version : {"0.5", "0.4"}, default="0.5"
        Version of OME-Zarr.
    """
    for place, count in fields.items():
        well = {"images": [{"path": str(i), "acquisition": 0} for i in range(count)]}
        _describe(root.require_group(_well_path(place)), version, well=well)
    _describe(root, version, plate=_plate_metadata(fields, name))


@contextmanager
def written_beside(path, *, overwrite):
    """Give a name beside `path` to write under, and rename it when all went well.

    Parameters
    ----------
    path : Path
        The file or folder that shall be there in the end, whole or not at all.
    overwrite : bool
        Whether one that exists is replaced.

    Yields
    ------
    Path
        The name to write under.

    Raises
    ------
    FileExistsError
        If `path` exists and `overwrite` is False.
    """
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already. Choose another path, or pass overwrite=True.")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        yield beside
        if beside.is_dir() and path.exists():  # a folder cannot be renamed onto another
            old = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
            path.rename(old)
            beside.rename(path)
            shutil.rmtree(old)
        else:
            beside.replace(path)
    finally:
        if beside.is_dir():
            shutil.rmtree(beside)
        else:
            beside.unlink(missing_ok=True)


def _well_path(place):
    return f"{row_letters(place[0])}/{place[1] + 1}"


def _describe(group, version, **metadata):
    for key in ("plate", "well"):  # these carry the version in 0.5 as well
        if key in metadata:
            metadata[key] = {"version": version, **metadata[key]}
    if version == "0.5":
        group.attrs["ome"] = {"version": version, **metadata}
        return
    if "multiscales" in metadata:
        metadata["multiscales"] = [{"version": version, **part} for part in metadata["multiscales"]]
    group.attrs.update(metadata)


def _plate_metadata(fields, name):
    rows = sorted({row for row, _ in fields})
    columns = sorted({column for _, column in fields})
    return {
        "name": name,
        "rows": [{"name": row_letters(row)} for row in rows],
        "columns": [{"name": str(column + 1)} for column in columns],
        "wells": [
            {
                "path": _well_path(place),
                "rowIndex": rows.index(place[0]),
                "columnIndex": columns.index(place[1]),
            }
            for place in fields
        ],
        "field_count": max(fields.values(), default=0),
        "acquisitions": [{"id": 0}],
    }
