"""The map: points that a person hovers, selects, searches and takes home as a table."""

import re
from dataclasses import dataclass

import numpy as np

from archetypal_triplet._utils._columns import COMPOUND, CONTROL_TYPE, PLATE, SITE, WELL
from archetypal_triplet._utils._frames import as_pandas
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.plotting._choices import take_control_type
from archetypal_triplet.plotting._palette import to_kinds
from archetypal_triplet.report._map_columns import describe_columns, is_dose, is_unit, pack_array
from archetypal_triplet.report._map_figure import LAYERS, make_figure
from archetypal_triplet.report._templates import read_static, render, to_script

# in this order: later ones use earlier ones
_SCRIPTS = (
    *("map_data.js", "map_legend.js", "map_search.js", "map_table.js", "map_points.js", "map_card.js"),
    *("map_hook.js", "map.js"),
)
_BUNDLES = ("bokeh", "bokeh-gl")
_HEIGHT = 600  # pixels of the map


@dataclass(frozen=True)
class MapPart:
    """A map as parts of a page.

    Attributes
    ----------
    html : str
        The map's elements and data, escaped: it goes into the body as it is.
    scripts : str
        JavaScript that brings all maps of the page to life, without ``<script>`` tags; once a page, after
        `bokeh_inline`. It is the same for all maps.
    styles : str
        CSS of the map, without ``<style>`` tags; once a page.
    n_shown, n_total : int
        Number of points on the map, and of rows they were chosen from.
    sentence : str
        What is shown and how the planes were made, as the map itself says.
    """

    html: str
    scripts: str
    styles: str
    n_shown: int
    n_total: int
    sentence: str


def build_map(
    table,
    projections,
    *,
    thumbnails=None,
    name="map",
    noun="rows",
    n_total=None,
    sentence=None,
    color=None,
    labels=None,
):
    """Build the interactive map of a table.

    The map shows one point a row, in a plane of `projections`, colored by a column: text and pseudo-labels in
    classes (color-blind-safe; beyond ten the largest, and "other"), numbers on a scale, doses on a
    logarithmic one and in one unit. Controls have markers of their own and lie on top. Rows are hovered,
    selected by box or lasso, searched by compound or well; the selection is a table, which a person downloads
    as CSV. Whatever comes from the data is text and never HTML.

    Parameters
    ----------
    table : DataFrame
        One row per point: metadata, ``Archetype_*`` shares and pseudo-labels, as ``embedding.parquet`` and
        ``wells.parquet`` of a run hold them.
    projections : dict of str to array-like of shape (n_samples, 2)
        Planes by their name, see `compute_projections`; the first is shown first.
    thumbnails : Sprites, default=None
        Pictures of the rows, in their order, see `make_sprites`; a negative sheet is a row without a picture.
    name : str, default="map"
        Letters, digits, - and _: tells several maps of one page apart, and begins the name of the CSV file.
    noun : str, default="rows"
        What the points are called ("cells", "wells").
    n_total : int, default=None
        Number of rows from which those of `table` were chosen; None: all are here.
    sentence : str, default=None
        How they were chosen, see `choose_points`.
    color : str, default=None
        Column by which the points are colored at first; None takes the kind of control, else the archetype
        with the largest share, else the first that can be.
    labels : dict of str to str, default=None
        What a reader sees of a column's name ({"Archetype_3": "Archetype 3, debris"}).

    Returns
    -------
    MapPart
        The parts. The same input gives the same text.

    Raises
    ------
    ValueError
        If the lengths do not fit, a plane has no finite coordinates, or `color` cannot be shown.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from archetypal_triplet.report._map import build_map
    >>> table = pd.DataFrame({"Metadata_Compound": ["<b>A</b>", "B"], "Metadata_Well": ["A01", "A02"]})
    >>> part = build_map(table, {"PCA": np.array([[0.0, 1.0], [1.0, 0.0]])}, noun="wells")
    >>> part.n_shown, "<b>A" in part.html
    (2, False)
    """
    table = as_pandas(table)
    planes = _check_planes(projections, len(table))
    _check_name(name)
    first = next(iter(planes.values()))
    strength = np.linalg.norm(first - np.median(first, axis=0), axis=1) if len(first) else np.zeros(0)
    described = describe_columns(table, strength, labels=labels)
    offered = [column.name for column in described if column.coloring is not None]
    n_total = len(table) if n_total is None else n_total
    said = " ".join(s for s in (sentence, getattr(projections, "sentence", "")) if s)
    item, style = make_figure(len(table), _HEIGHT)
    order = _draw_order(len(table))
    for column in described:  # drawn at random, lest one class hide another
        column.reorder(order)
    payload = {
        "name": name,
        "noun": noun,
        "n": len(table),
        "rows": pack_array(order.astype(np.uint32)),
        "planes": [
            {
                "name": plane,
                "axes": list(getattr(projections, "axes", {}).get(plane, (f"{plane} 1", f"{plane} 2"))),
                "x": pack_array(xy[order, 0]),
                "y": pack_array(xy[order, 1]),
            }
            for plane, xy in planes.items()
        ],
        "columns": [column.pack() for column in described],
        "color": _choose_color(color, offered),
        "layers": _assign_layers(table, order),
        "roles": _find_roles(table),
        "style": style,
        "palette": _scale_colors(),
        "thumbnails": _pack_places(thumbnails, order),
        "figure": item,
    }
    html = render(
        "map.html.j2",
        name=name,
        noun=noun,
        height=_HEIGHT,
        data=to_script(payload),
        planes=list(planes),
        sheets=[] if thumbnails is None else thumbnails.sheets,
        sentence=said,
        groups=_group_colors(described),
    )
    return MapPart(html, _read_scripts(), read_static("map.css"), len(table), n_total, said)


