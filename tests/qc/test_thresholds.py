from importlib import import_module
from inspect import signature
from pkgutil import iter_modules

import pytest

from archetypal_triplet import qc
from archetypal_triplet.qc import load_thresholds


@pytest.fixture(scope="module")
def thresholds():
    pytest.importorskip("yaml")
    return load_thresholds().set_index("name")


def test_every_threshold_is_the_number_that_the_code_uses(thresholds):
    for name, row in thresholds.iterrows():
        owner, _, member = row["where"].partition(".")
        if owner.startswith("_"):
            used = getattr(import_module(f"archetypal_triplet.qc.{owner}"), member)
        else:
            used = signature(getattr(qc, owner)).parameters[member].default
        assert used == row["value"], f"{name}: {row['where']} is {used}, the file says {row['value']}"


def test_no_threshold_of_the_code_is_missing_in_the_file(thresholds):
    constants = {
        f"{module.name}.{name}"
        for module in iter_modules(qc.__path__)
        for name in vars(import_module(f"archetypal_triplet.qc.{module.name}"))
        if name.startswith(("MIN_", "NULL_")) or name == "MAX_GAIN"
    }
    parameters = {
        f"{name}.{parameter}"
        for name in qc.__all__
        for parameter in signature(getattr(qc, name)).parameters
        if parameter in ("threshold", "level", "n_purest", "min_share")
    }
    assert len(constants) > 5
    assert constants | parameters == set(thresholds["where"])


def test_every_threshold_says_what_it_means_and_where_it_comes_from(thresholds):
    for column in ("unit", "meaning", "source"):
        assert thresholds[column].str.len().gt(3).all()
    assert thresholds.index.is_unique
    cited = thresholds["source"].str.contains(r"\d{4}")
    rest = thresholds["source"][~cited]
    assert rest.str.startswith(("Judgement", "Set on", "Over two", "Five plates")).all()
