import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

from matplotlib.figure import Figure  # noqa: E402

from archetypal_triplet import ArchetypalAnalysis, bicross_validated_variance, parsimonious  # noqa: E402
from archetypal_triplet.plotting import ArchetypeCountDisplay  # noqa: E402


@pytest.fixture
def results():
    means = np.array([0.2, 0.5, 0.78, 0.8, 0.795])
    spread = np.array([[-0.02], [0.0], [0.02]])
    splits = dict(
        zip(["split0_test_score", "split1_test_score", "split2_test_score"], means + spread, strict=True)
    )
    return {
        "param_aa__n_archetypes": np.array([2, 3, 4, 5, 6]),
        "mean_test_score": means,
        "std_test_score": np.std(means + spread, axis=0),
        **splits,
    }


@pytest.fixture
def ax():
    return Figure(figsize=(6, 4)).subplots()


def get_points(display):
    return display.ax_.get_lines()[0].get_xydata()


def test_scores_errors_and_choice_are_those_of_the_search(ax):
    rng = np.random.default_rng(0)
    X = rng.dirichlet(np.ones(3), 90) @ rng.normal(size=(3, 12)) + 0.02 * rng.normal(size=(90, 12))
    search = GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("aa", ArchetypalAnalysis(random_state=0))]),
        {"aa__n_archetypes": [4, 2, 3]},
        scoring=bicross_validated_variance,
        refit=parsimonious("aa__n_archetypes"),
        cv=3,
        error_score="raise",
    ).fit(X)
    display = ArchetypeCountDisplay.from_estimator(search, ax=ax)
    assert display.chosen == search.best_params_["aa__n_archetypes"] == 3
    order = np.argsort(search.cv_results_["param_aa__n_archetypes"].astype(int))
    np.testing.assert_array_equal(display.n_archetypes, [2, 3, 4])
    np.testing.assert_allclose(get_points(display)[:, 1], search.cv_results_["mean_test_score"][order])
    np.testing.assert_allclose(display.errors, search.cv_results_["std_test_score"][order] / np.sqrt(2))
    assert ax.get_ylabel() == "Bi-cross-validated variance"
    assert ax.get_xlabel() == "Number of archetypes"
    assert ax.get_title(loc="left") == "3 archetypes chosen"
    # kept as a table it looks the same
    kept = ArchetypeCountDisplay.from_table(pd.DataFrame(search.cv_results_), ax=Figure().subplots())
    assert kept.chosen == 3
    assert kept.good_score == display.good_score
    np.testing.assert_allclose(get_points(kept), get_points(display))


def test_the_line_is_what_parsimonious_calls_good(results, ax):
    display = ArchetypeCountDisplay.from_table(results, ax=ax)
    error = results["std_test_score"][3] / np.sqrt(2)
    assert display.good_score == pytest.approx(0.8 - max(error, 0.01))
    assert display.chosen == 5  # of 6 and 5, 4 lies below the line
    assert (
        min(k for k, s in zip(display.n_archetypes, display.scores, strict=True) if s >= display.good_score)
        == 5
    )
    wide = ArchetypeCountDisplay.from_table(results, tolerance=0.05, ax=Figure().subplots())
    assert wide.chosen == 4
    forced = ArchetypeCountDisplay.from_table(results, chosen=6, ax=Figure().subplots())
    assert forced.ax_.get_title(loc="left") == "6 archetypes chosen"
    ring = forced.ax_.get_lines()[-1].get_xydata()
    np.testing.assert_allclose(ring, [[6, 0.795]])


def test_a_search_that_takes_the_best_has_no_line(ax):
    class Search:
        scoring, refit, best_index_ = None, True, 1
        cv_results_ = {
            "param_n_archetypes": np.array([2, 3]),
            "mean_test_score": np.array([0.1, 0.2]),
            "std_test_score": np.array([0.01, 0.01]),
        }

    display = ArchetypeCountDisplay.from_estimator(Search(), ax=ax)
    assert display.good_score is None
    assert display.chosen == 3
    assert ax.get_ylabel() == "Score"
    Search.refit = False
    del Search.best_index_
    unchosen = ArchetypeCountDisplay.from_estimator(Search(), ax=Figure().subplots())
    assert unchosen.chosen is None
    assert unchosen.ax_.get_title(loc="left") == ""


