"""`extract_cells`: from fields to crops with a cell in the middle, a table of cells, and counts."""

import json
import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from archetypal_triplet._utils._columns import METADATA_PREFIX
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._threads import effective_n_threads
from archetypal_triplet.images import _crops
from archetypal_triplet.images._cut import BORDERS, MEASURES, REASONS, Filters, cut_field
from archetypal_triplet.images._label_images import Labeler
from archetypal_triplet.images._segmentation import segment_nuclei
from archetypal_triplet.images._stack import ImageStack, find_channel


def extract_cells(
    stack,
    fields,
    *,
    nucleus_channel,
    crop_size=48,
    labels=None,
    segmentation=None,
    border="nucleus",
    min_area=50,
    max_area=None,
    min_solidity=0.85,
    min_intensity=0.25,
    out=None,
    resume=True,
    n_jobs=None,
    verbose=0,
):
    """Find the nuclei of every field and cut out a crop around each.

    Parameters
    ----------
    stack : ImageStack or array-like of shape (n_fields, n_channels, height, width)
        The fields.
    fields : pandas.DataFrame
        A row per field with ``Metadata_*`` columns, as in ``Layout.fields``.
    nucleus_channel : str or int
        Name or number of the channel that shows the nuclei.
    crop_size : int, default=48
        Height and width of the crops, in pixels: three to four times the width of a nucleus.
    labels : callable, ImageStack, array or list of arrays, default=None
        Label images of the nuclei, in the order of the fields (0 background, one number per nucleus), for
        example of Cellpose or CellProfiler: arrays of shape (height, width), paths of .tif, .png or .npy
        files; or a function that gets the images of a field (n_channels, height, width) and returns its label
        image. None: `segment_nuclei`.
    segmentation : dict, default=None
        Parameters of `segment_nuclei`, such as ``{"method": "local"}``.
    border : {"nucleus", "crop", "keep"}, default="nucleus"
        Which cells are dropped at the edges of a field: those whose nucleus touches the edge, those whose
        crop would reach beyond, or none. Crops that reach beyond are filled with the mirrored field.
    min_area : int, default=50
        Nuclei with fewer pixels are dropped.
    max_area : int, default=None
        Nuclei with more pixels are dropped; None: none.
    min_solidity : float, default=0.85
        Nuclei that fill less of their convex hull are dropped: debris, clumps that were not cut.
    min_intensity : float, default=0.25
        Nuclei whose mean above the background (the median outside of nuclei) is less than this share of the
        field's median nucleus are dropped.
    out : str or Path, default=None
        Folder for the results; None keeps them in memory, which is for small screens.
    resume : bool, default=True
        Whether to continue, or just load, what the folder `out` holds of the same extraction; False begins
        anew.
    n_jobs : int, default=None
        Threads; None is 1, -1 all cores. Results do not depend on it.
    verbose : int, default=0
        Shows a progress bar if positive.

    Returns
    -------
    Bunch
        With the attributes

        crops : ImageStack of shape (n_cells, n_channels + 1, crop_size, crop_size)
            In the order of the fields, nuclei from top to bottom. The last channel is the mask: 0 background,
            1 this cell's nucleus, 2 other nuclei. Pixels that are not finite were replaced by the median of
            their field and channel.
        cells : pandas.DataFrame
            A row per crop: the columns of `fields`, ``Metadata_Cell`` (the number in the label image, as
            text) and the nucleus: ``Metadata_NucleusRow``, ``Column`` (its center, in pixels of the field),
            ``Area``, ``Solidity``, ``Intensity`` (mean above the background) and ``RelativeIntensity``.
        counts : pandas.DataFrame
            A row per field: the columns of `fields`, ``Metadata_Count_Nuclei`` (found),
            ``Metadata_Count_Cells`` (kept), and how many were dropped, each counted for the first reason that
            holds: ``Metadata_Count_Border``, ``Small``, ``Large``, ``Ragged`` (solidity) and ``Dim``; and
            ``Metadata_Fault``, what is wrong with the field, or empty text.

    Raises
    ------
    ValueError
        If the fields are not as many as the images, a label image does not fit its field, a parameter is out
        of its range, or `out` holds another extraction.

    See Also
    --------
    segment_nuclei : How nuclei are found.
    archetypal_triplet.ImageFeatures : Measures crops.

    Notes
    -----
    A field without cells, or one that could not be read, is no error but a row of `counts`. With `out` the
    folder holds ``crops.npy``, ``cells.parquet``, ``counts.parquet`` and ``extraction.json``; one field per
    thread is in memory, and a killed run continues with the field after the last that it wrote, with the same
    bytes in the end. Whether a folder holds the same extraction is judged by the parameters, the table of
    fields and the pixels of the first and last field; of a function in `labels` only the name is known.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from archetypal_triplet.images import extract_cells
    >>> rows, columns = np.mgrid[:64, :64]
    >>> disc = lambda r, c: (rows - r) ** 2 + (columns - c) ** 2 < 36
    >>> images = np.zeros((2, 1, 64, 64), dtype=np.uint8)
    >>> images[0, 0] = 90 * (disc(20, 20) | disc(45, 40) | disc(60, 3))
    >>> fields = pd.DataFrame({"Metadata_Well": ["A01", "A02"]})
    >>> found = extract_cells(images, fields, nucleus_channel=0, crop_size=24)
    >>> found.crops
    ImageStack of 2 images, 2 channels (0, Nuclei), 24 x 24 pixels of uint8
    >>> found.counts.filter(like="Count").T
                           0  1
    Metadata_Count_Nuclei  3  0
    Metadata_Count_Cells   2  0
    Metadata_Count_Border  1  0
    Metadata_Count_Small   0  0
    Metadata_Count_Large   0  0
    Metadata_Count_Ragged  0  0
    Metadata_Count_Dim     0  0
    """
    stack = as_stack(stack)
    fields = check_fields(fields, len(stack))
    channel = find_channel(stack, nucleus_channel, "nucleus_channel=")
    filters = Filters(border, min_area, np.inf if max_area is None else max_area, min_solidity, min_intensity)
    check_filters(filters, crop_size, segmentation, labels)
    labeler = Labeler(labels, segmentation, channel, stack.shape)
    row_shape = (stack.shape[1] + 1, crop_size, crop_size)
    dtype = np.dtype(np.uint8) if stack.dtype.kind == "b" else stack.dtype
    names = [*(stack.channel_names or map(str, range(stack.shape[1]))), "Nuclei"]
    n_columns = 1 + len(MEASURES)
    if out is None:
        store = _crops.MemoryStore(row_shape, dtype, n_columns)
    else:
        settings = describe(stack, fields, channel, crop_size, labels, segmentation, filters)
        if resume and _crops.FolderStore.is_complete(out, settings):
            return load_cells(out, channel_names=names)
        store = _crops.FolderStore(out, settings, row_shape, dtype, n_columns, resume)

    def process(i):
        images, fault = labeler.read(stack, i)
        found = labeler.label(images, i) if not fault else None
        fault = fault or labeler.find_fault(i)
        if fault:
            found = np.zeros(images.shape[1:], dtype=np.int32)
        crops, measured, counts = cut_field(images, found, channel, crop_size, filters, dtype)
        return {"n_cells": len(crops), "counts": counts, "fault": fault}, crops, measured

    lines = list(store.done)
    try:
        todo = range(len(lines), len(stack))
        for line, crops, measured in in_order(process, todo, n_jobs, len(stack), verbose):
            store.append(line, crops, measured)
            lines.append(line)
        crops, measured = store.finish()
    finally:
        store.close()
    cells, counts = make_tables(fields, lines, measured)
    if out is not None:
        write_tables(Path(out), cells, counts)
        store.clean()
        return load_cells(out, channel_names=names)
    return Bunch(crops=ImageStack.from_array(crops, channel_names=names), cells=cells, counts=counts)


