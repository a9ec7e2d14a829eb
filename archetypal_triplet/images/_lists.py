"""File lists: CellProfiler's LoadData, nf-core/cellpainting's samplesheet, and plate.csv."""

import re
from pathlib import Path

from archetypal_triplet._utils._columns import PLATE, SITE, WELL, metadata_name
from archetypal_triplet._utils._frames import count_of, shorten
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._wells import well_name
from archetypal_triplet.images._csv import as_text, find_columns, plain_name, read_frame
from archetypal_triplet.images._files import Listing, existing

# FileName_OrigDNA, Image_FileName_DNA, URL_DNA; file_gfp
_NAMED = re.compile(r"(?:Image_)?(FileName|URL)_(.+)")
_OWN = re.compile(r"file_(.+)", re.IGNORECASE)
_FOLDER_DEPTH = 40


def read_list(source, *, root=None, check_files=True, parameter="source"):
    """Read a file list as one row per plane.

    Parameters
    ----------
    source : str or pandas.DataFrame
        The list.
    root : str or None, default=None
        Folder that relative paths start from, and that absolute ones are looked for in if they do not exist
        where they say; None takes the folder of the list.
    check_files : bool, default=True
        Whether to look if the files exist.
    parameter : str, default="source"
        Name of the parameter, for the messages.

    Returns
    -------
    Listing
        One row per file, with the channels in the order in which the list has them.
    """
    frame = read_frame(source, parameter=parameter)
    roles = find_columns(frame)
    called = repr(str(source)) if isinstance(source, (str, Path)) else "the table"
    check_wells(frame, roles, called, parameter)
    files = _files_by_channel(frame, roles, called, parameter)
    about = _describe(frame, roles)
    pd = import_optional("pandas", extra="images")
    if isinstance(files, dict):
        tall = [about.assign(channel=name, path=paths) for name, paths in files.items()]
        planes = pd.concat(tall, ignore_index=True)
        channels = list(files)
    else:
        channel = as_text(frame[roles["channel"]]) if "channel" in roles else ""
        planes = about.assign(channel=channel, path=files)
        channels = [c for c in dict.fromkeys(planes["channel"]) if c]
    planes = planes[planes["path"] != ""].reset_index(drop=True)
    if not len(planes):
        raise ValueError(f"{parameter}={called} names no image file.")
    folder = None if not isinstance(source, (str, Path)) else Path(source).absolute().parent.as_posix()
    planes["path"] = _locate(planes["path"].tolist(), root, folder, called)
    planes["exists"] = existing(planes["path"].tolist()) if check_files else True
    if not planes["exists"].any():
        raise FileNotFoundError(
            f"None of the {len(planes)} files of {parameter}={called} exists, such as {planes['path'][0]!r}. "
            "Say with root= in which folder they lie."
        )
    has_channels = bool(channels)
    notes = [f"files: {count_of(len(planes), 'image')} of a list"]
    return Listing(planes, channels or None, has_channels, "plate" in roles, None, [], notes)


def well_column(frame, roles):
    """Return the wells of a table as text, from its column of wells or from rows and columns."""
    if "well" in roles:
        return as_text(frame[roles["well"]])
    rows, columns = as_text(frame[roles["row"]]), as_text(frame[roles["column"]])
    return rows.combine(columns, join_well)


def join_well(row, column):
    """Name a well by its row ("3", "C" or "c") and column ("07", "7"); what is none is joined as it is."""
    row, column = str(row).strip(), str(column).strip()
    if row.isdecimal() and column.isdecimal() and 1 <= int(row) <= 32 and int(column) >= 1:
        return well_name(int(row) - 1, int(column) - 1)
    return f"{row}{column}"


def check_wells(frame, roles, called, parameter):
    """Raise unless a table says which well a row is of."""
    if "well" not in roles and not {"row", "column"} <= set(roles):
        raise ValueError(
            f"{parameter}={called} has no column of wells. Call it 'well' or 'Metadata_Well', or give two "
            f"columns 'row' and 'column'. Its columns are {shorten(frame.columns)}."
        )


