"""`read_layout`: which image file is which channel of which field of which well of which plate."""

from dataclasses import dataclass, field
from pathlib import Path

from archetypal_triplet._utils._columns import CONTROL_TYPE, PLATE, WELL
from archetypal_triplet._utils._frames import count_of, is_frame, shorten
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._wells import PLATE_FORMATS
from archetypal_triplet.images import _csv, _plate_map
from archetypal_triplet.images._assemble import assemble
from archetypal_triplet.images._files import PROBLEM_COLUMNS
from archetypal_triplet.images._folders import read_folder
from archetypal_triplet.images._inside import expand_planes
from archetypal_triplet.images._lists import read_list

_N_MESSAGES = 3


@dataclass(eq=False)  # tables have no one answer to ==
class Layout:
    """Where the images of a screen lie, and what is known of their wells.

    Parameters
    ----------
    fields : pandas.DataFrame
        One row per field: ``Metadata_Plate``, ``Metadata_Well`` ("A01"), ``Metadata_Site``, all text, and
        what the file list and the plate map say of the well; sorted by plate, row, column and site.
    channels : list of str
        Names of the channels.
    planes : list of list of (Plane or None)
        For every field one plane a channel; None where it is missing.
    problems : pandas.DataFrame
        What is wrong, a row each: ``Kind`` ("missing", "duplicate", "unparsed", "fewer fields", "not in plate
        map", "no images", "control type"), ``File``, ``Metadata_Plate``, ``Metadata_Well``,
        ``Metadata_Site``, ``Channel`` and ``Message``; empty text where it does not apply.
    notes : list of str, default=[]
        How the layout was read, in words.

    See Also
    --------
    read_layout : Makes layouts.

    Examples
    --------
    >>> import pandas as pd
    >>> from archetypal_triplet.images import read_layout
    >>> table = pd.DataFrame(
    ...     {"plate": "P1", "well": ["A1", "A2"], "file_dna": ["a.tif", "b.tif"], "file_gfp": ["c.tif", ""]}
    ... )
    >>> layout = read_layout(table, check_files=False)
    >>> print("\\n".join(layout.lines()))
    1 plate (P1), 2 wells, 2 fields (1 a well)
    2 channels: dna, gfp
    files: 3 images of a list
    controls: not known (no Metadata_ControlType)
    missing: 1 (P1 A02, field 1, has no image of channel 'gfp')
    """

    fields: object
    channels: list
    planes: list
    problems: object
    notes: list = field(default_factory=list)

    def __len__(self):
        """Return the number of fields."""
        return len(self.fields)

    def lines(self):
        """Say in words what was found: plates, wells, fields, channels, controls, what is missing.

        Returns
        -------
        list of str
            Lines of text.
        """
        fields = self.fields
        plates = fields[PLATE].unique()
        by_well = fields.groupby([PLATE, WELL], sort=False).size()
        low, high = by_well.min(), by_well.max()
        each = f"{low}" if low == high else f"{low} to {high}"
        counts = (f"{count_of(len(plates), 'plate')} ({shorten(plates)})", count_of(len(by_well), "well"))
        lines = [
            f"{', '.join(counts)}, {count_of(len(fields), 'field')} ({each} a well)",
            f"{count_of(len(self.channels), 'channel')}: {', '.join(self.channels)}",
            *self.notes,
            f"controls: {self._controls()}",
        ]
        for kind, rows in self.problems.groupby("Kind", sort=False):
            messages = rows["Message"].head(_N_MESSAGES).tolist()
            more = f"; and {len(rows) - len(messages)} more" if len(rows) > len(messages) else ""
            lines.append(f"{kind}: {len(rows)} ({'; '.join(messages)}{more})")
        return lines

    def _controls(self):
        if CONTROL_TYPE not in self.fields:
            return f"not known (no {CONTROL_TYPE})"
        wells = self.fields.drop_duplicates([PLATE, WELL])
        counts = wells[CONTROL_TYPE].value_counts(dropna=True)
        unknown = int(wells[CONTROL_TYPE].isna().sum())
        said = [f"{n} {kind}" for kind, n in counts.items()] + ([f"{unknown} unknown"] if unknown else [])
        return f"{', '.join(said)} (wells)"


