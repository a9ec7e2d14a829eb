"""Roles in a run on images: what a row is, which wells are controls, which label image is of which field."""

from archetypal_triplet._utils._columns import CONTROL_TYPE, METADATA_PREFIX, PLATE, SITE, WELL
from archetypal_triplet._utils._frames import check_columns_exist, count_of, select_rows
from archetypal_triplet._utils._roles import as_names
from archetypal_triplet.images import Layout, read_layout
from archetypal_triplet.runs._plan import check_enough_rows

# columns that a run adds to those of the fields
_FAULT, _CELL, _COUNT, _NUCLEUS = (f"{METADATA_PREFIX}{w}" for w in ("Fault", "Cell", "Count_", "Nucleus"))
_NEGATIVE = f"{CONTROL_TYPE} == 'negative'"
_POSITIVE = f"{CONTROL_TYPE} == 'positive'"


def match_labels(source, layout, pattern, *, flag=False):
    """Read the layout of label images and put it in the order of the fields; missing ones may be None."""
    plates = layout.fields[PLATE].unique()
    labels = read_layout(source, pattern=pattern, plate=plates[0] if len(plates) == 1 else None)
    if len(labels.channels) != 1:
        raise ValueError(
            f"cell_labels={str(source)!r} holds {len(labels.channels)} channels "
            f"({', '.join(labels.channels)}). One label image is needed for each field."
        )
    keys = [PLATE, WELL, SITE]
    places = {tuple(key): i for i, key in enumerate(labels.fields[keys].to_numpy().tolist())}
    wanted = [tuple(key) for key in layout.fields[keys].to_numpy().tolist()]
    missing = [key for key in wanted if key not in places]
    if missing and not (flag and len(missing) < len(wanted)):
        raise ValueError(
            f"cell_labels={str(source)!r} lacks {len(missing)} of {count_of(len(wanted), 'field')}; the "
            f"first is plate {missing[0][0]}, well {missing[0][1]}, field {missing[0][2]}. An empty field "
            "needs a label image of zeros."
        )
    planes = [labels.planes[places[key]] if key in places else [None] for key in wanted]
    return Layout(layout.fields[keys], labels.channels, planes, labels.problems, labels.notes)


def assume_roles(layout, options):
    """Fill in roles that were left out; return in words what was assumed."""
    fields, said = layout.fields, []
    one_each = not fields.duplicated([PLATE, WELL]).any()
    if options["level"] is None:
        if options["nucleus_channel"] is not None:
            options["level"] = "cell"
        else:
            options["level"] = "well" if one_each else "field"
        why = ", because each well has one field" if options["level"] == "well" else ""
        said.append(f"a row of the map is a {options['level']}{why} (--level)")
    asked = {name: options[name] for name in ("controls", "positive_controls")}
    for name, query in asked.items():
        if query is not None and query.strip().lower() == "none":
            options[name] = None
    if CONTROL_TYPE in fields:
        _assume_controls(fields, options, asked, said)
    if options["plate"] is None and options["controls"]:
        options["plate"] = PLATE
        said.append(f"plates are those of {PLATE}, each centered on its negative controls (--plate)")
    if (
        options["groups"] is None
        and options["level"] != "well"
        and not (one_each and options["level"] == "field")
    ):
        options["groups"] = [PLATE, WELL]
        said.append(f"{options['level']}s of one well belong together (--groups {PLATE},{WELL})")
    return said


def _assume_controls(fields, options, asked, said):
    negative = fields[CONTROL_TYPE] == "negative"
    if asked["controls"] is None and negative.any():
        without = sorted(set(fields[PLATE]) - set(fields.loc[negative, PLATE]))
        if without:
            said.append(
                f"no negative controls, because {count_of(len(without), 'plate')} ({without[0]}, ...) "
                "has none (--controls)"
            )
        else:
            options["controls"] = _NEGATIVE
            said.append(f'negative controls: --controls "{_NEGATIVE}" (none: --controls none)')
    if (
        asked["positive_controls"] is None
        and options["controls"]
        and (fields[CONTROL_TYPE] == "positive").any()
    ):
        options["positive_controls"] = _POSITIVE
        said.append(f'positive controls, to score the assay: --positive-controls "{_POSITIVE}"')


def check_roles(layout, options):
    """Raise if a role names columns that the fields lack, or if they have columns that a run writes."""
    taken = [c for c in layout.fields if c == _FAULT or c.startswith(_COUNT)]
    if options["nucleus_channel"] is not None:
        taken += [c for c in layout.fields if c == _CELL or c.startswith(_NUCLEUS)]
    if taken:
        raise ValueError(
            f"What is known of the wells (plate map or list) has a column {taken[0]!r}, and a run on images "
            "writes one of this name. Rename it in the table."
        )
    fields, n_wells = layout.fields, len(layout.fields.drop_duplicates([PLATE, WELL]))
    check_columns_exist(fields, as_names(options["groups"]), parameter="groups")
    if options["plate"]:
        check_columns_exist(fields, [options["plate"]], parameter="plate")
    for name in ("controls", "positive_controls"):
        if options[name]:
            select_rows(fields, options[name], parameter=name)
    color = options["color"]
    if color and color.startswith(METADATA_PREFIX) and not color.startswith(_NUCLEUS):
        check_columns_exist(fields, [color], parameter="color")
    if options["level"] != "cell":
        check_enough_rows(n_wells if options["level"] == "well" else len(fields), options)
