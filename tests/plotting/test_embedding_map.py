import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

from matplotlib.colors import LogNorm, to_hex  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from archetypal_triplet._utils._names import natural_key  # noqa: E402
from archetypal_triplet.datasets import make_screen  # noqa: E402
from archetypal_triplet.plotting import EmbeddingMapDisplay, plot_run_overview  # noqa: E402
from archetypal_triplet.plotting._palette import (  # noqa: E402
    CATEGORY_COLORS,
    CONTROL_COLORS,
    compute_point_style,
    group_categories,
)


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(scope="module")
def table():
    screen = make_screen(1, 2, n_replicates=2, plate_format=96, n_features=30, random_state=0)
    metadata = screen.profiles.filter(like="Metadata_")
    rng = np.random.default_rng(0)
    embedding = rng.standard_normal((len(metadata), 4)) * [4, 2, 1, 0.5]
    shares = rng.dirichlet(np.ones(12), size=len(metadata))
    return pd.concat(
        [
            metadata,
            screen.truth["Truth_Mechanism"],
            pd.DataFrame(embedding).add_prefix("Embedding_"),
            pd.DataFrame(shares).add_prefix("Archetype_"),
        ],
        axis=1,
    ).assign(Pseudolabel=np.where(shares.max(axis=1) > 0.3, shares.argmax(axis=1) % 5, -1))


def get_labels(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def get_points(display):
    return np.vstack([np.asarray(artist.get_offsets()) for artist in display.ax_.collections])


def test_the_plane_is_that_of_the_principal_components(table, ax):
    display = EmbeddingMapDisplay.from_table(table, ax=ax)
    pca = PCA(2).fit(table.filter(like="Embedding_"))
    expected = pca.transform(table.filter(like="Embedding_"))
    np.testing.assert_allclose(np.abs(display.coordinates), np.abs(expected), atol=1e-8)
    assert display.ax_.get_xlabel() == f"PC 1 ({100 * pca.explained_variance_ratio_[0]:.0f} % of variance)"
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert ax.get_aspect() == 1
    # every row is drawn once, at its place
    points = get_points(display)
    np.testing.assert_allclose(np.sort(points, axis=0), np.sort(display.coordinates, axis=0))


def test_control_type_is_the_default_color_and_controls_lie_on_top(table, ax):
    display = EmbeddingMapDisplay.from_table(table, ax=ax)
    assert display.color_name == "Metadata_ControlType"
    assert get_labels(display) == ["negative (32)", "positive (16)", "sample (144)"]
    sample, negative, positive = ax.collections
    assert sample.get_zorder() < negative.get_zorder() < positive.get_zorder()
    assert len(negative.get_offsets()) == 32
    assert to_hex(negative.get_facecolors()[0]).upper() == CONTROL_COLORS["negative"]
    assert len({len(artist.get_paths()[0].vertices) for artist in ax.collections}) == 3  # three markers
    assert all(artist.get_rasterized() for artist in ax.collections)


def test_classes_beyond_the_limit_become_other(table, ax):
    display = EmbeddingMapDisplay.from_table(table, color="archetype", ax=ax)
    labels = get_labels(display)
    names = [label.split(" ")[0] for label in labels]
    assert names[-3:] == ["other", "negative", "positive"]
    assert names[:-3] == sorted(names[:-3], key=natural_key)
    assert len(names[:-3]) == 9
    counts = [int(label.split("(")[1][:-1]) for label in labels[:-2]]
    assert sum(counts) == len(table)
    dominant = table.filter(like="Archetype_").to_numpy().argmax(axis=1)
    assert counts[0] == (dominant == int(names[0].split("_")[1])).sum()
    assert display.legend_.get_title().get_text() == "Dominant archetype"


def test_colors_are_those_of_the_legend(table, ax):
    display = EmbeddingMapDisplay.from_table(table, color="Truth_Mechanism", ax=ax)
    handles = {
        text.get_text().split(" ")[0]: to_hex(line.get_markerfacecolor())
        for text, line in zip(display.legend_.get_texts(), display.legend_.get_lines(), strict=True)
    }
    for artist in ax.collections:
        colors = [to_hex(color) for color in artist.get_facecolors()]
        for place, color in zip(np.asarray(artist.get_offsets()), colors, strict=True):
            row = np.abs(display.coordinates - place).sum(axis=1).argmin()
            assert color == handles[display.color[row]]
    assert len(set(handles.values()) - {"#ffffff"}) == table["Truth_Mechanism"].nunique()


def test_what_only_controls_are_called_takes_no_color(table, ax):
    labels = get_labels(EmbeddingMapDisplay.from_table(table, color="Metadata_Compound", ax=ax))
    assert not any(label.startswith(("DMSO", "PositiveControl")) for label in labels)
    assert labels[-2:] == ["negative (32)", "positive (16)"]


def test_unlabeled_and_missing_values(table, ax):
    labels = get_labels(EmbeddingMapDisplay.from_table(table, color="Pseudolabel", ax=ax))
    assert f"unlabeled ({(table['Pseudolabel'] == -1).sum()})" in labels
    values = table["Truth_Mechanism"].where(table.index > 9)
    labels = get_labels(EmbeddingMapDisplay.from_table(table, color=values, ax=Figure().subplots()))
    assert "missing (10)" in labels


def test_numbers_get_a_color_scale(table, ax):
    display = EmbeddingMapDisplay.from_table(table, color="Metadata_Count_Cells", ax=ax)
    assert display.colorbar_.ax.get_title(loc="left") == "Count_Cells"
    assert get_labels(display) == ["negative (32)", "positive (16)"]
    dose = EmbeddingMapDisplay.from_table(table, color="Metadata_Concentration_uM", ax=Figure().subplots())
    assert isinstance(dose.colorbar_.norm, LogNorm)
    assert dose.colorbar_.norm.vmin == pytest.approx(30 / 3**5, rel=1e-4)
    dose.figure_.draw_without_rendering()


def test_without_legend(table):
    for color in ("archetype", "Metadata_Count_Cells"):
        display = EmbeddingMapDisplay.from_table(table, color=color, ax=Figure().subplots(), legend=False)
        assert display.legend_ is None
        assert display.colorbar_ is None


def test_from_estimator(table, ax):
    features = table.filter(like="Embedding_")
    pipe = make_pipeline(StandardScaler(), PCA(3)).fit(features)
    display = EmbeddingMapDisplay.from_estimator(pipe, features, color=table["Metadata_Batch"], ax=ax)
    expected = PCA(2).fit_transform(pipe.transform(features))
    np.testing.assert_allclose(np.abs(display.coordinates), np.abs(expected), atol=1e-8)
    assert get_labels(display) == [f"Batch1 ({len(table)})"]
    with_columns = StandardScaler().set_output(transform="pandas").fit(features)
    by_name = EmbeddingMapDisplay.from_estimator(
        with_columns, features, color="Embedding_0", ax=Figure().subplots()
    )
    assert by_name.color_name == "Embedding_0"
    plain = EmbeddingMapDisplay.from_estimator(
        PCA(2).fit(features.to_numpy()), features.to_numpy(), ax=Figure().subplots()
    )
    assert plain.legend_ is None


def test_a_figure_of_its_own_and_drawing_twice(table):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    display = EmbeddingMapDisplay.from_table(table)
    assert len(pyplot.get_fignums()) == len(before) + 1
    first = display.figure_
    assert display.plot(Figure().subplots()) is display
    assert display.figure_ is not first
    pyplot.close(first)


@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (50, 1), (3, 2)])
def test_small_embeddings(shape, ax):
    values = np.random.default_rng(0).standard_normal(shape)
    display = EmbeddingMapDisplay.from_table(pd.DataFrame(values).add_prefix("Embedding_"), ax=ax)
    assert display.coordinates.shape == (shape[0], 2)
    display.figure_.draw_without_rendering()


