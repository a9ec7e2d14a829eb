"""aggregate_profiles against its naive twin, and what it keeps, counts and refuses."""

import numpy as np
import pandas as pd
import pytest
from naive import naive_aggregate

from archetypal_triplet.screens import aggregate_profiles

FIELD = ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]


@pytest.fixture
def cells():
    """Cells of two plates, two wells of one name on each, one to three fields a well, in no order."""
    rng = np.random.default_rng(0)
    n = 200
    table = pd.DataFrame(
        {
            "Metadata_Plate": rng.choice(["p2", "p1"], n),
            "Metadata_Well": rng.choice(["B02", "A01"], n),
            "Metadata_Site": rng.choice(["1", "2", "10"], n),
            "Metadata_Cell": [str(i) for i in range(n)],
            "Nuclei_Area": rng.gamma(3, 50, n),
            "Nuclei_Count": rng.integers(0, 9, n),
            "Nuclei_Ratio": rng.normal(size=n).astype(np.float32),
        }
    )
    table["Metadata_Compound"] = table["Metadata_Plate"] + table["Metadata_Well"]
    table["Metadata_Dose"] = np.where(table["Metadata_Well"] == "A01", np.nan, 2.5)
    table.index = rng.permutation(n) * 3  # as left behind by a selection
    return table


@pytest.mark.parametrize("how", ["mean", "median"])
@pytest.mark.parametrize("by", [FIELD, ["Metadata_Plate", "Metadata_Well"], ["Metadata_Site"]])
def test_against_naive_twin(cells, by, how):
    names = ["Nuclei_Area", "Nuclei_Count", "Nuclei_Ratio"]
    if by == ["Metadata_Site"]:
        cells = cells.assign(Metadata_Plate="p", Metadata_Well="A01")
    result = aggregate_profiles(cells, by, how=how)
    expected = naive_aggregate(cells[by].to_numpy(), cells[names].to_numpy(dtype=float), how)
    assert [tuple(row) for row in result[by].to_numpy()] == list(expected)
    np.testing.assert_allclose(result[names], list(expected.values()), rtol=1e-5)
    assert list(result.index) == list(range(len(expected)))


def test_the_table_is_not_changed(cells):
    before = cells.copy()
    aggregate_profiles(cells, FIELD, count="Metadata_Count_Cells")
    pd.testing.assert_frame_equal(cells, before)


def test_metadata_that_are_the_same_within_groups_stay(cells):
    fields = aggregate_profiles(cells, FIELD)
    assert [c for c in fields.columns if c.startswith("Metadata_")] == [
        *FIELD,
        "Metadata_Compound",
        "Metadata_Dose",
    ]
    assert (fields["Metadata_Compound"] == fields["Metadata_Plate"] + fields["Metadata_Well"]).all()
    assert (fields["Metadata_Dose"].isna() == (fields["Metadata_Well"] == "A01")).all()
    cells.loc[cells.index[0], "Metadata_Dose"] = 7.0  # of one cell only
    assert "Metadata_Dose" not in aggregate_profiles(cells, FIELD)


def test_a_well_is_meant_within_its_plate_and_a_site_within_its_well(cells):
    wells = aggregate_profiles(cells, "Metadata_Well")
    assert list(wells.columns[:2]) == ["Metadata_Plate", "Metadata_Well"]
    assert len(wells) == 4
    fields = aggregate_profiles(cells, "Metadata_Site")
    pd.testing.assert_frame_equal(fields, aggregate_profiles(cells, FIELD))
    assert len(aggregate_profiles(cells.drop(columns="Metadata_Plate"), "Metadata_Well")) == 2


def test_cells_are_counted_and_counts_of_fields_are_added_up(cells):
    fields = aggregate_profiles(cells, FIELD, count="Metadata_Count_Cells")
    wells = aggregate_profiles(fields, "Metadata_Well", count="Metadata_Count_Cells")
    directly = aggregate_profiles(cells, "Metadata_Well", count="Metadata_Count_Cells")
    assert fields["Metadata_Count_Cells"].sum() == len(cells)
    pd.testing.assert_frame_equal(
        wells[["Metadata_Plate", "Metadata_Well", "Metadata_Count_Cells"]],
        directly[["Metadata_Plate", "Metadata_Well", "Metadata_Count_Cells"]],
    )