def test_of_several_candidates_with_one_number_the_best_is_drawn(results, ax):
    table = pd.concat([pd.DataFrame(results), pd.DataFrame(results).assign(mean_test_score=0.3)])
    display = ArchetypeCountDisplay.from_table(table, ax=ax)
    np.testing.assert_allclose(display.scores, [0.3, 0.5, 0.78, 0.8, 0.795])


def test_failed_fits_leave_a_gap(results, ax):
    results["mean_test_score"][1] = np.nan
    display = ArchetypeCountDisplay.from_table(results, ax=ax)
    assert np.isnan(display.scores[1])
    assert display.chosen == 5
    display.figure_.draw_without_rendering()


@pytest.mark.parametrize("n", [1, 5, 40])
def test_few_and_many_numbers(n, ax):
    results = {
        "param_n_archetypes": np.arange(1, n + 1),
        "mean_test_score": np.linspace(0, 0.9, n),
        "std_test_score": np.full(n, 0.01),
    }
    display = ArchetypeCountDisplay.from_table(results, ax=ax)
    display.figure_.draw_without_rendering()
    assert all(float(tick).is_integer() for tick in ax.get_xticks())
    boxes = [label.get_window_extent() for label in ax.get_xticklabels() if label.get_text()]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
    if n == 1:
        assert ax.get_title(loc="left") == "1 archetype chosen"


def test_baseline(results, make_axes, find_difference):
    figure = ArchetypeCountDisplay.from_table(results, ax=make_axes()).figure_
    assert find_difference(figure, "archetype_count") is None


def test_the_comparison_sees_another_choice(results, make_axes, find_difference):
    figure = ArchetypeCountDisplay.from_table(results, chosen=3, ax=make_axes()).figure_
    assert "RMS" in str(find_difference(figure, "archetype_count", may_renew=False))


def test_errors(results, ax):
    with pytest.raises(TypeError, match="estimator is a dict without cv_results_"):
        ArchetypeCountDisplay.from_estimator(results, ax=ax)
    with pytest.raises(
        ValueError, match="param_name='k' is not a parameter of the search; it has: aa__n_arch"
    ):
        ArchetypeCountDisplay.from_table(results, param_name="k", ax=ax)
    twice = {**results, "param_bb__n_archetypes": [1] * 5}
    with pytest.raises(ValueError, match="The search has 2 parameters that end in n_archetypes"):
        ArchetypeCountDisplay.from_table(twice, ax=ax)
    assert ArchetypeCountDisplay.from_table(twice, param_name="aa__n_archetypes", ax=ax).chosen == 5
    with pytest.raises(ValueError, match="The results lack std_test_score"):
        ArchetypeCountDisplay.from_table(
            {name: v for name, v in results.items() if name != "std_test_score"}, chosen=3, ax=ax
        )
    nothing = {**results, "mean_test_score": np.full(5, np.nan)}
    with pytest.raises(ValueError, match="No candidate of the search has a score"):
        ArchetypeCountDisplay.from_table(nothing, ax=ax)
    with pytest.raises(ValueError, match=r"n_archetypes has shape \(2,\) and scores \(3,\)"):
        ArchetypeCountDisplay([2, 3], [0.1, 0.2, 0.3]).plot(ax)


class Foreign:
    """A table of another library: iterating gives its columns, not their names."""

    def __init__(self, table):
        self.table, self.columns, self.shape = table, list(table.columns), table.shape

    def __getitem__(self, name):
        return self.table[name]

    def __iter__(self):
        return iter(self.table[name] for name in self.columns)

    def to_pandas(self):
        return self.table


def test_a_table_of_another_library(results, ax):
    expected = ArchetypeCountDisplay.from_table(results, ax=ax)
    found = ArchetypeCountDisplay.from_table(Foreign(pd.DataFrame(results)), ax=ax)
    assert found.chosen == expected.chosen
    assert found.scores.tolist() == expected.scores.tolist()