def test_the_table_is_left_as_it_was(table, ax):
    before = table.copy()
    EmbeddingMapDisplay.from_table(table, color="archetype", ax=ax)
    plot_run_overview(table)
    pd.testing.assert_frame_equal(table, before)


def test_overview(table, tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    figure = plot_run_overview(table, path=tmp_path / "map.png")
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["Control type", "Dominant archetype", "Compound"]
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert pyplot.get_fignums() == before
    limits = {(ax.get_xlabel(), ax.get_ylabel()) for ax in figure.axes}
    assert len(limits) == 1
    five = plot_run_overview(table, color=["Truth_Mechanism", "Pseudolabel", "Metadata_Plate"])
    assert len(five.axes) == 5
    bare = plot_run_overview(table.filter(like="Embedding_"))
    assert len(bare.axes) == 1


def test_nothing_overlaps(table):
    figure = plot_run_overview(table, color=["Truth_Mechanism", "Metadata_Count_Cells"])
    figure.draw_without_rendering()
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])
    for ax in figure.axes:
        legend = ax.get_legend().get_window_extent()
        assert not legend.overlaps(ax.get_window_extent())
        assert not any(legend.overlaps(child.get_tightbbox()) for child in ax.child_axes)


def test_points_shrink_as_they_become_more():
    sizes, alphas = zip(*[compute_point_style(n) for n in (0, 200, 2_000, 100_000)], strict=True)
    assert list(sizes) == sorted(sizes, reverse=True)
    assert list(alphas) == sorted(alphas, reverse=True)
    assert sizes[-1] >= 1
    assert alphas[-1] > 0.2