def load_cells(folder, *, channel_names=None):
    """Load what `extract_cells` wrote.

    Parameters
    ----------
    folder : str or Path
        The folder.
    channel_names : list of str, default=None
        Names of the channels, the mask included; None: as they were when it was written.

    Returns
    -------
    Bunch
        As of `extract_cells`; the crops stay on disk.

    Raises
    ------
    FileNotFoundError
        If the folder does not hold a finished extraction.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import pandas as pd
    >>> from archetypal_triplet.images import extract_cells, load_cells
    >>> images = np.zeros((1, 1, 64, 64), dtype=np.uint8)
    >>> images[0, 0, 24:40, 24:40] = 90
    >>> fields = pd.DataFrame({"Metadata_Well": ["A01"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = extract_cells(images, fields, nucleus_channel=0, crop_size=32, out=folder)
    ...     load_cells(folder).crops
    ImageStack of 1 image, 2 channels (0, Nuclei), 32 x 32 pixels of uint8
    """
    pd = import_optional("pandas", extra="images")
    folder = Path(folder)
    missing = [
        n for n in (_crops.SETTINGS, _crops.CROPS, _crops.CELLS, _crops.COUNTS) if not (folder / n).exists()
    ]
    if missing:
        raise FileNotFoundError(
            f"{str(folder)!r} holds no finished extraction of cells: {missing[0]} is missing. "
            "Call extract_cells with this folder as out."
        )
    if channel_names is None:
        channel_names = [*_crops.read_json(folder / _crops.SETTINGS)["channels"], "Nuclei"]
    return Bunch(
        crops=ImageStack.from_array(_crops.load_crops(folder), channel_names=channel_names),
        cells=pd.read_parquet(folder / _crops.CELLS),
        counts=pd.read_parquet(folder / _crops.COUNTS),
    )