def read_layout(
    source,
    *,
    pattern=None,
    channels=None,
    plate=None,
    plate_map=None,
    root=None,
    barcodes=None,
    control_types=None,
    plate_format=None,
    pages=None,
    z=None,
    t=None,
    check_files=True,
):
    """Find the images of a screen: a folder, a glob or a file list.

    Parameters
    ----------
    source : str, Path or pandas.DataFrame
        A folder (with all folders below it), a glob, one plate or several in OME-Zarr, or a file list (.csv,
        .csv.gz, .tsv, .txt, .parquet, or a table in memory): CellProfiler's LoadData (``FileName_<channel>``,
        ``PathName_<channel>``), nf-core/cellpainting's samplesheet (``channel``, ``path``, ``plate``,
        ``well``, ``site``), or a table with ``plate``, ``well``, ``field`` and either ``channel`` and
        ``file``, or one column ``file_<channel>`` for each channel.
    pattern : str, default=None
        How the files of a folder or glob are named: "imagexpress", "operetta" (also Opera Phenix), "opera"
        (.flex), "cellvoyager", "arrayscan", "sbs", "incell", "well"; or a regular expression with the named
        groups ``well`` (or ``row`` and ``column``), ``plate``, ``field``, ``channel``, ``z``, ``t``, which is
        searched in the path below `source`, written with "/". None: the one that nine in ten of the names
        match.
    channels : list of str or dict of str to str, default=None
        Which channels to take, in which order; or new names, if none of them is found in the files and there
        are as many; or a dict from the name found to the new name, which leaves out the others. None: all.
    plate : str, default=None
        Name of the plate, if all images are of one plate. None: as the names or the list say it, else the
        folder's name.
    plate_map : str, Path or pandas.DataFrame, default=None
        A table with a row per well (or per plate and well) that says what it holds; or a folder of such
        tables. Wells are written "A1", "A01" or "a01", or by numbers in two columns, row and column.
    root : str or Path, default=None
        Folder from which the paths of a file list start; paths of another machine are looked for below it.
        None: the folder of the list.
    barcodes : str, Path or pandas.DataFrame, default=None
        A table with the columns plate and plate_map that says which map a plate has.
    control_types : dict of str to str or list of str, default=None
        Which wells are "negative", "positive" or "untreated": the names of compounds, as in
        ``{"negative": "DMSO"}``, or a query, as in ``{"negative": "Metadata_Control == -1"}``. The other
        wells become "sample". None: as the column ``control_type`` says, if there is one.
    plate_format : {6, 12, 24, 48, 96, 384, 1536}, default=None
        Number of wells of the plates, so that wells outside are found; None: 1536.
    pages : {"channels", "z"}, default=None
        What the pages of a TIFF file are, if it has several and does not say so itself as OME-TIFF does: its
        channels, or a stack.
    z, t : int, default=None
        Which plane of a stack, and which time point, to take: as numbered in the file names; counted from 0
        where they lie in one file.
    check_files : bool, default=True
        Whether to look if the files of a list exist.

    Returns
    -------
    Layout
        Fields, channels, planes and problems.

    Raises
    ------
    FileNotFoundError
        If `source` does not exist, or none of the files of a list does.
    ValueError
        If there are no images; no pattern, or more than one, fits; a list or plate map lacks a column; there
        are several planes or time points and `z` or `t` does not say which; a parameter is not understood.

    See Also
    --------
    Layout : What comes back.

    Notes
    -----
    The patterns "arrayscan" and "sbs" were tried on files of real instruments (BBBC016, BBBC013), the others
    only on names written after their description. A folder of 100,000 files is read in a few seconds.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from archetypal_triplet.images import read_layout
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("Channel1-01-A-01.tif", "Channel2-01-A-01.tif"):
    ...         Path(folder, name).touch()
    ...     layout = read_layout(folder, channels=["GFP", "DNA"], plate="P1")
    >>> layout.fields
      Metadata_Plate Metadata_Well Metadata_Site
    0             P1           A01             1
    >>> layout.channels
    ['GFP', 'DNA']
    """
    if plate_format is not None and plate_format not in PLATE_FORMATS:
        raise ValueError(
            f"plate_format={plate_format!r} is none of {', '.join(map(str, PLATE_FORMATS))}, the numbers of "
            "wells that plates have."
        )
    wells = None if plate_map is None else _plate_map.read_plate_map(plate_map, barcodes=barcodes)
    if barcodes is not None and plate_map is None:
        raise ValueError("barcodes is given without plate_map. Pass the plate maps that it names.")
    if pages not in (None, "channels", "z"):
        raise ValueError(f"pages={pages!r} is unknown. Choose 'channels', 'z' or None.")
    is_list = _is_list(source)
    for name, value, is_used in (("pattern", pattern, not is_list), ("root", root, is_list)):
        if value is not None and not is_used:
            kind = (
                "a file list, which says itself what each file is" if is_list else "a folder, not a file list"
            )
            raise ValueError(f"{name}={str(value)!r} says nothing here: source is {kind}. Leave it out.")
    if is_list:
        listing = read_list(source, root=None if root is None else str(root), check_files=check_files)
    else:
        listing = read_folder(str(source), pattern)
    planes = listing.planes.assign(plate=_plate_names(listing, plate, wells))
    planes, inside, is_chosen = expand_planes(
        planes, has_channels=listing.has_channels, pages=pages or listing.pages, z=z, t=t
    )
    names = {"z": None, "t": None} if is_chosen else {"z": z, "t": t}
    fields, channels, grid, problems = assemble(
        planes, inside or listing.channels, channels, plate_format=plate_format, **names
    )
    problems = listing.problems + problems
    if wells is not None:
        fields, more = _plate_map.join_plate_map(fields, wells)
        problems += more
    if control_types is not None:
        fields = _plate_map.assign_control_types(fields, control_types)
    problems += _plate_map.check_control_types(fields)
    pd = import_optional("pandas", extra="images")
    problems = pd.DataFrame(problems, columns=PROBLEM_COLUMNS, dtype=object)
    return Layout(fields, channels, grid, problems, listing.notes)


