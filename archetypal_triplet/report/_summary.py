"""The picture at the top of the report: the map, a plate, and how well the controls can be told apart."""

import numpy as np

from archetypal_triplet._utils._columns import CONTROL_TYPE
from archetypal_triplet._utils._frames import embedding_columns
from archetypal_triplet._utils._names import natural_key
from archetypal_triplet.plotting import EmbeddingMapDisplay, PlateHeatmapDisplay
from archetypal_triplet.plotting._choices import clip_label
from archetypal_triplet.report._axis import AXIS, choose_axis, colors_of, explain_no_plates, name_of

SPACES = {
    "embedding": "map",
    "whitened": "whitened\ncomponents",
    "features": "measured\nfeatures",
    "features_pca": "features,\nPCA",
    "cell_count": "cell count",
}
_TITLES = {AXIS: "from negative (0) to positive (1)"}
_COLORS = {"seen": "#0072B2", "held out": "#D55E00"}
_OTHER = "#54606e"
_LOWEST = -1.0  # what lies below is drawn as an arrow there
_LABELS = {"seen": "wells that trained the map", "held out": "wells held out of the training"}


def draw_summary(inputs, writer):
    """Draw the picture.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.
    writer : FigureWriter
        Writes it as ``summary``.

    Returns
    -------
    Figure
        Three panels, or fewer where there are no plates or no controls.
    """
    controls = _pooled(inputs)
    shown = choose_axis(inputs)
    plate_name = _choose_plate(inputs, shown)
    panels = ["map"] + ["plate"] * (plate_name is not None) + ["controls"] * (controls is not None)
    widths = {"map": 1.25, "plate": 1.25, "controls": 0.75}

    def plot(figure):
        axes = figure.subplots(1, len(panels), width_ratios=[widths[name] for name in panels], squeeze=False)
        for name, ax in zip(panels, axes[0], strict=True):
            if name == "map":
                _draw_map(inputs, ax)
            elif name == "plate":
                _draw_plate(inputs, shown, plate_name, ax)
            else:
                _draw_controls(controls, ax)

    alt = "Map of the wells by their strongest archetype, in the plane of two principal components"
    alt += f"; plate {plate_name} as a heat map of {name_of(shown)}" if "plate" in panels else ""
    alt += "; Z' of the controls with 95 % intervals" if "controls" in panels else ""
    has_markers = CONTROL_TYPE in inputs.wells and (inputs.wells[CONTROL_TYPE] != "sample").any()
    colored = "colored by their strongest archetype" if inputs.shares else "all of them"
    caption = f"The wells on the map, {colored}{' (markers: controls)' if has_markers else ''}"
    caption += f"; {name_of(shown)} on plate {plate_name}" if "plate" in panels else ""
    caption += (
        "; Z′ between the controls, in the map and in what it was made from" if controls is not None else ""
    )
    size = (4.3 * sum(widths[name] for name in panels), 4.0)
    return writer.draw("summary", plot, size=size, alt=f"{alt}.", caption=f"{caption}.")


def _pooled(inputs):
    table = inputs.assay.get("controls")
    if table is None:
        return None
    table = table[(table["scope"] == "pooled") & (table["metric"] == "z_prime")]
    table = table[table["value"].notna() & table["space"].isin(list(SPACES))]
    return table if len(table) else None


def _choose_plate(inputs, column):
    if explain_no_plates(inputs) or column not in inputs.wells:
        return None
    sizes = inputs.plates.value_counts()
    return min(sizes.index[sizes == sizes.max()], key=natural_key)


def _draw_map(inputs, ax):
    color = "archetype" if inputs.shares else CONTROL_TYPE if CONTROL_TYPE in inputs.wells else None
    wells = inputs.wells
    usable = np.isfinite(wells[embedding_columns(wells)].to_numpy(dtype=float)).all(axis=1)
    EmbeddingMapDisplay.from_table(wells[usable], color=color, ax=ax)
    ax.set_title("The map", loc="left")


def _draw_plate(inputs, column, name, ax):
    wells, roles = inputs.wells, inputs.roles
    PlateHeatmapDisplay.from_table(
        wells.assign(**{roles["plate"]: inputs.plates}), column, plate=name,
        plate_column=roles["plate"], well_column=roles["well"],
        cmap=colors_of(column), ax=ax,
    )  # fmt: skip
    ax.set_title(f"{clip_label(name, 16)}: {_TITLES.get(column) or name_of(column)}", loc="left")


def _draw_controls(table, ax):
    """One line a space; what is held out lies below what trained the map."""
    spaces = [space for space in SPACES if (table["space"] == space).any()]
    kinds = list(dict.fromkeys(table["trained_on"]))
    for _, row in table.iterrows():
        color = _COLORS.get(row["trained_on"], _OTHER)
        alone = (table["space"] == row["space"]).sum() == 1
        y = spaces.index(row["space"]) + (0.0 if alone else 0.16 if row["trained_on"] != "seen" else -0.16)
        low, value = (max(row[name], _LOWEST) for name in ("low", "value"))
        ax.plot([low, max(row["high"], _LOWEST)], [y, y], color=color, lw=2, solid_capstyle="butt")
        ax.plot(value, y, "<" if row["value"] < _LOWEST else "o", color=color, ms=6)
    for kind in kinds:
        ax.plot([], [], "o-", color=_COLORS.get(kind, _OTHER), label=_LABELS.get(kind, kind))
    ax.set_yticks(range(len(spaces)), [SPACES[space] for space in spaces])
    ax.set_ylim(len(spaces) - 0.4, -0.6)
    ax.set_xlim(min(0.0, max(float(table["low"].min()), _LOWEST)) - 0.05, 1.05)
    ax.axvline(0.0, color=_OTHER, lw=0.8, ls=":")
    ax.set_xlabel("Z′ (95 % interval)")
    ax.set_title("Positive against negative controls", loc="left")
    ax.legend(loc="upper center", bbox_to_anchor=(0.35, -0.16), frameon=False, fontsize="small")