def in_order(process, todo, n_jobs, n_fields, verbose):
    """Yield what `process` returns of each number, in their order, with a few ahead in threads."""
    bar = nullcontext()
    if verbose > 0:
        tqdm = import_optional("tqdm", extra="screens").tqdm
        bar = tqdm(total=n_fields, initial=todo.start, desc="cells", unit="field", leave=False)
    n_threads = min(effective_n_threads(n_jobs), max(len(todo), 1))
    with bar as shown, ThreadPoolExecutor(n_threads) as pool:
        waiting = deque()
        try:
            for i in todo:
                waiting.append(pool.submit(process, i))
                while len(waiting) > 2 * n_threads or (waiting and i == todo[-1]):
                    yield waiting.popleft().result()
                    if shown is not None:
                        shown.update()
        finally:
            pool.shutdown(cancel_futures=True)


def make_tables(fields, lines, measured):
    """Return the tables of cells and of counts."""
    counts = fields.copy()
    found = np.array([line["counts"] for line in lines], dtype=np.int64).reshape(len(lines), -1)
    for j, word in enumerate(("Nuclei", "Cells", *REASONS)):
        counts[f"{METADATA_PREFIX}Count_{word}"] = found[:, j]
    counts[f"{METADATA_PREFIX}Fault"] = [line["fault"] for line in lines]
    rows = np.repeat(np.arange(len(lines)), [line["n_cells"] for line in lines])
    cells = fields.iloc[rows].reset_index(drop=True)
    cells[f"{METADATA_PREFIX}Cell"] = [str(int(number)) for number in measured[:, 0]]
    for j, measure in enumerate(MEASURES):
        cells[f"{METADATA_PREFIX}Nucleus{measure}"] = measured[:, j + 1]
    return cells, counts


def write_tables(folder, cells, counts):
    """Write both tables, each beside and renamed."""
    for name, table in ((_crops.CELLS, cells), (_crops.COUNTS, counts)):
        beside = folder / f"{name}.partial"
        table.to_parquet(beside, index=False)
        beside.replace(folder / name)


def as_stack(stack):
    """Return a stack, made of an array if need be."""
    return stack if isinstance(stack, ImageStack) else ImageStack.from_array(stack)


def check_fields(fields, n):
    """Return the table of fields with a fresh index, or raise if it has not one row per image."""
    if not hasattr(fields, "iloc"):
        raise ValueError(
            f"fields must be a pandas DataFrame, one row per field; got {type(fields).__name__}."
        )
    if len(fields) != n:
        raise ValueError(
            f"fields has {len(fields)} rows for {n} images. Give one row per image, in their order."
        )
    return fields.reset_index(drop=True)


def check_filters(filters, crop_size, segmentation, labels):
    """Raise unless the parameters are in their ranges."""
    if filters.border not in BORDERS:
        raise ValueError(f"border={filters.border!r} is unknown. Pass 'nucleus', 'crop' or 'keep'.")
    if not (isinstance(crop_size, int | np.integer) and crop_size >= 3):
        raise ValueError(f"crop_size={crop_size!r} is not a whole number of pixels from 3 up.")
    if not 0 <= filters.min_area <= filters.max_area:
        raise ValueError(
            f"min_area={filters.min_area!r} and max_area={filters.max_area!r} leave no nucleus. "
            "min_area must be from 0 up and not above max_area."
        )
    if not 0 <= filters.min_solidity <= 1:
        raise ValueError(f"min_solidity={filters.min_solidity!r} is not a share between 0 and 1.")
    if segmentation is not None and labels is not None:
        raise ValueError("segmentation and labels are both given. Drop one: labels are taken as they are.")
    if segmentation is not None:
        segment_nuclei(np.zeros((4, 4)), **segmentation)


def describe(stack, fields, channel, crop_size, labels, segmentation, filters):
    """Say what an extraction depends on, so that a folder of another one is not continued."""
    checksums = [
        zlib.crc32(np.ascontiguousarray(stack[i])) for i in sorted({0, len(stack) - 1}) if len(stack)
    ]
    table = zlib.crc32(fields.to_csv(index=False).encode())
    if labels is None or callable(labels):
        source = (
            "segment_nuclei" if labels is None else getattr(labels, "__qualname__", type(labels).__name__)
        )
    else:
        source = f"{len(labels)} label images"
    settings = {
        "format": 1,
        "shape": list(stack.shape),
        "dtype": stack.dtype.str,
        "channels": list(stack.channel_names or map(str, range(stack.shape[1]))),
        "images": checksums,
        "fields": table,
        "nucleus_channel": channel,
        "crop_size": int(crop_size),
        "labels": source,
        "segmentation": segmentation or {},
        **filters._asdict(),
    }
    return json.loads(json.dumps(settings, default=float))