def _is_list(source):
    if is_frame(source):
        return True
    if not isinstance(source, (str, Path)):
        raise ValueError(
            f"source={source!r} is neither a path nor a table. Pass a folder, a glob or a file list."
        )
    name = str(source)
    path = Path(name)
    if any(sign in name for sign in "*?[") and not path.exists():
        return False
    if not path.exists():
        raise FileNotFoundError(f"source={name!r} does not exist. Pass a folder, a glob or a file list.")
    if path.is_dir():
        return False
    if not name.lower().endswith(_csv.SUFFIXES):
        raise ValueError(
            f"source={name!r} is a file and no file list, whose names end in {', '.join(_csv.SUFFIXES)}. "
            "Pass the folder of the images."
        )
    return True


def _plate_names(listing, plate, wells):
    """Return the plate of every plane: as said, else as found, else as the one plate of the plate map."""
    if plate is not None:
        if not isinstance(plate, str) or not plate:
            raise ValueError(f"plate={plate!r} is no text. Pass the name of the plate.")
        return plate
    found = listing.planes["plate"]
    only = [] if wells is None or PLATE not in wells else list(wells[PLATE].unique())
    if not listing.plate_is_told and len(only) == 1 and found.nunique() == 1:
        return only[0]  # a folder's name says less than the plate map
    return found.where(found != "", "plate")
