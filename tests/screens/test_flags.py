"""Flagged rows shape no part of a ScreenNormalizer, and are transformed as all others."""

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.screens import ScreenNormalizer

FLAG = "Metadata_atq_IsFlagged"
ROLES = {
    "plate": "Metadata_Plate",
    "controls": "Metadata_ControlType == 'negative'",
    "groups": "Metadata_Well",
}


@pytest.fixture
def fields():
    """Four fields in each of 24 wells of two plates; some fields far away, one of them of a control."""
    rng = np.random.default_rng(0)
    n = 2 * 24 * 4
    table = pd.DataFrame(rng.standard_normal((n, 8)) + rng.standard_normal((48, 8)).repeat(4, axis=0))
    table = table.add_prefix("F")
    well = np.tile(np.arange(24), 2).repeat(4)
    table["Metadata_Plate"] = np.repeat(["P1", "P2"], 96)
    table["Metadata_Well"] = [f"A{w + 1:02d}" for w in well]
    table["Metadata_ControlType"] = np.where(well % 3 == 0, "negative", "sample")
    rows = [0, 17, 50, 101]
    table.loc[rows, ["F0", "F3"]] += 80
    table[FLAG] = np.isin(np.arange(n), rows)
    return table


@pytest.mark.parametrize("column", [FLAG, "bad"])
def test_the_fit_is_that_without_flagged_rows(fields, column):
    fields = fields.rename(columns={FLAG: column})
    kept = fields[~fields[column]].drop(columns=column)
    expected = ScreenNormalizer(**ROLES, n_components=4).fit(kept)
    found = ScreenNormalizer(**ROLES, n_components=4, flags=column).fit(fields)
    for name in ("centers_", "scale_", "components_", "whitening_", "length_scale_"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_array_equal(found.transform(fields), expected.transform(fields.drop(columns=column)))
    spoiled = ScreenNormalizer(**ROLES, n_components=4).fit(fields.drop(columns=column))
    assert not np.allclose(spoiled.whitening_, expected.whitening_, rtol=0.1)


def test_flags_are_the_last_column(fields):
    normalizer = ScreenNormalizer(**ROLES, n_components=4, flags=FLAG, append_flags=True)
    found = normalizer.set_output(transform="pandas").fit_transform(fields)
    assert found.columns[-1] == "flag"
    np.testing.assert_array_equal(found["flag"], fields[FLAG])
    later = normalizer.transform(fields.drop(columns=FLAG))
    assert (later["flag"] == 0).all()
    np.testing.assert_array_equal(later.iloc[:, :-1], found.iloc[:, :-1])


def test_flagged_controls_do_not_center_a_new_plate(fields):
    normalizer = ScreenNormalizer(**ROLES, n_components=4, flags=FLAG).fit(fields)
    new = fields[fields["Metadata_Plate"] == "P1"].assign(Metadata_Plate="P3")
    rows = (~new[FLAG]).to_numpy()
    np.testing.assert_allclose(
        normalizer.transform(new)[rows], normalizer.transform(new[rows].drop(columns=FLAG))
    )


def test_what_is_wrong_is_said(fields):
    with pytest.raises(ValueError, match=r"flags='Metadata_Flag' is not a column"):
        ScreenNormalizer(**ROLES, flags="Metadata_Flag").fit(fields)
    with pytest.raises(ValueError, match=r"flags='Metadata_Well' holds something else than 0 and 1"):
        ScreenNormalizer(**ROLES, flags="Metadata_Well").fit(fields)
    with pytest.raises(ValueError, match=r"flags all 192 rows; none is left to fit"):
        ScreenNormalizer(**ROLES, flags=FLAG).fit(fields.assign(**{FLAG: 1}))
    with pytest.raises(ValueError, match=r"append_flags=True .* flags=None names no flags"):
        ScreenNormalizer(append_flags=True).fit(fields)
    with pytest.raises(ValueError, match=r"only one last column can be appended"):
        ScreenNormalizer(**ROLES, flags=FLAG, append_flags=True, append_groups=True).fit(fields)
    with pytest.raises(TypeError, match=r"flags='Metadata_atq_IsFlagged' speaks of columns"):
        ScreenNormalizer(flags=FLAG).fit(np.eye(9))


def test_plates_whose_controls_are_all_flagged_are_named(fields):
    is_control = fields["Metadata_ControlType"] == "negative"
    flags = fields[FLAG] | (is_control & (fields["Metadata_Plate"] == "P2"))
    with pytest.raises(ValueError, match=r"no control rows that flags=.* does not flag: P2"):
        ScreenNormalizer(**ROLES, n_components=4, flags=FLAG).fit(fields.assign(**{FLAG: flags}))
    normalizer = ScreenNormalizer(**ROLES, n_components=4, flags=FLAG).fit(fields)
    new = fields.assign(Metadata_Plate="P3", **{FLAG: is_control})
    with pytest.raises(ValueError, match=r"does not flag and fit has not seen them .* and the flags\."):
        normalizer.transform(new)
    with pytest.raises(ValueError, match=r"no control rows and fit has not seen them .* query in controls\."):
        normalizer.transform(new[~is_control].drop(columns=FLAG))


@pytest.mark.parametrize("flag", [np.nan, None, pd.NA, "True", 2])
def test_what_is_no_flag_is_shown(fields, flag):
    flags = fields[FLAG].astype(object)
    flags[3] = flag
    with pytest.raises(ValueError, match=rf"in 1 of 192 rows \(first: row 3, {flag}\)"):
        ScreenNormalizer(**ROLES, n_components=4, flags=FLAG).fit(fields.assign(**{FLAG: flags}))


def test_the_column_of_flags_is_no_feature(fields):
    with pytest.raises(ValueError, match=r"features names 'Metadata_atq_IsFlagged', which is the column of"):
        ScreenNormalizer(**ROLES, features=["F0", "F1", FLAG], n_components=2, flags=FLAG).fit(fields)
