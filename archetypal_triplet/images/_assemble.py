"""From one row per plane to one row per field: sorting, what is missing, what is there twice."""

import numpy as np

from archetypal_triplet._utils._columns import METADATA_PREFIX, PLATE, SITE, WELL
from archetypal_triplet._utils._frames import shorten
from archetypal_triplet._utils._names import natural_key
from archetypal_triplet._utils._wells import PLATE_FORMATS, parse_well, parse_wells, well_name
from archetypal_triplet.images._files import problem
from archetypal_triplet.images._planes import Plane

_KEYS = ["plate", "well", "field"]
_COLUMNS = {"plate": PLATE, "well": WELL, "field": SITE, "channel": "Channel", "path": "File"}
_N_LISTED = 10_000


def assemble(planes, found, channels, *, plate_format=None, z=None, t=None):
    """Arrange planes by field and channel.

    Parameters
    ----------
    planes : pandas.DataFrame
        Columns path, exists, plate, well, field, channel, and maybe index (tuples), z, t and ``Metadata_``
        columns, as text.
    found : list of str or None
        Channels in their order; None sorts them.
    channels : list of str, dict of str to str or None
        As in `read_layout`.
    plate_format : int, default=None
        Number of wells of a plate.
    z, t : int, default=None
        Plane of a stack, time point.

    Returns
    -------
    fields : pandas.DataFrame
        One row per field.
    channels : list of str
        Names of the channels.
    grid : list of list of (Plane or None)
        Planes by field and channel.
    problems : list of dict
        What is wrong, each made by `problem`.
    """
    for column in ("field", "z", "t"):
        if column not in planes:
            planes = planes.assign(**{column: ""})
    planes, problems = _read_wells(planes, plate_format)
    planes["field"] = _plain_numbers(planes["field"]).replace("", "1")
    chosen, names = choose_channels(planes["channel"], found, channels)
    planes = planes[planes["channel"].isin(chosen)]
    planes = _choose(planes, "t", t, "time points")
    planes = _choose(planes, "z", z, "planes of a stack (z)")
    planes = _sort(planes)
    twice = planes.duplicated([*_KEYS, "channel"]).to_numpy()
    problems += _duplicates(planes, twice)
    planes = planes[~twice]
    number = planes.groupby(_KEYS, sort=False).ngroup().to_numpy()
    at = np.full((number[-1] + 1, len(chosen)), -1)
    at[number, planes["channel"].map({c: i for i, c in enumerate(chosen)}).to_numpy()] = np.arange(
        len(planes)
    )
    first = np.flatnonzero(np.diff(number, prepend=-1))
    fields = _fields(planes, first, number)
    grid, lost = _grid(planes, at)
    problems += _missing(fields, planes, at, lost, names)
    problems += _fewer_fields(fields)
    return fields, names, grid, problems


def choose_channels(channel, found, wanted):
    """Return which channels to take, and how to call them.

    Parameters
    ----------
    channel : pandas.Series
        Channel of each plane.
    found : list of str or None
        Channels in their order; None sorts them as a person does.
    wanted : list of str, dict of str to str or None
        As in `read_layout`.

    Returns
    -------
    chosen, names : list of str
        Channels as they are called in the files, and as they are to be called.
    """
    found = sorted(channel.unique(), key=natural_key) if found is None else list(found)
    if wanted is None:
        return found, found
    if isinstance(wanted, dict):
        chosen, names = [str(c) for c in wanted], [str(c) for c in wanted.values()]
    elif isinstance(wanted, str):
        raise ValueError(f"channels={wanted!r} is one text. Pass a list, such as {found!r}.")
    else:
        names = [str(c) for c in wanted]
        new = not set(names) & set(found)
        if new and len(names) != len(found):
            raise ValueError(
                f"channels has {len(names)} names, {names!r}, and the files have {len(found)} channels, "
                f"{found!r}. Pass some of these, or a new name for each, or a dict from these to new names."
            )
        chosen = found if new else names
    unknown = [c for c in chosen if c not in found]
    if unknown or not chosen:
        raise ValueError(
            f"channels has {unknown!r}, and the files have the channels {found!r}. Choose of these."
        )
    if len(set(names)) < len(names) or len(set(chosen)) < len(chosen):
        raise ValueError(f"channels={wanted!r} names a channel twice. Name each once.")
    return chosen, names


def _read_wells(planes, plate_format):
    """Write wells as "A01"; leave out planes whose well is none, or lies outside of the plate."""
    n_rows, n_columns = PLATE_FORMATS[plate_format or 1536]
    wells, wrong = {}, {}
    for name in planes["well"].unique():
        try:
            row, column = parse_well(name)
        except ValueError as error:
            wrong[name] = ("unparsed", str(error))
            continue
        wells[name] = well_name(row, column)
        if row >= n_rows or column >= n_columns:
            end = well_name(n_rows - 1, n_columns - 1)
            outside = f"lies outside of a plate of {plate_format or 1536} wells, which ends at {end}"
            wrong[name] = ("outside plate", f"well {wells[name]} {outside}")
    if not wrong:
        return planes.assign(well=planes["well"].map(wells)), []
    bad = planes[planes["well"].isin(wrong)]
    if len(bad) == len(planes):
        raise ValueError(f"No image lies in a well: {shorten((m for _, m in wrong.values()), 2)}")
    problems = [
        problem(*wrong[w], path=path, plate=plate, well=wells.get(w, w))
        for path, plate, w in bad[["path", "plate", "well"]].head(_N_LISTED).itertuples(index=False)
    ]
    good = planes[~planes["well"].isin(wrong)].reset_index(drop=True)
    return good.assign(well=good["well"].map(wells)), problems


