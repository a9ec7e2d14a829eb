import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archetypal_triplet.qc import apply_tags, check_tags
from archetypal_triplet.screens import read_tags, write_tags


def make_shares(seed=0, n=20, k=4):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.dirichlet(np.full(k, 0.5), n)).add_prefix("Archetype_")
    labels = table.to_numpy().argmax(axis=1).astype(np.int32)
    return table.assign(Metadata_Plate="P1", Embedding_0=1.0, Pseudolabel=labels, Pseudolabel_Confidence=0.8)


def tag(**tags):
    return pd.DataFrame({"Archetype": list(tags), "Tag": list(tags.values())})


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), word=st.sampled_from(["artifact", "empty", "debris", "out_of_focus"]))
def test_kept_shares_are_on_the_simplex_and_keep_their_proportions(seed, word):
    table = make_shares(seed)
    found = apply_tags(table, tag(Archetype_1=word, Archetype_2="phenotype"))
    assert "Archetype_1" not in found
    names = ["Archetype_0", "Archetype_2", "Archetype_3"]
    kept = table[names].sum(axis=1) >= 0.05
    np.testing.assert_allclose(found.loc[kept, names].sum(axis=1), 1)
    expected = table.loc[kept, "Archetype_0"] * found.loc[kept, "Archetype_3"]
    np.testing.assert_allclose(found.loc[kept, "Archetype_0"] * table.loc[kept, "Archetype_3"], expected)
    assert found.loc[~kept, names].isna().all(axis=None)
    was_out = table["Pseudolabel"] == 1
    assert (found.loc[was_out | ~kept, "Pseudolabel"] == -1).all()
    assert (found.loc[was_out | ~kept, "Pseudolabel_Confidence"] == 0).all()
    rest = ~was_out & kept
    pd.testing.assert_series_equal(found.loc[rest, "Pseudolabel"], table.loc[rest, "Pseudolabel"])
    assert (found.loc[was_out, "Metadata_atq_Tag"] == word).all()
    assert set(found.loc[~was_out, "Metadata_atq_Tag"]) <= {"", "phenotype"}


def test_nothing_changes_where_nothing_is_left_out():
    table = make_shares()
    before = table.copy()
    found = apply_tags(table, tag(Archetype_0="phenotype"))
    pd.testing.assert_frame_equal(table, before)
    pd.testing.assert_frame_equal(found.drop(columns="Metadata_atq_Tag"), table)
    found = apply_tags(table, tag())
    assert (found["Metadata_atq_Tag"] == "").all()


def test_rows_without_shares_stay_without():
    table = make_shares().drop(columns=["Pseudolabel", "Pseudolabel_Confidence"])
    table.loc[3, ["Archetype_0", "Archetype_1", "Archetype_2", "Archetype_3"]] = np.nan
    found = apply_tags(table, tag(Archetype_0="debris"))
    assert found.loc[3, ["Archetype_1", "Archetype_2", "Archetype_3"]].isna().all()
    assert found.loc[3, "Metadata_atq_Tag"] == ""
    assert "Pseudolabel" not in found


def test_tags_survive_the_disk_as_text(tmp_path):
    tags = pd.DataFrame(
        {"Archetype": [0, "Archetype_3", 2], "Tag": ["empty", "debris ", None], "Note": [1, None, ""]}
    )
    path = write_tags(tags, tmp_path / "tags.csv")
    found = read_tags(path)
    assert found["Archetype"].tolist() == ["Archetype_0", "Archetype_3"]
    assert found["Tag"].tolist() == ["empty", "debris"]
    assert found["Note"].tolist() == ["1", ""]
    with pytest.raises(FileExistsError, match=r"tags.csv exists. Choose another path"):
        write_tags(tags, path)
    assert write_tags(found.iloc[:0], path, overwrite=True) == path
    assert [p.name for p in tmp_path.iterdir()] == ["tags.csv"]


def test_what_is_wrong_is_said():
    table = make_shares()
    with pytest.raises(
        ValueError, match=r"tags: artefact is no tag. Choose from: phenotype, artifact, empty"
    ):
        apply_tags(table, tag(Archetype_0="artefact"))
    with pytest.raises(ValueError, match=r"tags: there is no archetype Archetype_9. Tags belong to one fit"):
        apply_tags(table, tag(Archetype_9="debris"))
    with pytest.raises(ValueError, match=r"tags: Archetype_0 has more than one row"):
        check_tags(pd.DataFrame({"Archetype": [0, "Archetype_0"], "Tag": ["empty", "debris"]}))
    with pytest.raises(ValueError, match=r"tags='Tag' is not a column of the table"):
        check_tags(pd.DataFrame({"Archetype": [0]}))
    with pytest.raises(TypeError, match=r"tags is a dict; a table with the columns Archetype, Tag and Note"):
        check_tags({"Archetype_0": "debris"})
    with pytest.raises(ValueError, match=r"tags: all 4 archetypes are tagged as no phenotype"):
        apply_tags(table, pd.DataFrame({"Archetype": range(4), "Tag": "empty"}))
    with pytest.raises(ValueError, match=r"X has no column Archetype_0"):
        apply_tags(table.filter(like="Metadata"), tag())