def test_which_categories_are_shown():
    labels = np.repeat(["a", "b", "c", "d"], [5, 2, 2, 2])
    strength = np.repeat([0.0, 1.0, 3.0, 2.0], [5, 2, 2, 2])
    assert group_categories(labels, 4, strength) == ["a", "b", "c", "d"]
    assert group_categories(labels, 3, strength) == ["a", "c"]
    assert group_categories(labels, 4, strength, left_out=["a"]) == ["b", "c", "d"]
    assert sorted(["k10", "k2", "j", "k1b"], key=natural_key) == ["j", "k1b", "k2", "k10"]
    # digits that are no decimal numbers are signs like others
    assert sorted(["k②", "k²", "k10", "k٢"], key=natural_key) == ["k٢", "k10", "k²", "k②"]
    assert len(set(CATEGORY_COLORS)) == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color": "Metadata_Plat"}, "color='Metadata_Plat' is not a column of the table"),
        ({"color": np.zeros(3)}, r"color has shape \(3,\); one value for each of the 192 rows"),
        ({"features": ["Embedding_9"]}, "features='Embedding_9' is not a column of the table"),
        ({"max_categories": 11}, "max_categories=11 is not between 1 and 10"),
    ],
)
def test_errors(table, ax, options, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingMapDisplay.from_table(table, ax=ax, **options)


def test_errors_of_tables(table, ax):
    with pytest.raises(ValueError, match=r"color='archetype' needs Archetype_\* columns"):
        EmbeddingMapDisplay.from_table(table.filter(like="Embedding_"), color="archetype", ax=ax)
    with pytest.raises(ValueError, match=r"neither Embedding_\* columns nor other numbers"):
        EmbeddingMapDisplay.from_table(table.filter(like="Metadata_"), ax=ax)
    holes = table.filter(like="Embedding_").copy()
    holes.iloc[:2, 1] = np.nan
    with pytest.raises(ValueError, match="2 rows of the embedding hold NaN or infinite values"):
        EmbeddingMapDisplay.from_table(holes, ax=ax)
    with pytest.raises(TypeError, match="estimator is a int, which has no transform"):
        EmbeddingMapDisplay.from_estimator(3, table)
    with pytest.raises(ValueError, match="color='a' is a column, but X is an array"):
        EmbeddingMapDisplay.from_estimator(PCA(2).fit(np.eye(3)), np.eye(3), color="a", ax=ax)


def test_baseline(table, make_axes, find_difference):
    figure = EmbeddingMapDisplay.from_table(table, color="Truth_Mechanism", ax=make_axes()).figure_
    assert find_difference(figure, "embedding_map") is None


def test_the_comparison_sees_rows_that_change_places(table, make_axes, find_difference):
    mechanism = np.roll(table["Truth_Mechanism"], 1)
    figure = EmbeddingMapDisplay.from_table(table, color=mechanism, ax=make_axes()).figure_
    assert "RMS" in str(find_difference(figure, "embedding_map", may_renew=False))


def test_what_has_no_place_on_the_scale_is_gray_and_named(table, ax):
    dose = table["Metadata_Concentration_uM"].where(table.index != 5)
    display = EmbeddingMapDisplay.from_table(table, color=dose, ax=ax)
    labels = get_labels(display)
    assert f"zero ({(dose == 0).sum()})" in labels
    assert f"missing ({dose.isna().sum()})" in labels
    outlier = table["Metadata_Count_Cells"].where(table.index != 0, 1e6)
    far = EmbeddingMapDisplay.from_table(table, color=outlier, ax=Figure().subplots())
    assert far.colorbar_.extend == "both"


def test_hostile_names_are_drawn_as_they_are(table, tmp_path):
    names = ["<b>bold</b>", "$\\frac{1}{$", "_hidden", "two\nlines", "x" * 300]
    hostile = table.assign(**{"$n_{$": [names[i % 5] for i in range(len(table))]})
    figure = plot_run_overview(hostile, color="$n_{$", path=tmp_path / "map.svg")
    ax = figure.axes[-1]
    assert ax.get_title(loc="left") == r"\$n_{\$"
    labels = [text.get_text().rpartition(" ")[0] for text in ax.get_legend().get_texts()]
    assert {"<b>bold</b>", r"\$\frac{1}{\$", "_hidden", "two lines"} < set(labels)
    assert max(map(len, labels)) < 30
