"""Wells of a table by compound and dose, as the curves are fitted to them."""

import re
from typing import Any, NamedTuple

import numpy as np

from archetypal_triplet._utils._columns import METADATA_PREFIX
from archetypal_triplet._utils._frames import as_pandas, check_columns_exist, count_of, select_rows, shorten
from archetypal_triplet._utils._roles import check_plates_have_controls, is_numeric, plate_names
from archetypal_triplet._utils._spread import MAD_TO_SD
from archetypal_triplet.screens._curves import N_PARAMETERS, SAME_DOSE, Wells

CONCENTRATION = "Metadata_Concentration"
RESULT_COLUMNS = (
    *("column", "n_wells", "n_doses", "n_vehicle", "lowest", "highest", "unit"),
    *("ec50", "ec50_low", "ec50_high", "hill", "hill_low", "hill_high"),
    *("bottom", "bottom_low", "bottom_high", "top", "top_low", "top_high"),
    *("r2", "p_value", "p_lack_of_fit", "n_outliers", "reason"),
)
_MEDIAN_EFFICIENCY = 2 / np.pi  # a median of normal values varies like the mean of so many fewer
_UNIT = re.compile(r"_([pnumµμ]?M|[pnuµμm]?g[_/]?m?[lL])$")


class DoseTable(NamedTuple):
    """Wells of a table by compound; arrays of wells are padded, with one row a compound."""

    keys: Any  # DataFrame of the columns of `by`, one row a compound
    wells: Wells
    row: np.ndarray  # (n_compounds, n_wells) row of the table, -1 where padded
    vehicle: np.ndarray  # responses of all vehicle wells
    vehicle_row: np.ndarray  # their rows of the table
    n_vehicle: np.ndarray  # (n_compounds,)
    n_doses: np.ndarray
    can_fit: np.ndarray  # (n_compounds,), dtype bool: enough doses and wells for a curve
    unit: list


def check_table(table, columns, by):
    """Check names of columns, and return the table as one of pandas without an index.

    Parameters
    ----------
    table : frame
        Wells.
    columns, by : list of str
        Responses, and what names a compound.

    Returns
    -------
    pandas.DataFrame
        The wells; an index might bear the name of a column, between which pandas would not choose.

    Raises
    ------
    ValueError
        If there are no rows or no names, or a name does not exist or belongs to the results.
    """
    table = as_pandas(table).reset_index(drop=True)
    for parameter, names in (("column", columns), ("by", by)):
        if not names:
            raise ValueError(f"{parameter}={names!r} is empty. Name at least one column.")
        check_columns_exist(table, names, parameter=parameter)
    taken = [name for name in by if name in RESULT_COLUMNS]
    if taken:
        raise ValueError(f"by={taken[0]!r} is the name of a column of the results. Rename it in the table.")
    if not len(table):
        raise ValueError("The table has no rows: there is nothing to fit.")
    return table


def _check_doses(table, concentration):
    check_columns_exist(table, [concentration], parameter="concentration")
    dtype = table[concentration].dtype
    if not is_numeric(dtype) or dtype.kind == "b":
        raise ValueError(
            f"concentration={concentration!r} holds {dtype}, not numbers. Turn it into "
            "numbers, with the unit in a column of its own."
        )
    doses = table[concentration].to_numpy(dtype=np.float64, na_value=np.nan)
    if (doses < 0).any():
        raise ValueError(
            f"concentration={concentration!r} holds {int((doses < 0).sum())} values below 0. Concentrations "
            "are needed as they are, not as logarithms."
        )
    n_infinite = int(np.isinf(doses).sum())
    if n_infinite:
        raise ValueError(
            f"concentration={concentration!r} holds {count_of(n_infinite, 'infinite value')}. "
            "Correct these concentrations, or make them NaN to leave the wells out."
        )
    return doses


def _take_units(table, unit, concentration):
    """Unit of each row as text, "" where there is none; the two letters for micro are one."""
    if unit is None:
        found = _UNIT.search(concentration)
        return np.full(len(table), found[1] if found else "", dtype=object)
    if unit in table.columns or unit.startswith(METADATA_PREFIX):
        check_columns_exist(table, [unit], parameter="unit")
        column = table[unit]
        names = column.astype(object).where(column.notna(), "").map(str).str.strip()
        return names.str.replace("\u03bc", "\u00b5").to_numpy(dtype=object)
    return np.full(len(table), unit, dtype=object)