def _files_by_channel(frame, roles, called, parameter):
    """Return the files of each channel (one column a channel), or the column of files (one row a channel)."""
    named = [(m, c) for c in frame.columns if (m := _NAMED.fullmatch(c))]
    # illumination functions stand in the same lists, and are no images of the plate
    named = [(m, c) for m, c in named if not m[2].lower().startswith("illum")]
    if named:
        orig = all(m[2].startswith("Orig") and m[2] != "Orig" for m, _ in named)
        by_channel = {}
        for match, column in sorted(named, key=lambda pair: pair[0][1] != "FileName"):
            channel = match[2].removeprefix("Orig") if orig else match[2]
            if channel not in by_channel:  # a list may have both the file name and the URL
                by_channel[channel] = _join_folder(frame, match, column)
        return by_channel
    if "file" in roles:
        return as_text(frame[roles["file"]])
    own = [(m, c) for c in frame.columns if (m := _OWN.fullmatch(c))]
    if own:
        return {m[1]: as_text(frame[c]) for m, c in own}
    raise ValueError(
        f"{parameter}={called} has no column of files. A list has FileName_<channel> and PathName_<channel> "
        f"(CellProfiler), or channel and path (samplesheet), or file_<channel>. Its columns are "
        f"{shorten(frame.columns)}."
    )


def _join_folder(frame, match, column):
    files = as_text(frame[column])
    folder = column.replace("FileName_", "PathName_")
    if match[1] == "FileName" and folder in frame.columns:
        folders = as_text(frame[folder]).str.rstrip("/\\")
        return files.where((files == "") | (folders == ""), folders + "/" + files)
    return files


def _describe(frame, roles):
    """Return plate, well, field, z, t and the further metadata of a list's rows."""
    pd = import_optional("pandas", extra="images")
    parts = {r: as_text(frame[roles[r]]) if r in roles else "" for r in ("plate", "field", "z", "t")}
    parts["well"] = well_column(frame, roles)
    used = {column for role, column in roles.items() if role != "plate_map"}
    kept = {}
    for column in frame.columns:
        name = metadata_name(column)
        is_file = _NAMED.fullmatch(column) or _OWN.fullmatch(column) or "pathname" in plain_name(column)
        if column in used or is_file or name in (PLATE, WELL, SITE):
            continue
        kept.setdefault(name, frame[column])
    return pd.DataFrame({**parts, **kept}, index=frame.index)


def _locate(paths, root, folder, called):
    """Turn the paths of a list into paths of this machine."""
    start = root or folder or "."
    parts = [_plain_path(p).rpartition("/") for p in paths]
    by_folder = {}
    for place, slash, name in parts:
        by_folder.setdefault(place, place + slash + name)
    moved = {f: _new_folder(f, path, start, root is not None) for f, path in by_folder.items()}
    remote = [p for f, p in by_folder.items() if "://" in moved[f]]
    if remote:
        raise ValueError(
            f"{called} names files of another machine, such as {remote[0]!r}. Copy them and say with root= "
            "in which folder they lie; the folders below it must be called as in the list."
        )
    return [f"{moved[place]}/{name}" for place, _, name in parts]


def _new_folder(folder, path, start, was_moved):
    is_absolute = folder.startswith("/") or "://" in folder or re.match(r"[A-Za-z]:/", folder)
    if not is_absolute:
        return f"{start}/{folder}" if folder else start
    if not was_moved or Path(path).exists():
        return folder
    # the part of the old path that is found below root
    parts = path.split("/")
    for i in range(1, min(len(parts), _FOLDER_DEPTH)):
        candidate = Path(start, *parts[i:])
        if candidate.exists():
            return candidate.parent.as_posix()
    return folder


def _plain_path(path):
    path = path.removeprefix("file://").replace("\\", "/")
    return re.sub(r"^file:", "", path)