def bokeh_inline():
    """Return BokehJS as text for one ``<script>`` of a page, so that it needs no network.

    Returns
    -------
    str
        JavaScript, without ``<script>`` tags: the core and the WebGL backend (1.5 MB), no widgets.

    Examples
    --------
    >>> from archetypal_triplet.report._map import bokeh_inline
    >>> "Bokeh" in bokeh_inline(), "</script" in bokeh_inline()
    (True, False)
    """
    resources = import_optional("bokeh.resources", extra="report")
    parts = resources.Resources(mode="inline", components=list(_BUNDLES), log_level="error").js_raw
    text = "\n".join(re.sub(r"^//# sourceMappingURL=.*$", "", part, flags=re.MULTILINE) for part in parts)
    return re.sub(r"</(script)", r"<\\/\1", text, flags=re.IGNORECASE)


def _check_planes(projections, n):
    if not projections:
        raise ValueError("projections is empty. At least one plane is needed, such as {'PCA': ...}.")
    planes = {str(plane): np.asarray(xy, dtype=np.float32) for plane, xy in projections.items()}
    for plane, xy in planes.items():
        if xy.shape != (n, 2):
            raise ValueError(
                f"projections[{plane!r}] has shape {xy.shape}; the table has {n} rows, so that ({n}, 2) is "
                "needed."
            )
        if not np.isfinite(xy).all():
            raise ValueError(f"projections[{plane!r}] holds NaN or infinite values. Drop these rows before.")
    return planes


def _check_name(name):
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise ValueError(f"name={name!r} must begin with a letter and hold letters, digits, - and _ only.")


def _choose_color(color, offered):
    if color is None:
        preferred = [name for name in (CONTROL_TYPE, "archetype") if name in offered]
        return (preferred or offered or [None])[0]
    if color not in offered:
        raise ValueError(
            f"color={color!r} cannot color this map: it is no column, has one value only, or too many texts. "
            f"Columns to choose from: {', '.join(offered) or 'none'}."
        )
    return color


def _draw_order(n):
    return np.random.default_rng(0).permutation(n)


def _assign_layers(table, order):
    """Which layer draws each row; samples lie in "sample" and go to "other" where they have no color."""
    number = {layer: i for i, layer in enumerate(LAYERS)}
    kinds = to_kinds(take_control_type(table), len(table))
    codes = np.array([number[kind] for kind in kinds], dtype=np.uint8)
    return {"names": list(LAYERS), "codes": pack_array(codes[order])}


def _find_roles(table):
    """Columns that the card and the search know by what they mean."""
    names = [str(name) for name in table.columns]
    return {
        "compound": COMPOUND if COMPOUND in names else None,
        "plate": PLATE if PLATE in names else None,
        "well": WELL if WELL in names else None,
        "site": SITE if SITE in names else None,
        "control": CONTROL_TYPE if CONTROL_TYPE in names else None,
        "dose": next((name for name in names if is_dose(name) and table[name].dtype.kind in "fiu"), None),
        "unit": next((name for name in names if is_unit(name)), None),
    }


def _scale_colors():
    return list(import_optional("bokeh.palettes", extra="report").Viridis256)


def _pack_places(thumbnails, order):
    if thumbnails is None:
        return None
    if len(thumbnails.sheet) != len(order):
        raise ValueError(
            f"thumbnails has {len(thumbnails.sheet)} pictures for {len(order)} rows. One for each row is "
            "needed; a negative sheet stands for a row without."
        )
    places = {key: pack_array(np.asarray(getattr(thumbnails, key))[order].astype(np.int32)) for key in "xy"}
    sheet = np.asarray(thumbnails.sheet)[order].astype(np.int32)
    return {"size": int(thumbnails.size), "sheet": pack_array(sheet), **places}


def _group_colors(columns):
    """The list of colors under its headings."""
    groups = {}
    for heading in ("Screen", "Archetypes", "Pseudo-labels", "Quality", "Other columns"):
        found = [c for c in columns if c.group == heading and c.coloring is not None]
        found.sort(key=lambda column: not column.is_derived)
        if found:
            groups[heading] = [(column.name, column.label) for column in found]
    return groups


def _read_scripts():
    parts = [read_static(name) for name in _SCRIPTS]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "\n})();\n"
