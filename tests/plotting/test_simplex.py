import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

from matplotlib.figure import Figure  # noqa: E402

from archetypal_triplet import ArchetypalAnalysis  # noqa: E402
from archetypal_triplet.plotting import SimplexDisplay  # noqa: E402
from archetypal_triplet.plotting._simplex import order_corners, place_corners  # noqa: E402


def make_table(n_archetypes, n_samples=60, seed=0):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(n_archetypes, 0.5), n_samples)
    table = pd.DataFrame(shares).add_prefix("Archetype_")
    kinds = np.array(["sample", "negative", "positive", "sample"])[np.arange(n_samples) % 4]
    return table.assign(Metadata_ControlType=kinds, Metadata_Count=np.arange(n_samples) / 7.0)


@pytest.fixture
def ax():
    return Figure(figsize=(7, 5)).subplots()


def get_names(display):
    return [text.get_text().replace("\n", " ") for text in display.ax_.texts]


@pytest.mark.parametrize("n_archetypes", range(3, 13))
def test_samples_lie_at_the_weighted_mean_of_the_corners(n_archetypes, ax):
    table = make_table(n_archetypes)
    shares = table.filter(like="Archetype_").to_numpy()
    display = SimplexDisplay.from_table(table, ax=ax)
    assert sorted(display.order_) == list(range(n_archetypes))
    np.testing.assert_allclose(np.linalg.norm(display.corners_, axis=1), 1.0)
    for row in range(len(table)):
        place = sum(
            share * display.corners_[list(display.order_).index(k)] for k, share in enumerate(shares[row])
        )
        np.testing.assert_allclose(display.coordinates_[row], place, atol=1e-12)
    assert get_names(display) == [f"Archetype_{k}" for k in display.order_]
    drawn = np.vstack([np.asarray(artist.get_offsets()) for artist in ax.collections])
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(display.coordinates_, axis=0))


def test_a_pure_sample_lies_in_its_corner_and_an_even_mixture_in_the_middle(ax):
    table = pd.DataFrame(np.vstack([np.eye(5), np.full((1, 5), 0.2)])).add_prefix("Archetype_")
    display = SimplexDisplay.from_table(table, ax=ax)
    np.testing.assert_allclose(display.coordinates_[display.order_], display.corners_, atol=1e-12)
    np.testing.assert_allclose(display.coordinates_[5], 0.0, atol=1e-12)


def test_archetypes_that_occur_together_are_neighbors(ax):
    # mixtures of 0 and 3, 3 and 1, 1 and 4, 4 and 2, 2 and 5, 5 and 0
    ring = [0, 3, 1, 4, 2, 5]
    shares = np.zeros((60, 6))
    for i in range(60):
        shares[i, ring[i % 6]], shares[i, ring[(i + 1) % 6]] = 0.6, 0.4
    display = SimplexDisplay.from_table(pd.DataFrame(shares).add_prefix("Archetype_"), ax=ax)
    order = list(display.order_)
    start = order.index(0)
    turned = order[start:] + order[:start]
    assert turned in (ring, [0, *ring[:0:-1]])


@settings(max_examples=25, deadline=None)
@given(st.integers(4, 7), st.integers(0, 1000))
def test_no_reversal_brings_archetypes_closer_that_occur_together(n, seed):
    shares = np.random.default_rng(seed).dirichlet(np.full(n, 0.3), 30)
    together = shares.T @ shares

    def compute_sum(order):
        return sum(together[a, b] for a, b in zip(order, np.roll(order, -1), strict=True))

    order = order_corners(shares)
    assert sorted(order) == list(range(n))
    best = compute_sum(order)
    for i in range(n):
        for j in range(i + 1, n + 1):
            other = np.concatenate([order[:i], order[i:j][::-1], order[j:]])
            assert compute_sum(other) <= best + 1e-9
    assert best >= compute_sum(np.arange(n)) - 1e-9


def test_one_and_two_archetypes(ax):
    display = SimplexDisplay.from_table(make_table(1), ax=ax)
    np.testing.assert_array_equal(display.coordinates_, 0.0)
    assert get_names(display) == ["Archetype_0"]
    table = make_table(2)
    line = SimplexDisplay.from_table(table, ax=Figure().subplots())
    np.testing.assert_allclose(line.coordinates_[:, 0], table["Archetype_1"] - table["Archetype_0"])
    assert get_names(line)[-1] == "height says nothing"
    for shown in (display, line):
        shown.figure_.draw_without_rendering()


def test_of_many_archetypes_those_with_the_largest_shares_are_shown(ax):
    weights = np.random.default_rng(1).permutation(np.linspace(0.1, 3, 20))
    shares = np.random.default_rng(0).dirichlet(weights, 400)
    display = SimplexDisplay.from_table(pd.DataFrame(shares).add_prefix("Archetype_"), ax=ax)
    assert set(display.order_) == set(np.argsort(-shares.mean(axis=0))[:12])
    assert get_names(display)[-1] == "8 archetypes with the smallest shares not shown"
    assert np.linalg.norm(display.coordinates_, axis=1).max() <= 1


def test_rows_without_shares_are_left_out(ax):
    table = make_table(4)
    table.iloc[:3, 1] = np.nan
    display = SimplexDisplay.from_table(table, color="Metadata_Count", ax=ax)
    assert np.isnan(display.coordinates_[:3]).all()
    assert get_names(display)[-1] == "3 samples without shares left out"
    assert sum(len(artist.get_offsets()) for artist in ax.collections) == 57
    every = SimplexDisplay.from_table(table.assign(Archetype_0=np.nan), ax=Figure().subplots())
    every.figure_.draw_without_rendering()
    assert np.isnan(every.coordinates_).all()


