"""The section on outliers: fields unlike their well, odd control wells, wells with few cells."""

import numpy as np

from archetypal_triplet._utils._columns import (
    CELL_COUNT,
    COMPOUND,
    CONTROL_TYPE,
    FLAG_REASON,
    IS_FLAGGED,
    METADATA_PREFIX,
    SITE,
    WELL_DISTANCE,
)
from archetypal_triplet._utils._frames import embedding_columns
from archetypal_triplet._utils._spread import MAD_TO_SD
from archetypal_triplet.report._gallery import N_IMAGES, draw_gallery, name_places
from archetypal_triplet.report._parts import N_SHOWN, Missing, Table, count, number, text
from archetypal_triplet.report._texts import make_section

N_WELLS = 12
MIN_CONTROLS = 4  # a median of fewer says little


def make_outliers(inputs, source, writer):
    """Make the section.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.
    source : ImageSource or None
        Its images.
    writer : FigureWriter
        Draws its figures.

    Returns
    -------
    Section
        Fields, control wells, wells with few cells.
    """
    parts = [*_make_fields(inputs, source, writer), _tabulate_controls(inputs), _tabulate_cells(inputs)]
    return make_section("outliers", parts)


def _make_fields(inputs, source, writer):
    table = inputs.assay.get("fields")
    if table is None:
        return [Missing("Fields", inputs.reason("fields"))]
    table = table.sort_values(WELL_DISTANCE, ascending=False, kind="stable", na_position="last")
    flagged = table[IS_FLAGGED].fillna(False).astype(bool)
    keys = [c for c in (inputs.roles["plate"], inputs.roles["well"], SITE) if c in table]
    shown = table[flagged].head(N_SHOWN)
    rows = [
        [*(text(row[key]) for key in keys), number(row[WELL_DISTANCE]), text(row[FLAG_REASON])]
        for _, row in shown.iterrows()
    ]
    head = [*map(_head, keys), "distance", "why"]
    caption = f"{flagged.sum():,} of {len(table):,} fields are flagged. The farthest first; the file has all."
    parts = [Table("fields", caption, head, rows, table, n_rows=int(flagged.sum()))]
    if source is not None and len(shown):
        figure = _draw_fields(shown.head(N_IMAGES), keys, source, writer)
        parts += [figure] if figure is not None else []
    return parts


def _draw_fields(rows, keys, source, writer):
    rows = rows[source.has(rows)]
    if not len(rows):
        return None
    captions = name_places(rows, keys)
    return draw_gallery(
        writer, "outliers", source.take(rows, 128), captions,
        alt=f"The flagged fields farthest from their wells: {', '.join(captions)}.",
        caption="The flagged fields that are farthest from the other fields of their wells.",
    )  # fmt: skip


def find_odd_controls(inputs):
    """Measure how far each negative control lies from the others of its plate.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.

    Returns
    -------
    DataFrame or None
        The controls with ``distance`` (to the median of the controls of its plate, in the embedding) and
        ``score`` (how many MAD its log lies above the median of all controls), the farthest first; None where
        no plate has 4.
    """
    is_control = inputs.select("controls")
    if is_control is None:
        return None
    wells, plates = inputs.wells[is_control], inputs.plates[is_control]
    are_enough = plates.groupby(plates).transform("size") >= MIN_CONTROLS
    wells, plates = wells[are_enough], plates[are_enough]
    if not len(wells):
        return None
    values = wells[embedding_columns(wells)].astype(float)
    distance = np.sqrt(((values - values.groupby(plates).transform("median")) ** 2).sum(axis=1))
    log = np.log(distance.clip(lower=np.finfo(float).tiny))
    spread = MAD_TO_SD * (log - log.median()).abs().median()
    score = (log - log.median()) / spread if spread > 0 else log * 0.0
    return wells.assign(distance=distance, score=score).sort_values("score", ascending=False, kind="stable")


def _tabulate_controls(inputs):
    table = find_odd_controls(inputs)
    if table is None:
        is_unknown = inputs.roles["controls"] is None
        few = f"no plate has {MIN_CONTROLS} negative controls, to compare one with the others"
        return Missing("Control wells", inputs.reason("drift") if is_unknown else few)
    keys = [c for c in (inputs.roles["plate"], inputs.roles["well"]) if c is not None]
    rows = [
        [*(text(row[key]) for key in keys), number(row["distance"]), number(row["score"], 1)]
        for _, row in table.head(N_WELLS).iterrows()
    ]
    head = [*map(_head, keys), "distance", "how unusual"]
    titles = {
        "how unusual": "how far the log of the distance lies above the median, in median absolute deviations"
    }
    caption = "Negative-control wells farthest from the median of the controls of their plate."
    frame = table[[*keys, "distance", "score"]]
    return Table("control_wells", caption, head, rows, frame, titles)


def _tabulate_cells(inputs):
    if CELL_COUNT not in inputs.wells or not inputs.wells[CELL_COUNT].notna().any():
        return Missing("Wells with few cells", "the results do not hold the number of cells")
    columns = [inputs.roles["plate"], inputs.roles["well"], CONTROL_TYPE, COMPOUND, inputs.roles["dose"]]
    columns = [c for c in columns if c is not None and c in inputs.wells]
    unit = [inputs.roles["unit"]] if inputs.roles["unit"] in inputs.wells else []
    table = inputs.wells[[*columns, *unit, CELL_COUNT]].sort_values(CELL_COUNT, kind="stable")
    rows = [
        [
            *(_dose(row, inputs.roles) if c == inputs.roles["dose"] else text(row[c]) for c in columns),
            count(row[CELL_COUNT]),
        ]
        for _, row in table.head(N_WELLS).iterrows()
    ]
    head = [*map(_head, columns), "cells"]
    median = inputs.wells[CELL_COUNT].median()
    return Table(
        "few_cells", f"Wells with the fewest cells (median of all wells: {median:,.0f}).", head, rows, table
    )


def _head(column):
    return {CONTROL_TYPE: "control type"}.get(column) or str(column).removeprefix(METADATA_PREFIX).lower()


def _dose(row, roles):
    """A dose with as many digits as it has, up to 4, and its unit."""
    cell = number(row[roles["dose"]])
    if np.isfinite(row[roles["dose"]]):
        unit = row.get(roles["unit"])
        cell.text = f"{row[roles['dose']]:.4g}"
        cell.text += f" {unit}" if isinstance(unit, str) and unit and row[roles["dose"]] > 0 else ""
    return cell