def _plain_numbers(column):
    """Write numbers without leading zeros; other text stays."""
    plain = {text: str(int(text)) if text.isdecimal() else text for text in column.unique()}
    return column.map(plain).astype(object)


def _choose(planes, axis, wanted, noun):
    """Take one plane of a stack, or one time point; raise if there are several and none is wanted."""
    numbers = _plain_numbers(planes[axis])
    if wanted is None:
        several = planes.assign(_n=numbers).groupby([*_KEYS, "channel"])["_n"].nunique()
        several = several[several > 1]
        if len(several):
            plate, well, site, channel = several.index[0]
            values = sorted(numbers.unique(), key=natural_key)
            raise ValueError(
                f"There are several {noun}, {shorten(values, 8)} (first: plate {plate}, well {well}, field "
                f"{site}, channel {channel}). Say which one to take, {axis}={values[len(values) // 2]}, or "
                "project the stack before."
            )
        return planes
    if not numbers.any():
        raise ValueError(
            f"{axis}={wanted!r} says nothing here: the images are told apart by no {axis}. Leave it out."
        )
    if str(wanted) not in set(numbers):
        raise ValueError(
            f"{axis}={wanted!r} is not there. There are {shorten(sorted(set(numbers), key=natural_key), 20)}."
        )
    return planes[numbers == str(wanted)]


def _sort(planes):
    rows, columns = parse_wells(planes["well"])
    ranks = {text: i for i, text in enumerate(sorted(planes["field"].unique(), key=natural_key))}
    order = planes.assign(_row=rows, _column=columns, _site=planes["field"].map(ranks))
    order = order.sort_values(["plate", "_row", "_column", "_site", "channel", "path"], kind="stable")
    return order.drop(columns=["_row", "_column", "_site"]).reset_index(drop=True)


def _fields(planes, first, number):
    """Return the table of fields: keys, and the metadata that all planes of a field share."""
    taken = planes.iloc[first].reset_index(drop=True)
    fields = taken[_KEYS].rename(columns=_COLUMNS)
    for column in (c for c in planes.columns if c.startswith(METADATA_PREFIX)):
        values, of_field = planes[column], planes[column].iloc[first[number]]
        both_missing = values.isna().to_numpy() & of_field.isna().to_numpy()
        same = (values.to_numpy() == of_field.to_numpy()) | both_missing
        if same.all():
            fields[column] = taken[column].to_numpy()
    return fields


def _grid(planes, at):
    """Return planes by field and channel, and which are listed without a file."""
    paths, exists = planes["path"].tolist(), planes["exists"].to_numpy(dtype=bool)
    indices = planes["index"].tolist() if "index" in planes else [None] * len(paths)
    made = [Plane(p, i) if e else None for p, i, e in zip(paths, indices, exists, strict=True)]
    grid = [[None if i < 0 else made[i] for i in row] for row in at.tolist()]
    return grid, (at >= 0) & ~exists[at]


def _missing(fields, planes, at, lost, names):
    paths = planes["path"].tolist()
    problems = []
    keys = fields[[PLATE, WELL, SITE]].to_numpy()
    for i, c in np.argwhere((at < 0) | lost).tolist():
        plate, well, site = keys[i]
        what = f"has no image of channel {names[c]!r}"
        path = paths[at[i, c]] if lost[i, c] else ""
        if path:
            what = f"channel {names[c]!r}, is listed and not there: {path}"
        message = f"{plate} {well}, field {site}, {what}"
        problems.append(
            problem("missing", message, path=path, plate=plate, well=well, site=site, channel=names[c])
        )
    return problems


def _duplicates(planes, twice):
    n_twice = int(twice.sum())
    if not n_twice:
        return []
    kept = np.maximum.accumulate(np.where(twice, 0, np.arange(len(planes))))
    paths = planes["path"].tolist()
    rows = planes.loc[twice, [*_KEYS, "channel"]].itertuples(index=False)
    problems = []
    for i, (plate, well, site, channel) in zip(np.flatnonzero(twice).tolist(), rows, strict=True):
        what = f"has two files; {paths[kept[i]]} is used, not {paths[i]}"
        if paths[kept[i]] == paths[i]:
            what = f"is listed twice: {paths[i]}"
        message = f"{plate} {well}, field {site}, channel {channel!r} {what}"
        where = {"plate": plate, "well": well, "site": site, "channel": channel}
        problems.append(problem("duplicate", message, path=paths[i], **where))
    if 2 * n_twice > len(planes):
        raise ValueError(
            f"{n_twice} of {len(planes)} images are of a plate, well, field and channel that another is of "
            f"(first: {problems[0]['Message']}). Their names, or the list, must tell them apart: by plate, "
            "field, channel, z or t."
        )
    return problems


def _fewer_fields(fields):
    """Report wells with fewer fields than most wells of the screen have."""
    counts = fields.groupby([PLATE, WELL], sort=False).size()
    usual = int(counts.mode().max())
    few = counts[counts < usual]
    return [
        problem("fewer fields", f"{plate} {well} has {n} of {usual} fields", plate=plate, well=well)
        for (plate, well), n in few.items()
    ]
