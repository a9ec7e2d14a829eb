"""The section with the maps: of the wells, and of the rows where these are fields or cells."""

import numpy as np

from archetypal_triplet._utils._columns import FLAG_REASON
from archetypal_triplet._utils._frames import embedding_columns
from archetypal_triplet.report._map import bokeh_inline, build_map
from archetypal_triplet.report._parts import Html, Missing
from archetypal_triplet.report._projection import compute_projections
from archetypal_triplet.report._sample import choose_points
from archetypal_triplet.report._sprites import make_sprites
from archetypal_triplet.report._texts import make_section

SIZE, SMALL_SIZE = 64, 48  # pixels of a thumbnail
MANY_POINTS = 10_000  # more points have small thumbnails
MAX_PICTURES = 20_000  # more points have none: the page would be too large to forward


def make_maps(inputs, source, why_none, options):
    """Make the section.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.
    source : ImageSource or None
        Its images.
    why_none : str
        Why there are none.
    options : dict
        Those of the report.

    Returns
    -------
    section : Section
        The maps.
    head, scripts, styles : str
        Bokeh, which goes into the head of the page, the maps' own JavaScript, and their CSS.
    """
    tables = {"wells": inputs.wells}
    if inputs.level != "well":
        tables[f"{inputs.level}s"] = inputs.rows
    parts, maps = [], []
    for noun, table in tables.items():
        if len(tables) > 1:
            parts.append(Html(f"<h3>The {noun}</h3>"))
        made, notes = _make_map(inputs, table, noun, source, options)
        maps.append(made)
        parts += [Html(made.html), *notes]
    if source is None:
        parts.append(Missing("Thumbnails", why_none))
    section = make_section("map", parts)
    return section, bokeh_inline(), maps[0].scripts, maps[0].styles


def _make_map(inputs, table, noun, source, options):
    """Build the map of one table, and say what it lacks."""
    seed = options["random_state"]
    values = table[embedding_columns(table)].to_numpy(dtype=float)
    usable = np.isfinite(values).all(axis=1)
    notes = []
    if not usable.all():
        n_bad = int((~usable).sum())
        notes.append(Missing(f"{n_bad:,} of {len(table):,} {noun}", "their embedding is not finite"))
    rows, sentence = choose_points(
        table if usable.all() else table[usable],
        options["max_points"],
        noun=noun.removesuffix("s"),
        random_state=seed,
    )
    chosen = np.flatnonzero(usable)[rows]
    shown = table.iloc[chosen].reset_index(drop=True)
    planes = compute_projections(values[chosen], random_state=seed)
    made = build_map(
        shown.drop(columns=FLAG_REASON, errors="ignore"),
        planes,
        thumbnails=_make_thumbnails(source, shown, options["thumbnails"]),
        name=noun,
        noun=noun,
        n_total=len(table),
        sentence=sentence,
        labels=_label_archetypes(inputs),
    )
    return made, notes


def _make_thumbnails(source, shown, size):
    if source is None or len(shown) > MAX_PICTURES:
        return None
    if size == "auto":
        size = SIZE if len(shown) <= MANY_POINTS else SMALL_SIZE
    return make_sprites(source.take(shown, size), present=source.has(shown))


def _label_archetypes(inputs):
    """What a reader sees of a share: the name of the archetype, with the tag that a person gave it."""
    if inputs.tags is None:
        return None
    return {
        row.Archetype: f"{row.Archetype.replace('_', ' ')}, {row.Tag.replace('_', ' ')}"
        for row in inputs.tags.itertuples()
    }
