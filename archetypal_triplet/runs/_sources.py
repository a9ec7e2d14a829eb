"""What a run is asked to work on: profiles in a table, or images."""

from pathlib import Path

from archetypal_triplet._utils._frames import is_frame, shorten
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.images._csv import column_names

TABLES = (".parquet", ".csv", ".csv.gz", ".tsv", ".txt")
IMAGES = (".tif", ".tiff", ".png", ".flex", ".jpg", ".c01", ".dib")


def are_images(source):
    """Tell whether a source is images (a folder, a glob, a file list) or profiles (a table, or several).

    A table is a file list if its columns name files: ``FileName_*`` or ``URL_*`` of CellProfiler, ``file_*``,
    or a column file, path or image beside one of wells.

    Parameters
    ----------
    source : DataFrame, str, Path, or list of str or Path
        The source.

    Returns
    -------
    bool
        True for images.

    Raises
    ------
    ValueError
        If there are several sources, and not all of them are tables of profiles.

    Examples
    --------
    >>> import pandas as pd
    >>> from archetypal_triplet.runs._sources import are_images
    >>> are_images(pd.DataFrame({"well": ["A01"], "file_dna": ["a.tif"]}))
    True
    >>> are_images(pd.DataFrame({"Metadata_Well": ["A01"], "Intensity_Mean_DNA": [7.0]}))
    False
    """
    if isinstance(source, (list, tuple)) and all(isinstance(one, (str, Path)) for one in source):
        kinds = [_is_image_source(one) for one in source]
        if len(source) > 1 and any(kinds):
            _raise_for_several(source, kinds)
        return len(source) == 1 and kinds[0]
    return _is_image_source(source)


def _raise_for_several(source, kinds):
    if all(str(one).lower().endswith(IMAGES) for one in source):
        raise ValueError(
            f"{len(source)} image files are named, one by one ({source[0]}, ...). Name their folder, or put "
            "the pattern in quotes, so that the shell does not expand it."
        )
    first = source[kinds.index(True)]
    raise ValueError(
        f"{len(source)} sources are named, and {str(first)!r} is one of images. Name one folder, glob or "
        "file list of images (a folder may hold several plates), or tables of profiles only."
    )


def _is_image_source(source):
    if is_frame(source):
        return _names_files(list(map(str, source.columns)))
    if not isinstance(source, (str, Path)):
        return False
    path = Path(source).expanduser()
    name = path.name.lower()
    if path.is_dir() or name.endswith(IMAGES):
        return True
    if not path.exists():
        # a name that is no table's may be a glob; what does not exist at all is refused by the reader
        return any(sign in str(source) for sign in "*?[")
    return name.endswith(TABLES) and _names_files(_column_names(path))


def _column_names(path):
    """Return the columns of a table file; none if it cannot be read, which its reader will say better."""
    try:
        if path.suffix.lower() == ".parquet":
            return import_optional("pyarrow.parquet", extra="screens").read_schema(path).names
        return column_names(path)
    except (ValueError, OSError):
        return []


def _names_files(columns):
    plain = [c.removeprefix("Image_") for c in columns]
    if any(c.startswith(("FileName_", "URL_")) or c.lower().startswith("file_") for c in plain):
        # a table of profiles may carry the names of its images along
        return not _has_features(plain)
    words = {c.removeprefix("Metadata_").lower().replace("_", "") for c in plain}
    has_wells = bool(words & {"well", "wellid", "wellname"}) or {"row", "column"} <= words
    has_files = bool(words & {"file", "path", "filename", "filepath", "image", "imagepath", "imagefile"})
    return has_wells and has_files and not _has_features(plain)


def _has_features(columns):
    """Tell whether there are columns named as CellProfiler names measurements."""
    words = ("Intensity_", "Texture_", "AreaShape_", "Granularity_", "Correlation_", "RadialDistribution_")
    return any(word in c for c in columns for word in words)


def describe_source(source):
    """Name a source in a message."""
    if is_frame(source):
        return f"a table with the columns {shorten(source.columns)}"
    return str(source[0] if isinstance(source, (list, tuple)) else source)


def parse_channels(channels):
    """Turn texts "found=new" into a dict."""
    if not isinstance(channels, (list, tuple)) or not any("=" in str(c) for c in channels):
        return channels
    pairs = [str(c).partition("=") for c in channels]
    return {old.strip(): (new.strip() or old.strip()) for old, _, new in pairs}
