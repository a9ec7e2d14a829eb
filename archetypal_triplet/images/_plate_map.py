"""Plate maps: which well holds what, joined to the fields of a layout."""

from pathlib import Path

from archetypal_triplet._utils._columns import COMPOUND, CONTROL_TYPE, PLATE, SITE, WELL, metadata_name
from archetypal_triplet._utils._frames import is_frame, select_rows, shorten
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._wells import parse_well, well_name
from archetypal_triplet.images._csv import SUFFIXES, as_text, find_columns, read_frame
from archetypal_triplet.images._files import problem
from archetypal_triplet.images._lists import _NAMED, _OWN, check_wells, well_column

CONTROL_TYPES = ("negative", "positive", "untreated", "sample")
_MAP_NAME = "Metadata_PlateMap"


def read_plate_map(plate_map, *, barcodes=None):
    """Read a plate map, or several.

    Parameters
    ----------
    plate_map : str, Path or pandas.DataFrame
        A table with one row per well (or per plate and well), or a folder of such tables, each called like
        the plates it belongs to or as `barcodes` says.
    barcodes : str, Path, pandas.DataFrame or None, default=None
        A table that says which plate (plate, barcode, Assay_Plate_Barcode) has which map (plate_map,
        Plate_Map_Name).

    Returns
    -------
    pandas.DataFrame
        ``Metadata_Well``, ``Metadata_Plate`` if the map says it, and what is known of the wells.
    """
    pd = import_optional("pandas", extra="images")
    if not is_frame(plate_map) and Path(plate_map).is_dir():
        paths = sorted(p for p in Path(plate_map).iterdir() if p.name.lower().endswith(SUFFIXES))
        if not paths:
            raise ValueError(
                f"plate_map={str(plate_map)!r} holds no table. Plate maps end in {', '.join(SUFFIXES)}."
            )
        frames = [_read_one(path, str(path)).assign(**{_MAP_NAME: _stem(path)}) for path in paths]
        wells = pd.concat(frames, ignore_index=True)
        if barcodes is None and PLATE not in wells:
            wells[PLATE] = wells[_MAP_NAME]
    else:
        called = repr(str(plate_map)) if not is_frame(plate_map) else "the table"
        wells = _read_one(plate_map, called)
    if barcodes is not None:
        wells = _join_barcodes(wells, barcodes)
    keys = [c for c in (PLATE, WELL) if c in wells]
    twice = wells[wells[keys].duplicated()]
    if len(twice):
        named = " of plate ".join(reversed([repr(v) for v in twice[keys].iloc[0]]))
        raise ValueError(
            f"plate_map says {len(twice)} times what a well holds that it named before (first: well "
            f"{named}). Give each well one row, or a column 'plate' if the map is of several plates."
        )
    return wells


def join_plate_map(fields, wells):
    """Add what a plate map says to fields.

    Parameters
    ----------
    fields : pandas.DataFrame
        Fields of a layout.
    wells : pandas.DataFrame
        As `read_plate_map` returns it.

    Returns
    -------
    fields : pandas.DataFrame
        The fields in the same order, with the columns of the map.
    problems : list of dict
        Wells that only the map or only the images have.
    """
    keys = [c for c in (PLATE, WELL) if c in wells]
    about = [c for c in wells.columns if c not in keys]
    known = fields.drop(columns=[c for c in about if c in fields.columns])
    joined = known.merge(wells, on=keys, how="left", indicator="_both", validate="many_to_one")
    imaged = fields[[PLATE, WELL]].drop_duplicates()
    problems = []
    if not (joined["_both"] == "both").any():
        raise ValueError(
            f"plate_map has none of the wells of the images. The map has {_some(wells, keys)}; the images "
            f"have {_some(imaged, keys)}. Plates and wells must be called alike, or barcodes= must say which "
            "map a plate has."
        )
    lost = joined.loc[joined["_both"] == "left_only", [PLATE, WELL]].drop_duplicates()
    problems += [
        problem(
            "not in plate map",
            f"well {well} of plate {plate} is not in the plate map",
            plate=plate,
            well=well,
        )
        for plate, well in lost.itertuples(index=False)
    ]
    here = imaged[keys].drop_duplicates().assign(_seen=True)
    extra = wells[keys].merge(here, on=keys, how="left")
    extra = extra.loc[extra["_seen"].isna(), keys]
    if PLATE in keys:
        absent = sorted(set(extra[PLATE]) - set(imaged[PLATE]))
        problems += [
            problem("no images", f"plate {p} is in the plate map and has no images", plate=p) for p in absent
        ]
        extra = extra[~extra[PLATE].isin(absent)]
    for row in extra.to_dict("records"):
        plate, well = row.get(PLATE, ""), row[WELL]
        where = f" of plate {plate}" if plate else ""
        message = f"well {well}{where} is in the plate map and has no images"
        problems.append(problem("no images", message, plate=plate, well=well))
    return joined.drop(columns="_both"), problems