def _take_responses(table, column, plate, is_vehicle):
    """Responses of all rows; plates shifted so that the medians of their vehicle wells agree."""
    if not is_numeric(table[column].dtype):
        raise ValueError(f"column={column!r} holds {table[column].dtype}, not numbers.")
    values = table[column].to_numpy(dtype=np.float64, na_value=np.nan)
    values = np.where(np.isfinite(values), values, np.nan)
    if plate is None or not is_vehicle.any():
        return values
    names, codes = np.unique(plate_names(table, plate), return_inverse=True)
    known = is_vehicle & ~np.isnan(values)
    check_plates_have_controls(list(names), np.bincount(codes[is_vehicle], minlength=len(names)))
    without = names[np.bincount(codes[known], minlength=len(names)) == 0]
    if len(without):
        raise ValueError(
            f"column={column!r} has no value in any vehicle well of {count_of(len(without), 'plate')}: "
            f"{shorten(without)}. Drop these plates, or pass plate=None to take all wells as they are."
        )
    medians = np.array([np.median(values[known & (codes == p)]) for p in range(len(names))])
    return values - (medians - np.median(values[known]))[codes]


def _count_vehicles(table, plate, is_vehicle, code, n_compounds):
    """Vehicle wells on the plates of each compound."""
    if plate is None:
        return np.full(n_compounds, is_vehicle.sum())
    plates = np.unique(plate_names(table, plate), return_inverse=True)[1]
    pairs = np.unique(np.column_stack([code, plates])[code >= 0], axis=0)
    per_plate = np.bincount(plates[is_vehicle], minlength=plates.max() + 1)
    return np.bincount(pairs[:, 0], per_plate[pairs[:, 1]], n_compounds).astype(int)


def _pad(code, order, n_compounds):
    """Rows (n_compounds, n_wells) of the sorted rows `order` by their compound; -1 where padded."""
    counts = np.bincount(code[order], minlength=n_compounds)
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    row = np.full((n_compounds, max(int(counts.max(initial=0)), 1)), -1)
    row[code[order], place] = order
    return row


def collect_doses(table, column, *, concentration, by, unit, plate, controls):
    """Wells of each compound, sorted by dose, with the responses of one column.

    Returns
    -------
    DoseTable
        Compounds in the order of their names; those without any concentration above 0 are left out.
    """
    doses = _check_doses(table, concentration)
    units = _take_units(table, unit, concentration)
    is_vehicle = np.zeros(len(table), dtype=bool) if controls is None else select_rows(table, controls)
    values = _take_responses(table, column, plate, is_vehicle)
    is_vehicle = is_vehicle & ~np.isnan(values)
    is_treated = ~is_vehicle & (doses != 0)
    groups = table[is_treated].groupby(by, sort=True, observed=True, dropna=True)
    code = np.full(len(table), -1)
    code[is_treated] = groups.ngroup().fillna(-1).astype(int)
    n_compounds = int(code.max(initial=-1)) + 1
    first = np.unique(code[code >= 0], return_index=True)[1]
    keys = table.loc[:, by].iloc[np.flatnonzero(code >= 0)[first]].reset_index(drop=True)
    measured = np.flatnonzero((code >= 0) & (doses > 0) & ~np.isnan(values))
    order = measured[np.lexsort([doses[measured], code[measured]])]
    row = _pad(code, order, n_compounds)
    is_well = row >= 0
    log_dose = np.where(is_well, np.log10(np.where(is_well, doses[row], 1.0)), 0.0)
    new_dose = is_well[:, 1:] & (np.diff(log_dose, axis=1) > SAME_DOSE)
    n_doses = is_well[:, 0] + new_dose.sum(axis=1)
    vehicle = values[is_vehicle]
    n_vehicle = _count_vehicles(table, plate, is_vehicle, code, n_compounds)
    middle = np.median(vehicle) if len(vehicle) else 0.0
    spread = MAD_TO_SD * np.median(np.abs(vehicle - middle)) if len(vehicle) else 0.0
    n_wells = is_well.sum(axis=1)
    wells = Wells(
        log_dose,
        np.where(is_well, values[row], 0.0),
        is_well,
        np.full(n_compounds, middle),
        np.minimum(_MEDIAN_EFFICIENCY * n_vehicle, n_wells),
        np.full(n_compounds, spread),
    )
    enough = np.minimum(n_doses, n_wells) + (n_vehicle > 0) > N_PARAMETERS
    unit_of = [sorted({units[r] for r in rows[rows >= 0]}) for rows in row]
    can_fit = enough & np.array([len(names) < 2 for names in unit_of], dtype=bool)
    return DoseTable(
        keys, wells, row, vehicle, np.flatnonzero(is_vehicle), n_vehicle, n_doses, can_fit, unit_of
    )
