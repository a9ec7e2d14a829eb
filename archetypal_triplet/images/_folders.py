"""Folders and globs of image files, and plates in OME-Zarr, as one row per file."""

import numpy as np

from archetypal_triplet._utils._frames import count_of, shorten
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.images._files import Listing, list_images, plates_of_folders, problem
from archetypal_triplet.images._lists import join_well
from archetypal_triplet.images._patterns import compile_pattern, match_names, recognize, share_matched
from archetypal_triplet.images._zarr_plate import is_zarr_plate, read_zarr_plates


def read_folder(source, pattern):
    """Read the names of the files of a folder or glob.

    Parameters
    ----------
    source : str
        A folder or glob, or a plate in OME-Zarr.
    pattern : str or None
        As in `read_layout`.

    Returns
    -------
    Listing
        One row per file.
    """
    if is_zarr_plate(source):
        return _list_zarrs([source])
    root, names, zarrs, n_thumbnails, n_others = list_images(source)
    if not names and zarrs:
        return _list_zarrs(zarrs)
    if not names:
        passed = f" (passed over: {n_thumbnails} thumbnails, {n_others} files that are no images)"
        raise ValueError(f"source={source!r} has no image files{passed}. Pass the folder that holds them.")
    called = recognize(names) if pattern is None else pattern
    expression, pages = compile_pattern(called)
    parts = match_names(expression, names)
    matched = np.asarray(parts.pop("matched"))
    if not matched.any():
        raise ValueError(_nothing_matches(pattern, names))
    planes, plate_is_told = _name_planes(parts, names, root, is_own=pattern is not None and "/" in pattern)
    planes["path"] = [f"{root.rstrip('/')}/{name}" for name in names]
    problems = [
        problem("unparsed", f"the name {path!r} does not match pattern {called!r}", path=path)
        for path in planes.loc[~matched, "path"]
    ]
    planes = planes[matched].reset_index(drop=True).fillna("").assign(exists=True)
    passed = ((n_thumbnails, "thumbnail"), (n_others, "other file"), (len(zarrs), "Zarr folder"))
    over = [count_of(n, noun) for n, noun in passed if n]
    note = f"files: {count_of(len(names), 'image')}, named by pattern {called!r}"
    notes = [note + (f"; passed over: {', '.join(over)}" if over else "")]
    has_channels = "channel" in planes and bool((planes["channel"] != "").any())
    return Listing(planes, None, has_channels, plate_is_told, pages, problems, notes)


def _list_zarrs(folders):
    planes, problems = read_zarr_plates(folders)
    notes = [f"files: {count_of(len(folders), 'plate')} in OME-Zarr"]
    return Listing(planes, None, False, True, None, problems, notes)


def _name_planes(parts, names, root, *, is_own):
    """Return the table of what the names say, with wells and plates, and whether they name the plate."""
    pd = import_optional("pandas", extra="images")
    planes = pd.DataFrame({key: pd.Series(values, dtype=object) for key, values in parts.items()})
    if "well" not in planes:
        places = zip(planes["row"], planes["column"], strict=True)
        planes["well"] = [join_well(row or "", column or "") for row, column in places]
    planes = planes.drop(columns=["row", "column"], errors="ignore")
    plate_is_told = "plate" in planes and bool(planes["plate"].notna().any())
    # a pattern that speaks of folders has said which of them is the plate
    of_folders = pd.Series(plates_of_folders([""] * len(names) if is_own else names, root), dtype=object)
    planes["plate"] = planes["plate"].fillna(of_folders) if plate_is_told else of_folders
    return planes, plate_is_told


def _nothing_matches(pattern, names):
    shares = share_matched(names[:: max(1, len(names) // 200)])
    better = [name for name, share in shares.items() if share > 0.5]
    cure = f"They match {shorten(map(repr, better))}." if better else "Write a regular expression."
    return f"pattern={pattern!r} matches none of {len(names)} image files, such as {names[0]!r}. {cure}"
