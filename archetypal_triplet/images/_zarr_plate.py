"""Plates in OME-Zarr, versions 0.5 and 0.4: which folder is which field."""

from pathlib import Path

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.images._files import problem
from archetypal_triplet.images._inside import zarr_attributes
from archetypal_triplet.images._lists import join_well


def is_zarr_plate(folder):
    """Tell whether a folder is a plate in OME-Zarr."""
    return "plate" in (zarr_attributes(folder) or {})


def read_zarr_plates(folders):
    """List the fields of plates in OME-Zarr, as one row per field.

    Parameters
    ----------
    folders : list of str
        Folders of plates.

    Returns
    -------
    planes : pandas.DataFrame
        Columns path, exists, plate, well, field, channel ("").
    problems : list of dict
        Wells that cannot be read.
    """
    pd = import_optional("pandas", extra="images")
    rows, problems = [], []
    for folder in map(Path, folders):
        attributes = zarr_attributes(folder) or {}
        if "plate" not in attributes:
            raise ValueError(
                f"{str(folder)!r} is no plate in OME-Zarr: its zarr.json (0.5) or .zattrs (0.4) does not "
                "describe one. Pass the folder of the plate, or a file list."
            )
        plate = attributes["plate"]
        name = str(plate.get("name") or folder.name.removesuffix(".zarr"))
        for well in plate.get("wells", []):
            place = str(well["path"])
            called = join_well(*place.split("/")) if place.count("/") == 1 else place
            described = (zarr_attributes(folder / place) or {}).get("well")
            if described is None:
                lost = str(folder / place)
                message = f"{name} {called} is on the plate, and {lost} is missing or describes no well"
                problems.append(problem("missing", message, path=lost, plate=name, well=called))
                continue
            images = sorted(str(image["path"]) for image in described.get("images", []))
            there = {p.name for p in (folder / place).iterdir()}
            rows += [(str(folder / place / i), i in there, name, called, i) for i in images]
    planes = pd.DataFrame(rows, columns=["path", "exists", "plate", "well", "field"], dtype=object)
    if not len(planes):
        raise ValueError(f"{str(folders[0])!r} is a plate in OME-Zarr without any field.")
    return planes.assign(channel=""), problems
