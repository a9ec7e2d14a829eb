"""Whatever stands in the tables, the page holds it as text; and what is not there has a reason."""

import numpy as np
import pandas as pd
import pytest
from as_page import Page

from archetypal_triplet.report import write_report

COMPOUND, PLATE, CONTROL = "Metadata_Compound", "Metadata_Plate", "Metadata_ControlType"
NAMES = [
    "<script>alert('compound')</script>",
    "</script><script>alert('out')</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></table><h1>big</h1>",
    'O\'Brien & "Sons" <b>ltd</b>',
    "{{ 7 * 191 }}{% raw %}",
    "\u05d0\u05d1\u05d2 \u202e right to left",
    "\N{GRINNING FACE}\u0301\t\ttabs",
    "=cmd|' /C calc'!A0",
    "a" * 500,
    "${alert(1)}`",
    "<!--",
    "]]>",
    "&lt;b&gt;",
    "line\nbreak",
]
NO_CONTROLS = {"controls": None, "positive_controls": None}


def rename(table):
    numbers = np.arange(len(table)) % len(NAMES)
    return table.assign(
        **{
            COMPOUND: [NAMES[i] for i in numbers],
            PLATE: table[PLATE].map({name: f"<i onclick='x'>{name}&" for name in table[PLATE].unique()}),
            "Metadata_<u>Note</u>": [NAMES[i] for i in numbers[::-1]],
        }
    )


def write(folder, **options):
    result = write_report(folder, **options)
    page = Page(result.path.read_text(encoding="utf-8"))
    assert page.faults == []
    assert page.open == []
    return result, page


def test_names_are_text_and_never_html(change, quick):
    _, page = write(change(rename), title=NAMES[3])
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"b", "i", "u", "h4"}
    assert len(page.all("h1")) == 1
    assert [attrs for attrs in page.all("img") if attrs.get("src") == "x"] == []
    assert [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)] == []
    # the library, the data of two scripts of ours and no more
    assert len(page.all("script")) == len(Page(write_report_of_plain_names(change)).all("script"))
    text = " ".join(page.texts)
    for name in NAMES[:3]:
        assert name in text
    assert "7 * 191" in text
    assert "1337" not in text


def write_report_of_plain_names(change):
    return write_report(change(name="plain")).path.read_text(encoding="utf-8")


def test_ten_thousand_names_fit_on_the_page(change, quick):
    def many(table):
        table = table[table[PLATE] == table[PLATE].iloc[0]]
        parts = [table.assign(**{PLATE: f"Plate{i:03d}"}) for i in range(10_000 // len(table) + 1)]
        table = pd.concat(parts, ignore_index=True)
        treated = table[CONTROL] == "sample"
        return table.assign(**{COMPOUND: np.where(treated, [f"c <{i}>" for i in range(len(table))], "DMSO")})

    result, page = write(change(many, keep_qc=True), max_points=2000)
    assert result.n_bytes < 8e6
    assert len(page.tags) < 20_000
    movers = pd.read_csv(result.folder / "tables" / "movers_archetype_0.csv")
    assert len(movers) == 50
    assert "104 plates" in " ".join(page.texts) or "105 plates" in " ".join(page.texts)


def test_without_controls_every_reason_is_given(change, quick):
    def no_controls(table):
        return table.drop(columns=[CONTROL, COMPOUND])

    result, page = write(change(no_controls, parameters=NO_CONTROLS))
    assert "no negative controls are known" in result.missing["Separation of the controls"]
    assert "no negative controls" in result.missing["The axis between the controls"]
    assert result.missing["Dose response"] == "there is no column Metadata_Compound"
    assert "the table does not say which wells are controls" in " ".join(page.texts)


def test_positive_controls_alone_may_be_missing(change, quick):
    result, _ = write(change(parameters={"positive_controls": None}))
    assert "positive controls" in result.missing["The axis between the controls"]
    assert (result.folder / "tables" / "dose_response_archetype_0.csv").exists() or any(
        path.name.startswith("dose_response_archetype") for path in (result.folder / "tables").iterdir()
    )


def test_one_plate(change, quick):
    def one(table):
        return table[table[PLATE] == table[PLATE].iloc[0]].reset_index(drop=True)

    result, page = write(change(one))
    plates = pd.read_csv(result.folder / "tables" / "plates.csv")
    assert len(plates) == 1
    assert "1 plate, 96 wells" in " ".join(page.texts)


@pytest.mark.parametrize("n", [0, 1])
def test_one_archetype_or_none(change, quick, n):
    def few(table):
        return table.drop(columns=[c for c in table if c.startswith("Archetype_")][n:])

    result, _ = write(change(few))
    archetypes = pd.read_csv(result.folder / "tables" / "archetypes.csv") if n else []
    assert len(archetypes) == n
    assert result.sections[0] == "overview"


def test_columns_without_values(change, quick):
    def empty(table):
        table = table.assign(
            Metadata_Count_Cells=np.nan, Metadata_Concentration_uM=np.nan, Metadata_Note=None
        )
        shares = [c for c in table if c.startswith("Archetype_")]
        table.loc[table.index[3:9], shares] = np.nan
        return table

    result, page = write(change(empty))
    assert "no well has a value above 0" in result.missing["Dose response"]
    assert not {"nan", "NaN", "None"} & {part.strip() for part in page.texts}


def test_rows_without_an_embedding_are_left_out_and_counted(change, quick):
    def holes(table):
        columns = [c for c in table if c.startswith("Embedding_")]
        treated = np.flatnonzero(table[CONTROL] == "sample")[:5]
        table.loc[table.index[treated], columns[0]] = np.nan
        return table

    result, _ = write(change(holes, keep_qc=True))
    assert result.missing["5 of 192 wells"] == "their embedding is not finite"


def test_a_table_that_knows_neither_plates_nor_wells(change, quick):
    def bare(table):
        return table[[c for c in table if not c.startswith("Metadata_")]]

    result, _ = write(change(bare, parameters={**NO_CONTROLS, "plate": None}))
    assert result.missing["Plates"] == "there is no column of plates; name it with --plate"
    assert result.missing["Heat maps"] == "there is no column of plates; name it with --plate"


def test_wells_with_names_of_their_own(change, quick):
    def odd(table):
        return table.assign(Metadata_Well=[f"position {i}" for i in range(len(table))])

    result, _ = write(change(odd))
    assert "position" in result.missing["Heat maps"]
