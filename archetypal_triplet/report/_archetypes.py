"""The section on the archetypes: what each one is, where it occurs, and what moves along it."""

from collections import Counter

import numpy as np

from archetypal_triplet._utils._columns import CONTROL_TYPE, PLATE, SITE, WELL
from archetypal_triplet._utils._frames import count_of
from archetypal_triplet._utils._tags import ARCHETYPE, NOTE, TAG
from archetypal_triplet.plotting import SimplexDisplay
from archetypal_triplet.report._gallery import N_IMAGES, draw_gallery, name_places
from archetypal_triplet.report._movers import find_movers
from archetypal_triplet.report._parts import (
    MISSING,
    Block,
    Facts,
    Folded,
    Missing,
    Row,
    Table,
    as_table,
    count,
    number,
    share,
    text,
)
from archetypal_triplet.report._texts import make_section
from archetypal_triplet.report._thumbnails import purest_images

N_MOVERS = 6
IMAGE_SIZE = 96
MAX_PLATES = 8  # columns of the table of shares, which fit 1400 pixels
MAX_CORNERS = 12  # of the polygon
_OPTIONAL = ("tag", "artifact", "stability", "positive", "negative")  # left out where no archetype has one


def make_archetypes(inputs, source, why_none, writer):
    """Make the section.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.
    source : ImageSource or None
        Its images.
    why_none : str
        Why there are none.
    writer : FigureWriter
        Draws its figures.

    Returns
    -------
    Section
        A table of all archetypes, their shares, and a block for each one.
    """
    names = inputs.shares
    parts = [_tabulate(inputs)]
    if source is None:
        parts.append(Missing("Images of the archetypes", why_none))
    else:
        parts.append(Facts([("Images", source.describe())]))
    parts += _make_blocks(inputs, source, writer)
    if 3 <= len(names) <= MAX_CORNERS:
        parts.append(_draw_simplex(inputs, writer))
    parts.append(_make_shares(inputs))
    return make_section("archetypes", parts)


def _collect(inputs):
    """What is known of each archetype, from the run and from the assessment."""
    table = inputs.archetypes.set_index("Archetype")
    judged = inputs.assay.get("archetypes")
    judged = None if judged is None else judged.set_index("archetype")
    tags = _tags(inputs)
    records = []
    for name in inputs.shares:
        row = table.loc[name]
        one = {"archetype": name, "tag": tags.get(name, ("", ""))[0]}
        one |= {"mean_share": row["Mean_Share"], "n_labeled": row["N_Labeled"]}
        one["stability"] = row.get("Stability", np.nan)
        known = {} if judged is None or name not in judged.index else judged.loc[name]
        for column in ("share_negative", "share_positive", "p_row", "p_column", "p_edge", "artifact_score"):
            one[column] = known.get(column, np.nan)
        one["is_artifact"] = bool(known.get("is_artifact", False))
        one["reason"] = known.get("reason", inputs.reason("archetypes"))
        one["top_features"] = row.get("Top_Features", "")
        records.append(one)
    return records


def _tabulate(inputs):
    records = _collect(inputs)
    rows = [_row_of(one) for one in records]
    labeled = f"{inputs.level}s labeled"
    head = [
        "archetype", "tag", "mean share", labeled, "stability", "negative", "positive", "row, p",
        "column, p", "edge, p", "artifact",
    ]  # fmt: skip
    titles = {
        labeled: f"{inputs.level}s whose pseudo-label it is",
        "negative": "mean share in the negative controls",
        "positive": "mean share in the positive controls",
        "stability": "how well other labelings with as many archetypes find it again, 0 to 1",
        "artifact": "whether its purest fields stand alone in their wells",
        "tag": "what a person has said that it is (tags.csv)",
    }
    frame = as_table(records)
    caption = (
        "The archetypes that are shown. p: whether its share depends on the place on the plate, in all wells "
        "and over all plates; the layout may be why, and p are not corrected for their number."
    )
    caption += _say_unjudged(frame)
    kept = [
        i for i, name in enumerate(head)
        if name not in _OPTIONAL or any(row[i].text != MISSING for row in rows)
    ]  # fmt: skip
    rows = [[row[i] for i in kept] for row in rows]
    return Table("archetypes", caption, [head[i] for i in kept], rows, frame, titles)


def _say_unjudged(frame):
    """Say in the caption why no archetype was judged; a tip on each row would be seen by few."""
    if not len(frame):
        return ""
    reasons = frame["reason"].astype(str).unique()
    is_judged = frame["artifact_score"].notna().any()
    return "" if is_judged or len(reasons) != 1 or not reasons[0] else f" Artifacts: {reasons[0]}."


def _row_of(one):
    score = one["artifact_score"]
    flag = "flagged" if one["is_artifact"] else "not flagged" if score == score else None
    judged = text(flag)
    judged.title = f"score {score:.2f}" if score == score else str(one["reason"])
    return [
        text(one["archetype"].replace("_", " ")),
        text(one["tag"].replace("_", " ") or None),
        share(one["mean_share"]),
        count(one["n_labeled"]),
        number(one["stability"], reason="there is no other labeling with as many archetypes"),
        number(one["share_negative"], 1, percent=True, reason="no negative controls"),
        number(one["share_positive"], 1, percent=True, reason="no positive controls"),
        *(number(one[f"p_{side}"], 3, reason=one["reason"]) for side in ("row", "column", "edge")),
        judged,
    ]