def assign_control_types(fields, control_types):
    """Write ``Metadata_ControlType`` as a person says it.

    Parameters
    ----------
    fields : pandas.DataFrame
        Fields with what is known of their wells.
    control_types : dict of str to str or list of str
        "negative", "positive", "untreated" or "sample", and which wells are: names of compounds, or a query
        such as ``"Metadata_Control == -1"``. Wells that no entry chooses are "sample".

    Returns
    -------
    pandas.DataFrame
        The fields with the column.
    """
    pd = import_optional("pandas", extra="images")
    if not isinstance(control_types, dict) or not control_types:
        raise ValueError(f"control_types={control_types!r} is no dict. Pass e.g. {{'negative': 'DMSO'}}.")
    unknown = [name for name in control_types if name not in CONTROL_TYPES]
    if unknown:
        raise ValueError(
            f"control_types has {shorten(map(repr, unknown))}; its keys are some of "
            f"{', '.join(CONTROL_TYPES)}."
        )
    kinds = pd.Series("sample", index=fields.index, dtype=object)
    taken = pd.Series(False, index=fields.index)
    for name, which in control_types.items():
        chosen = _chosen(fields, name, which)
        both = chosen & taken
        if both.any():
            first = fields.loc[both, WELL].iloc[0]
            raise ValueError(
                f"control_types gives well {first} two types, {kinds[both].iloc[0]!r} and {name!r}. Let no "
                "two entries choose the same well."
            )
        kinds[chosen], taken = name, taken | chosen
    return fields.assign(**{CONTROL_TYPE: kinds})


def check_control_types(fields):
    """Return a problem if ``Metadata_ControlType`` holds words that are no control types."""
    if CONTROL_TYPE not in fields:
        return []
    values = as_text(fields[CONTROL_TYPE])
    odd = [v for v in dict.fromkeys(values) if v and v not in CONTROL_TYPES]
    if not odd:
        return []
    quoted = odd[0] if fields[CONTROL_TYPE].dtype.kind in "if" else repr(odd[0])
    message = (
        f"{CONTROL_TYPE} holds {shorten(odd, 5)}, which say nothing here: control types are "
        f"{', '.join(CONTROL_TYPES)}. Say which wells are which, e.g. "
        f'control_types={{"negative": "{CONTROL_TYPE} == {quoted}"}}.'
    )
    return [problem("control type", message)]


def _chosen(fields, name, which):
    """Tell which fields an entry of `control_types` chooses."""
    pd = import_optional("pandas", extra="images")
    if isinstance(which, str) and any(sign in which for sign in ("==", "!=", "<", ">", " in ", ".isin(")):
        return pd.Series(select_rows(fields, which, parameter=f"control_types[{name!r}]"), index=fields.index)
    names = [which] if isinstance(which, str) else list(which)
    if COMPOUND not in fields:
        raise ValueError(
            f"control_types[{name!r}]={which!r} names compounds, and no column {COMPOUND} is known. Give a "
            "plate map with a column 'compound', or a query about another column."
        )
    values = as_text(fields[COMPOUND])
    lacking = [n for n in names if not (values == n).any()]
    if lacking:
        raise ValueError(
            f"control_types[{name!r}] names {shorten(map(repr, lacking))}, which no well holds. Compounds "
            f"are {shorten(dict.fromkeys(values), 8)}."
        )
    return values.isin(names)


def _read_one(table, called):
    pd = import_optional("pandas", extra="images")
    frame = read_frame(table, parameter="plate_map")
    roles = find_columns(frame)
    check_wells(frame, roles, called, "plate_map")
    names = well_column(frame, roles)
    wells = {}
    for name in dict.fromkeys(names):
        try:
            wells[name] = well_name(*parse_well(name))
        except ValueError as error:
            raise ValueError(f"plate_map={called}: {error}") from error
    columns = {WELL: names.map(wells)}
    if "plate" in roles:
        columns[PLATE] = as_text(frame[roles["plate"]])
    if "plate_map" in roles:
        columns[_MAP_NAME] = as_text(frame[roles["plate_map"]])
    for column in frame.columns:
        name = metadata_name(column)
        is_file = _NAMED.fullmatch(column) or _OWN.fullmatch(column)
        if column in roles.values() or is_file or name in (*columns, SITE):
            continue
        columns[name] = frame[column]
    return pd.DataFrame(columns)


def _join_barcodes(wells, barcodes):
    frame = read_frame(barcodes, parameter="barcodes")
    roles = find_columns(frame)
    if not {"plate", "plate_map"} <= set(roles):
        raise ValueError(
            "barcodes needs a column of plates ('plate', 'barcode' or 'Assay_Plate_Barcode') and one of maps "
            f"('plate_map' or 'Plate_Map_Name'). Its columns are {shorten(frame.columns)}."
        )
    pairs = frame[[roles["plate"], roles["plate_map"]]].apply(as_text)
    pairs.columns = [PLATE, _MAP_NAME]
    twice = pairs[pairs[PLATE].duplicated()]
    if len(twice):
        raise ValueError(
            f"barcodes names plate {twice[PLATE].iloc[0]!r} more than once. Give each plate one map."
        )
    if _MAP_NAME not in wells:
        raise ValueError(
            "barcodes is given, and plate_map does not say which map a row belongs to. Give plate_map a "
            "column 'plate_map', or pass the folder of plate maps, each file called like its map."
        )
    lacking = sorted(set(pairs[_MAP_NAME]) - set(wells[_MAP_NAME]))
    if lacking:
        raise ValueError(
            f"barcodes names plate maps that are not there: {shorten(lacking)}. There are "
            f"{shorten(sorted(set(wells[_MAP_NAME])))}."
        )
    return wells.drop(columns=PLATE, errors="ignore").merge(pairs, on=_MAP_NAME)


def _stem(path):
    name = path.name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def _some(frame, keys):
    return shorten([" ".join(row) for row in frame[keys].head(50).itertuples(index=False)], 3)