def test_shares_that_do_not_add_up_are_pulled_to_the_middle(ax):
    table = make_table(4)
    full = SimplexDisplay.from_table(table, ax=ax)
    halves = SimplexDisplay(full.shares / 2).plot(Figure().subplots())
    np.testing.assert_allclose(halves.coordinates_, full.coordinates_ / 2)


def test_colors_and_markers_are_those_of_the_map(ax):
    display = SimplexDisplay.from_table(make_table(4), ax=ax)
    labels = [text.get_text() for text in display.legend_.get_texts()]
    assert labels == ["negative (15)", "positive (15)", "sample (30)"]
    numbers = SimplexDisplay.from_table(make_table(4), color="Metadata_Count", ax=Figure().subplots())
    assert numbers.colorbar_.ax.get_title(loc="left") == "Count"
    bare = SimplexDisplay.from_table(make_table(4), legend=False, ax=Figure().subplots())
    assert bare.legend_ is None


def test_from_estimator(ax):
    X = np.random.default_rng(0).dirichlet(np.ones(3), 50) @ np.eye(3, 4)
    model = ArchetypalAnalysis(3, random_state=0).fit(X)
    display = SimplexDisplay.from_estimator(model, X, names=["a", "b", "c"], ax=ax)
    np.testing.assert_allclose(display.shares, model.transform(X))
    assert set(get_names(display)) == {"a", "b", "c"}
    with pytest.raises(TypeError, match="estimator is a int, which has no transform"):
        SimplexDisplay.from_estimator(3, X)


@pytest.mark.parametrize("n_archetypes", [3, 8, 12])
@pytest.mark.parametrize("color", [None, "Metadata_Count", "archetype"])
def test_names_lie_apart_from_each_other_and_from_the_legend(n_archetypes, color):
    figure = Figure(figsize=(7, 5.4), layout="constrained")
    display = SimplexDisplay.from_table(
        make_table(n_archetypes),
        color=color,
        names=[f"A phenotype, named {k}" for k in range(n_archetypes)],
        ax=figure.subplots(),
    )
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in display.ax_.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
    beside = [display.legend_.get_window_extent()] if display.legend_ else []
    beside += [display.colorbar_.ax.get_tightbbox()] if display.colorbar_ else []
    assert beside
    assert not any(box.overlaps(other) for box in boxes for other in beside)
    assert all(figure.bbox.padded(1).contains(*box.min) for box in boxes)


def test_hostile_names_are_drawn_as_they_are(ax):
    names = ["<b>", "$\\frac{1}{$", "$x{" * 20, ""]
    display = SimplexDisplay.from_table(make_table(4), names=names, ax=ax)
    display.figure_.draw_without_rendering()
    assert {"<b>", r"\$\frac{1}{\$", ""} < set(get_names(display))


def test_the_table_is_left_as_it_was(ax):
    table = make_table(5)
    before = table.copy()
    SimplexDisplay.from_table(table, color="archetype", ax=ax)
    pd.testing.assert_frame_equal(table, before)


def test_places_of_corners():
    np.testing.assert_allclose(place_corners(4), [[0, 1], [1, 0], [0, -1], [-1, 0]], atol=1e-12)
    np.testing.assert_array_equal(place_corners(1), [[0, 0]])


def test_baseline(make_axes, find_difference):
    figure = SimplexDisplay.from_table(make_table(6, 200), size=30, ax=make_axes()).figure_
    assert find_difference(figure, "simplex") is None


def swap_controls(table):
    swapped = table["Metadata_ControlType"].replace({"negative": "positive", "positive": "negative"})
    return table.assign(Metadata_ControlType=swapped)


def shift_shares(table):
    shares = table.filter(like="Archetype_")
    return table.assign(**{name: np.roll(shares[name], 1) * 0.2 for name in shares})


@pytest.mark.parametrize("change", [swap_controls, shift_shares])
def test_the_comparison_sees_what_changes(make_axes, find_difference, change):
    figure = SimplexDisplay.from_table(change(make_table(6, 200)), size=30, ax=make_axes()).figure_
    assert "RMS" in str(find_difference(figure, "simplex", may_renew=False))


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda t: t - 0.5, {}, r"shares lie between -0.5 and .* are not negative and add up to 1"),
        (lambda t: t * 3, {}, "add up to 3 at most"),
        (lambda t: t[[]], {}, r"shares has shape \(60, 0\); samples x archetypes are needed"),
        (lambda t: t, {"archetypes": ["Archetype_9"]}, "archetypes='Archetype_9' is not a column"),
        (lambda t: t, {"names": ["a"]}, "names has 1 entries for 4 archetypes"),
        (lambda t: t, {"color": "Dose"}, "color='Dose' is not a column of the table"),
        (
            lambda t: t,
            {"max_categories": 0, "color": "archetype"},
            "max_categories=0 is not between 1 and 10",
        ),
    ],
)
def test_errors(ax, change, options, message):
    table = change(make_table(4).filter(like="Archetype_"))
    with pytest.raises(ValueError, match=message):
        SimplexDisplay.from_table(table, ax=ax, **options)


@pytest.mark.parametrize("dtype", ["float64", "Float64"])
def test_a_row_without_shares_has_no_dominant_archetype(dtype, ax):
    table = make_table(4)
    shares = table.filter(like="Archetype_").astype(dtype)
    shares.iloc[2, 0] = None
    table[shares.columns] = shares
    display = SimplexDisplay.from_table(table.assign(**shares), color="archetype", ax=ax)
    assert display.color[2] == "missing"
    assert (display.color == "missing").sum() == 1


def test_one_column_of_shares_is_named_by_itself(ax):
    display = SimplexDisplay.from_table(make_table(3), archetypes="Archetype_1", ax=ax)
    assert display.names == ["Archetype_1"]