def _tags(inputs):
    if inputs.tags is None:
        return {}
    return {row[ARCHETYPE]: (row[TAG], row[NOTE]) for _, row in inputs.tags.iterrows()}


def _make_blocks(inputs, source, writer):
    """One block an archetype: purest images, the compounds that move along it, strongest features."""
    names, rows = inputs.shares, inputs.rows
    galleries = None
    if source is not None:
        galleries = purest_images(source, rows, rows[names].to_numpy(), N_IMAGES, size=IMAGE_SIZE)
    movers, why_not = find_movers(inputs)
    table, tags = inputs.archetypes.set_index("Archetype"), _tags(inputs)
    blocks = []
    for i, name in enumerate(names):
        parts = []
        if galleries is not None and len(galleries[i].images):
            parts.append(_draw_gallery(name, galleries[i], rows, writer))
        beside = [_list_facts(table.loc[name], tags.get(name), inputs.level)]
        if movers is not None:
            beside.append(_list_movers(name, movers[movers["archetype"] == name]))
        blocks.append(Block(name.replace("_", " "), [*parts, Row(beside)]))
    if movers is None:
        blocks.append(Missing("Compounds that move along an archetype", why_not))
    return blocks


def _draw_gallery(name, gallery, rows, writer):
    wells = rows.iloc[gallery.rows]
    places = _name_places(wells)
    shares = [f"{100 * part:.0f} %" for part in gallery.shares]
    shown = ", ".join(f"{place} {part}" for place, part in zip(places, shares, strict=True))
    return draw_gallery(
        writer, f"gallery_{name.lower()}", gallery.images,
        [f"{place}\n{part}" for place, part in zip(places, shares, strict=True)],
        alt=f"The images with the largest share of {name.replace('_', ' ').lower()}: {shown}.",
        caption="Largest share first, one image a well at most.",
    )  # fmt: skip


def _name_places(rows):
    """Places, without the plate or field that is the same for all of them."""
    columns = [c for c in (PLATE, WELL, SITE) if c in rows]
    columns = [c for c in columns if c == WELL or rows[c].nunique() > 1]
    return name_places(rows, columns)


def _list_facts(row, tag, level):
    pairs = [("Strongest features", str(row.get("Top_Features", "–")).replace(" -", " \u2212"))]
    for column, word in (
        ("Typical_Compound", "Typical compounds"),
        ("Typical_ControlType", "Typical controls"),
    ):
        if column in row and row[column] == row[column]:
            pairs.append((word, row[column]))
    pairs.append((f"Typical {level}s", _count_names(row["Typical_Rows"])))
    if tag is not None:
        pairs.append(("Tag", tag[0].replace("_", " ") + (f": {tag[1]}" if tag[1] else "")))
    return Facts(pairs)


def _count_names(names):
    """Five cells of one well are named once."""
    counts = Counter(str(names).split("; "))
    return "; ".join(f"{name} ({n})" if n > 1 else name for name, n in counts.items())


def _list_movers(name, movers):
    if not len(movers):
        return Missing("Compounds that move along it", "none has more of it than the negative controls")
    rows = [
        [
            text(one["compound"]),
            number(one["change"], 1, percent=True),
            number(one["rho"]),
            count(one["n_wells"]),
        ]
        for _, one in movers.head(N_MOVERS).iterrows()
    ]
    head = ["compound", "change", "ρ with dose", "wells"]
    titles = {
        "change": "mean share of its wells, less that of the negative controls of the same plates",
        "ρ with dose": "rank correlation of share and dose, from 4 doses on",
    }
    caption = "Compounds that move along it most, all doses together"
    return Table(f"movers_{name.lower()}", caption, head, rows, movers, titles, n_rows=len(rows))


def _draw_simplex(inputs, writer):
    color = CONTROL_TYPE if CONTROL_TYPE in inputs.wells else None

    def plot(figure):
        SimplexDisplay.from_table(inputs.wells, color=color, ax=figure.subplots())

    return writer.draw(
        "simplex", plot, size=(7.0, 4.7),
        alt="Wells as mixtures of the archetypes, which stand on the corners of a polygon.",
        caption="Wells as mixtures: the nearer to a corner, the larger the share of that archetype. Wells in "
        "the middle may be mixtures of any of them.",
    )  # fmt: skip


def _make_shares(inputs):
    """Mean share by kind of control and by plate."""
    wells, names = inputs.wells, inputs.shares
    groups, plates = {}, {}
    if CONTROL_TYPE in wells:
        for kind, part in wells.groupby(wells[CONTROL_TYPE].astype(str)):
            groups[kind] = part[names].mean()
    if inputs.roles["plate"] is not None:
        by_plate = {plate: part[names].mean() for plate, part in wells.groupby(inputs.plates)}
        plates = {plate: by_plate[plate] for plate in inputs.plate_names}
    frame = as_table({"all wells": wells[names].mean(), **groups, **plates})
    frame = frame.rename_axis("archetype").reset_index()
    shown = [*groups, *list(plates)[:MAX_PLATES]]
    rows = [
        [text(row["archetype"].replace("_", " ")), *(number(row[c], 1, percent=True) for c in shown)]
        for _, row in frame.iterrows()
    ]
    more = len(plates) - MAX_PLATES
    note = f" {count_of(more, 'more plate')} in the file." if more > 0 else ""
    caption = f"Mean share by kind of control and by plate.{note}"
    return Folded(
        "Shares by control and plate", [Table("shares", caption, ["archetype", *shown], rows, frame)]
    )