def test_fields_weighted_by_their_cells_are_the_well(cells):
    fields = aggregate_profiles(cells, FIELD, count="Metadata_Count_Cells")
    wells = aggregate_profiles(cells, "Metadata_Well")
    for _, well in wells.iterrows():
        own = fields[
            (fields["Metadata_Well"] == well["Metadata_Well"])
            & (fields["Metadata_Plate"] == well["Metadata_Plate"])
        ]
        mean = np.average(own["Nuclei_Area"], weights=own["Metadata_Count_Cells"])
        assert mean == pytest.approx(well["Nuclei_Area"])


@pytest.mark.parametrize("how", ["mean", "median"])
def test_shares_of_archetypes_add_up_to_one(cells, how):
    shares = np.random.default_rng(1).dirichlet(np.full(4, 0.2), len(cells))
    for k in range(4):
        cells[f"Archetype_{k}"] = shares[:, k]
    cells["Pseudolabel"] = shares.argmax(axis=1)
    wells = aggregate_profiles(cells, "Metadata_Well", how=how)
    assert "Pseudolabel" not in wells
    np.testing.assert_allclose(wells.filter(like="Archetype_").sum(axis=1), 1.0)
    if how == "median":
        own = (cells["Metadata_Well"] == "A01") & (cells["Metadata_Plate"] == "p1")
        row = (wells["Metadata_Well"] == "A01") & (wells["Metadata_Plate"] == "p1")
        assert wells.loc[row, "Nuclei_Area"].item() == cells.loc[own, "Nuclei_Area"].median()


def test_missing_values_are_left_out(cells):
    first = cells["Metadata_Well"] == "A01"
    cells.loc[first, "Nuclei_Area"] = np.nan
    cells.loc[cells.index[~first][0], "Nuclei_Area"] = np.nan
    wells = aggregate_profiles(cells, "Metadata_Well")
    assert wells.loc[wells["Metadata_Well"] == "A01", "Nuclei_Area"].isna().all()
    assert wells.loc[wells["Metadata_Well"] == "B02", "Nuclei_Area"].notna().all()


def test_named_features_alone_are_aggregated(cells):
    cells["Comment"] = "text"
    wells = aggregate_profiles(cells, "Metadata_Well", features=["Nuclei_Ratio"])
    assert [c for c in wells.columns if not c.startswith("Metadata_")] == ["Nuclei_Ratio"]
    assert wells["Nuclei_Ratio"].dtype == np.float32


def test_true_and_false_become_a_share(cells):
    cells["Nuclei_IsRound"] = cells["Nuclei_Area"] > 100
    for how in ("mean", "median"):
        assert aggregate_profiles(cells, "Metadata_Well", how=how)["Nuclei_IsRound"].between(0, 1).all()


@pytest.mark.parametrize(
    ("change", "by", "params", "message"),
    [
        ({}, [], {}, r"by=\[\] is empty\. Name at least one column"),
        (
            {},
            "Metadata_Wel",
            {},
            "by='Metadata_Wel' is not a column of the table. Did you mean",
        ),
        ({"Metadata_Well": None}, "Metadata_Well", {}, "200 of 200 rows have no value in 'Metadata_Well'"),
        ({"Comment": "text"}, "Metadata_Well", {}, "1 of 4 feature columns do not hold numbers: Comment"),
        ({}, "Metadata_Well", {"features": ["Area"]}, "features='Area' is not a column of the table"),
        (
            {},
            "Nuclei_Count",
            {"features": ["Nuclei_Count"]},
            "features names Nuclei_Count, which by",
        ),
        (
            {},
            "Metadata_Well",
            {"count": "Metadata_Cell"},
            "count='Metadata_Cell' is a column of the table",
        ),
        ({}, "Metadata_Well", {"how": "mode"}, "The 'how' parameter of aggregate_profiles must be"),
    ],
)
def test_what_is_refused(cells, change, by, params, message):
    with pytest.raises(ValueError, match=message):
        aggregate_profiles(cells.assign(**change), by, **params)


def test_an_empty_table_is_refused(cells):
    with pytest.raises(ValueError, match="table has no row"):
        aggregate_profiles(cells.iloc[:0], "Metadata_Well")


def test_an_array_is_refused():
    with pytest.raises(TypeError, match="Expected a pandas DataFrame, got ndarray"):
        aggregate_profiles(np.zeros((3, 2)), "Metadata_Well")
