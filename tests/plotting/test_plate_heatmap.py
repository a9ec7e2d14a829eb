import itertools

import numpy as np
import pandas as pd
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

from matplotlib.colors import LogNorm, Normalize, to_hex  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from archetypal_triplet._utils._wells import PLATE_FORMATS, well_name  # noqa: E402
from archetypal_triplet.datasets import make_screen  # noqa: E402
from archetypal_triplet.plotting import PlateHeatmapDisplay  # noqa: E402
from archetypal_triplet.plotting._palette import CONTROL_COLORS  # noqa: E402
from archetypal_triplet.qc import compute_position_effects  # noqa: E402


def make_plate(n_wells=96, plate="P1"):
    """A plate on which the number rises along the rows, with controls in the first and last column."""
    n_rows, n_columns = PLATE_FORMATS[n_wells]
    rows, columns = np.indices((n_rows, n_columns)).reshape(2, -1)
    kinds = np.where(columns == 0, "negative", np.where(columns == n_columns - 1, "positive", "sample"))
    kinds = kinds.astype(object)
    kinds[(columns == 1) & (rows < 2)] = "untreated"
    return pd.DataFrame(
        {
            "Metadata_Plate": plate,
            "Metadata_Well": [well_name(*place) for place in zip(rows, columns, strict=True)],
            "Metadata_ControlType": kinds,
            "Metadata_Compound": np.where(kinds == "sample", [f"C{r % 3}" for r in rows], "DMSO"),
            "Archetype_0": rows + columns / 100.0,
        }
    )


@pytest.fixture
def table():
    return make_plate()


@pytest.fixture
def ax():
    return Figure(figsize=(6, 4)).subplots()


def get_labels(legend):
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize("n_wells", PLATE_FORMATS)
def test_every_well_lies_where_its_name_says_in_all_formats(n_wells, ax):
    table = make_plate(n_wells).sample(frac=1.0, random_state=0)
    display = PlateHeatmapDisplay.from_table(table, "Archetype_0", ax=ax)
    assert display.values.shape == PLATE_FORMATS[n_wells]
    for row, column in np.ndindex(display.values.shape):
        well = table[table["Metadata_Well"] == well_name(row, column)]
        assert display.values[row, column] == well["Archetype_0"].item()
    # row A is at the top, column 1 at the left
    assert ax.yaxis_inverted()
    assert not ax.xaxis_inverted()
    drawn = ax.collections[0].get_array()
    np.testing.assert_array_equal(np.asarray(drawn).ravel(), display.values.ravel())
    assert (ax.get_yticklabels()[0].get_text(), ax.get_xticklabels()[0].get_text()) == ("A", "1")
    assert display.is_measured.all()
    display.figure_.draw_without_rendering()


@pytest.mark.parametrize("n_wells", [6, 96, 1536])
@pytest.mark.parametrize("figsize", [(7.0, 4.8), (2.5, 1.8)])
def test_labels_of_rows_and_columns_do_not_touch(n_wells, figsize):
    ax = Figure(figsize=figsize, layout="constrained").subplots()
    display = PlateHeatmapDisplay.from_table(make_plate(n_wells), "Archetype_0", ax=ax)
    display.figure_.draw_without_rendering()
    for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
        boxes = [label.get_window_extent() for label in labels]
        assert len(boxes) >= 2
        assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))


def test_rows_of_a_well_are_averaged_and_plates_count_once():
    first = make_plate(6, "P1").assign(Archetype_0=1.0)
    second = pd.concat([make_plate(6, "P2").assign(Archetype_0=value) for value in (2.0, 4.0)])
    both = pd.concat([first, second])
    one = PlateHeatmapDisplay.from_table(both, "Archetype_0", plate="P2", ax=Figure().subplots())
    assert (one.values == 3.0).all()
    assert one.ax_.get_title(loc="left") == "Plate P2"
    mean = PlateHeatmapDisplay.from_table(both, "Archetype_0", ax=Figure().subplots())
    assert (mean.values == 2.0).all()
    assert mean.ax_.get_title(loc="left") == "Mean of 2 plates"
    most = PlateHeatmapDisplay.from_table(
        both.assign(Kind=np.repeat(["a", "b"], [12, 6])), "Kind", ax=Figure().subplots()
    )
    assert (most.values == "a").all()
    assert most.ax_.get_title(loc="left") == "Most frequent on 2 plates"


def test_controls_are_framed_and_carry_their_marker(table, ax):
    display = PlateHeatmapDisplay.from_table(table, "Archetype_0", ax=ax)
    assert get_labels(display.markers_legend_) == ["negative (8)", "positive (8)", "untreated (2)"]
    markers = [artist for artist in ax.collections[1:] if len(artist.get_offsets()) > 1]
    assert [len(artist.get_offsets()) for artist in markers] == [8, 8, 2]
    assert len({len(artist.get_paths()[0].vertices) for artist in markers[:2]}) == 2  # square, triangle
    np.testing.assert_array_equal(markers[1].get_offsets(), [(11, row) for row in range(8)])
    # a frame in white below one in black stands out from dark and bright wells
    assert [to_hex(patch.get_edgecolor()) for patch in ax.patches] == ["#ffffff", "#000000"] * 3
    assert not any(patch.get_fill() for patch in ax.patches)
    inside = ax.patches[0].get_path().vertices
    assert np.abs(inside[:, 0]).max() < 0.5


def test_a_screen_without_controls(table, ax):
    display = PlateHeatmapDisplay.from_table(table.drop(columns="Metadata_ControlType"), "Archetype_0", ax=ax)
    assert display.control_type is None
    assert display.markers_legend_ is None
    assert not ax.patches
    none = PlateHeatmapDisplay.from_table(
        table.assign(Metadata_ControlType=None), "Archetype_0", ax=Figure().subplots()
    )
    assert none.markers_legend_ is None
    off = PlateHeatmapDisplay.from_table(table, "Archetype_0", control_column=None, ax=Figure().subplots())
    assert not off.ax_.patches


def test_wells_that_are_not_there_and_wells_without_a_value(table, ax):
    table.loc[[30, 31, 32], "Archetype_0"] = [np.nan, np.inf, -np.inf]
    display = PlateHeatmapDisplay.from_table(table.drop(index=[40, 41]), "Archetype_0", ax=ax)
    assert get_labels(display.markers_legend_)[-2:] == ["no value (3)", "not measured (2)"]
    hatched = [patch for patch in ax.patches if patch.get_hatch()]
    assert len(hatched) == 1
    corners = hatched[0].get_path().vertices
    assert {tuple(place) for place in np.unique(np.floor(corners + 0.5), axis=0)} >= {(4, 3), (5, 3)}
    assert not display.is_measured[3, 4]
    assert np.isnan(display.values[[2, 2, 2, 3], [6, 7, 8, 4]]).all()


def test_a_column_without_any_value_has_no_color_scale(table, ax):
    display = PlateHeatmapDisplay.from_table(table.assign(Archetype_0=np.nan), "Archetype_0", ax=ax)
    assert display.colorbar_ is None
    assert "no value (96)" in get_labels(display.markers_legend_)
    assert ax.get_title(loc="left") == "Plate P1: Archetype_0"


def test_text_is_drawn_in_classes(table, ax):
    display = PlateHeatmapDisplay.from_table(table, "Metadata_Compound", ax=ax)
    assert display.colorbar_ is None
    assert get_labels(display.legend_) == ["C0 (29)", "C1 (29)", "C2 (20)"]  # of DMSO the markers speak
    assert display.legend_.get_title().get_text() == "Compound"
    assert get_labels(display.markers_legend_) == ["negative (8)", "positive (8)", "untreated (2)"]
    colors = np.asarray(ax.collections[0].get_array())
    handles = dict(
        zip(
            [label[:2] for label in get_labels(display.legend_)],
            [to_hex(line.get_markerfacecolor()) for line in display.legend_.get_lines()],
            strict=True,
        )
    )
    assert to_hex(colors[4, 5]) == handles["C1"]
    assert to_hex(colors[5, 0]) == "#ffffff"


def test_control_types_have_the_colors_of_the_map(table, ax):
    display = PlateHeatmapDisplay.from_table(table, "Metadata_ControlType", ax=ax)
    colors = np.asarray(ax.collections[0].get_array())
    assert to_hex(colors[3, 0]).upper() == CONTROL_COLORS["negative"]
    assert to_hex(colors[3, 11]).upper() == CONTROL_COLORS["positive"]
    assert get_labels(display.legend_)[-1] == "sample (78)"


@pytest.mark.parametrize(
    "values",
    [
        np.arange(96) % 4,
        pd.array([None if i % 5 == 0 else i % 4 for i in range(96)], dtype="Int64"),
        np.arange(96) % 2 == 0,
        pd.Categorical(np.arange(96) % 3),
        np.where(np.arange(96) % 7 == 0, None, "a"),
    ],
)
def test_few_whole_numbers_and_other_classes(table, ax, values):
    display = PlateHeatmapDisplay.from_table(table.assign(Value=values), "Value", ax=ax)
    assert display.colorbar_ is None
    assert display.legend_ is not None
    n_missing = pd.isna(np.asarray(values, dtype=object)).sum()
    assert (f"no value ({n_missing})" in get_labels(display.markers_legend_)) == bool(n_missing)


def test_many_classes_become_other_and_controls_with_many_names_stay_quiet(table, ax):
    table["Metadata_Compound"] = [f"C{i}" for i in range(96)]
    display = PlateHeatmapDisplay.from_table(table, "Metadata_Compound", ax=ax)
    labels = get_labels(display.legend_)
    assert len(labels) == 10
    assert labels[-1] == "other (69)"


def test_concentrations_are_spread_by_their_logarithm(table, ax):
    table["Metadata_Concentration"] = np.where(table.index < 12, 0.0, 2.0 ** (table.index % 12))
    display = PlateHeatmapDisplay.from_table(table, "Metadata_Concentration", ax=ax)
    assert isinstance(display.colorbar_.norm, LogNorm)
    labels = get_labels(display.markers_legend_)
    assert "zero (12)" in labels
    assert not any(label.startswith("no value") for label in labels)


def test_one_scale_for_many_plates(table):
    norm = Normalize(0.0, 3.0)
    display = PlateHeatmapDisplay.from_table(
        table, "Archetype_0", norm=norm, cmap="magma", ax=Figure().subplots()
    )
    assert display.colorbar_.norm is norm
    assert display.colorbar_.extend == "max"
    assert display.colorbar_.cmap.name == "magma"
    assert display.colorbar_.ax.get_ylabel() == "Archetype_0"
    inside = PlateHeatmapDisplay.from_table(
        table, "Archetype_0", norm=Normalize(-1, 9), ax=Figure().subplots()
    )
    assert inside.colorbar_.extend == "neither"


def test_the_format_is_that_of_the_whole_table_or_the_one_asked_for(table):
    table = pd.concat([table, make_plate(384, "P2").iloc[:30]])
    display = PlateHeatmapDisplay.from_table(table, "Archetype_0", plate="P1", ax=Figure().subplots())
    assert display.values.shape == (16, 24)
    asked = PlateHeatmapDisplay.from_table(
        make_plate(6), "Archetype_0", plate_format=1536, ax=Figure().subplots()
    )
    assert asked.values.shape == (32, 48)
    assert asked.is_measured.sum() == 6


def test_effects_are_written_where_they_are(table, ax):
    PlateHeatmapDisplay.from_table(
        table, "Archetype_0", effects={"row": 0.0004, "column": 0.05, "edge": 0.012}, ax=ax
    )
    assert ax.get_ylabel() == "Row effect, p < 0.001"
    assert ax.get_xlabel() == "Edge effect, p = 0.012"  # and none of columns: not below 0.05
    assert ax.get_title(loc="left") == "Plate P1"
    dashed = [patch for patch in ax.patches if patch.get_linestyle() not in ("-", "solid")]
    assert [(p.get_x(), p.get_y(), p.get_width(), p.get_height()) for p in dashed] == [(0.5, 0.5, 10, 6)]
    plain = PlateHeatmapDisplay.from_table(table, "Archetype_0", ax=Figure().subplots())
    assert plain.ax_.get_ylabel() == ""
    for width, between in [(9.0, "; "), (3.0, "\n")]:
        both = PlateHeatmapDisplay.from_table(
            table,
            "Archetype_0",
            effects={"column": 0.03, "edge": 0.012},
            ax=Figure(figsize=(width, 6)).subplots(),
        )
        assert both.ax_.get_xlabel() == f"Column effect, p = 0.03{between}Edge effect, p = 0.012"


def test_effects_of_the_plate_and_column_are_taken_from_the_table_of_all():
    profiles = make_screen(1, 2, n_replicates=2, plate_format=96, random_state=0).profiles
    rng = np.random.default_rng(0)
    wells = profiles.filter(like="Metadata_").assign(Calm=rng.normal(size=192), Steep=rng.normal(size=192))
    is_first = wells["Metadata_Plate"] == "Plate01"
    rows = wells["Metadata_Well"].str[0].map(ord)
    wells.loc[is_first, "Steep"] += rows[is_first]
    effects = compute_position_effects(
        wells, features=["Calm", "Steep"], by_column=True, n_permutations=99, random_state=0
    )

    def get_row_effect(column, plate):
        display = PlateHeatmapDisplay.from_table(
            wells, column, plate=plate, effects=effects, ax=Figure().subplots()
        )
        return display.ax_.get_ylabel()

    assert get_row_effect("Steep", "Plate01") == "Row effect, p = 0.01"
    assert get_row_effect("Steep", "Plate02") == ""
    assert get_row_effect("Calm", "Plate01") == ""
    assert get_row_effect("Steep", None) == "Row effect, p = 0.01"
    # one test of all columns at once concerns each of them
    together = effects[effects["column"] == "Steep"].assign(column=["x", "y"] * 4 + ["z"])
    display = PlateHeatmapDisplay.from_table(
        wells, "Calm", plate="Plate01", effects=together, ax=Figure().subplots()
    )
    assert display.ax_.get_ylabel() == "Row effect, p = 0.01"


@pytest.mark.parametrize("layout", [None, "constrained"])
def test_nothing_lies_upon_the_plate_or_outside_of_the_figure(table, layout):
    figure = Figure(figsize=(12, 8), layout=layout)
    axes = figure.subplots(2, 2).ravel()
    table["Metadata_Plate"] = "A very long name of a plate " * 5
    effects = {"row": 0.001, "column": 0.001, "edge": 0.001}
    columns = ["Archetype_0", "Metadata_Compound", "Metadata_ControlType", "Archetype_0"]
    displays = [
        PlateHeatmapDisplay.from_table(table, column, effects=effects, ax=ax)
        for ax, column in zip(axes, columns, strict=True)
    ]
    figure.draw_without_rendering()
    for display in displays:
        plate = display.ax_.get_window_extent()
        assert not display.markers_legend_.get_window_extent().overlaps(plate)
        if display.legend_ is not None:
            classes = display.legend_.get_window_extent()
            assert not classes.overlaps(plate)
            assert not classes.overlaps(display.markers_legend_.get_window_extent())
    if layout == "constrained":
        boxes = [display.ax_.get_tightbbox() for display in displays]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
        assert all(figure.bbox.padded(1).contains(*box.min) for box in boxes)
        assert all(figure.bbox.padded(1).contains(*box.max) for box in boxes)


HOSTILE = [
    "<script>alert(1)</script>",
    "$\\frac{1}{$",
    "_hidden",
    'say "no"',
    "two\nlines\t",
    "x" * 300,
    "größe Ω",
]


def test_hostile_names_are_drawn_as_they_are(table, ax):
    table["Metadata_Compound"] = [HOSTILE[i % 7] for i in range(96)]
    table["Metadata_Plate"] = "$P$ <b>_"
    display = PlateHeatmapDisplay.from_table(
        table.rename(columns={"Metadata_Compound": "$n_{$"}), "$n_{$", control_column=None, ax=ax
    )
    ax.figure.savefig("/dev/null", format="svg")
    labels = [label.rpartition(" ")[0] for label in get_labels(display.legend_)]
    assert set(labels) >= {"<script>alert(1)</script>", "_hidden", 'say "no"', "two lines", "größe Ω"}
    assert r"\$\frac{1}{\$" in labels
    assert all(len(label) <= 30 for label in labels)


def test_the_table_is_left_as_it_was(table, ax):
    before = table.copy()
    PlateHeatmapDisplay.from_table(table, "Archetype_0", ax=ax)
    pd.testing.assert_frame_equal(table, before)


def test_a_table_without_plates_is_one_plate(table, ax):
    display = PlateHeatmapDisplay.from_table(table.drop(columns="Metadata_Plate"), "Archetype_0", ax=ax)
    assert ax.get_title(loc="left") == "Plate"
    assert display.values.shape == (8, 12)


def test_a_figure_of_its_own_and_drawing_twice(table):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    display = PlateHeatmapDisplay.from_table(table, "Archetype_0")
    first = display.figure_
    assert first.number in pyplot.get_fignums()
    pyplot.close(first)
    assert display.plot(Figure().subplots(), legend=False) is display
    assert display.figure_ is not first
    assert display.colorbar_ is None
    assert display.markers_legend_ is None


def test_large_plates_are_drawn_as_pixels(ax, tmp_path):
    PlateHeatmapDisplay.from_table(make_plate(1536), "Archetype_0", ax=ax)
    ax.figure.savefig(tmp_path / "plate.svg")
    assert (tmp_path / "plate.svg").stat().st_size < 250_000


def test_a_real_plate_shows_its_doses_and_mirrored_controls(data_folder, ax):
    plate_map = pd.read_csv(data_folder / "bbbc013_translocation" / "plate.csv")
    display = PlateHeatmapDisplay.from_table(
        plate_map,
        "dose_rank",
        plate_column="plate",
        well_column="well",
        control_column="control_type",
        ax=ax,
    )
    assert ax.get_title(loc="left") == "Plate BBBC013_1049"
    # both compounds rise from the left to the right; the positive controls lie right above, left below
    np.testing.assert_array_equal(display.values[:, 2:11], np.tile(np.arange(1, 10), (8, 1)))
    positive = np.argwhere(display.control_type == "positive")
    np.testing.assert_array_equal(positive, [(row, 11 if row < 4 else 0) for row in range(8)])
    labels = get_labels(display.markers_legend_)
    assert labels == ["negative (12)", "positive (8)", "untreated (4)"]


def draw_for_baseline(make_axes, table, column="Archetype_0"):
    table = table.drop(index=[40, 41, 52])
    table.loc[[70, 71], "Archetype_0"] = np.nan
    return PlateHeatmapDisplay.from_table(
        table, column, effects={"row": 0.001, "edge": 0.01}, ax=make_axes()
    ).figure_


def test_baseline_of_numbers(table, make_axes, find_difference):
    assert find_difference(draw_for_baseline(make_axes, table), "plate_numbers") is None


def test_baseline_of_classes(table, make_axes, find_difference):
    figure = draw_for_baseline(make_axes, table, "Metadata_Compound")
    assert find_difference(figure, "plate_classes") is None


def test_baseline_of_a_large_plate(make_axes, find_difference):
    figure = PlateHeatmapDisplay.from_table(make_plate(384), "Archetype_0", ax=make_axes(5.0, 3.2)).figure_
    assert find_difference(figure, "plate_384") is None


def swap_rows(table):
    first = table["Metadata_Well"].str[0]
    other = first.replace({"C": "D", "D": "C"})
    return table.assign(Metadata_Well=other + table["Metadata_Well"].str[1:])


def swap_controls(table):
    swapped = table["Metadata_ControlType"].replace({"negative": "positive", "positive": "negative"})
    return table.assign(Metadata_ControlType=swapped)


@pytest.mark.parametrize("change", [swap_rows, swap_controls, lambda table: table.drop(index=60)])
def test_the_comparison_sees_what_changes(table, make_axes, find_difference, change):
    figure = draw_for_baseline(make_axes, change(table))
    assert "RMS" in str(find_difference(figure, "plate_numbers", may_renew=False))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"column": "Archetype_9"}, "column='Archetype_9' is not a column of the table"),
        ({"plate": "P7"}, "plate='P7' is not a plate of the table. Plates to choose from: P1"),
        ({"plate_column": "Plate"}, "plate_column='Plate' is not a column of the table"),
        ({"well_column": "Well"}, "well_column='Well' is not a column of the table"),
        ({"control_column": "Kind"}, "control_column='Kind' is not a column of the table"),
        ({"plate_format": 100}, "plate_format=100 is none of the plates that there are: 6, 12, 24, 48, 96"),
        ({"plate_format": 24}, "plate_format=24 has 4 rows and 6 columns, but the table has wells up to H12"),
        ({"effects": {"corner": 0.1}}, "effects names 'corner'; allowed are row, column, edge"),
        ({"effects": pd.DataFrame({"p": [1]})}, "5 names in effects are not columns of the table"),
    ],
)
def test_errors(table, ax, options, message):
    options = {"column": "Archetype_0", **options}
    with pytest.raises(ValueError, match=message):
        PlateHeatmapDisplay.from_table(table, ax=ax, **options)


def test_errors_of_tables(table, ax):
    with pytest.raises(ValueError, match="The table has no rows: there is no plate to draw"):
        PlateHeatmapDisplay.from_table(table.iloc[:0], "Archetype_0", ax=ax)
    table.loc[3, "Metadata_Well"] = None
    with pytest.raises(ValueError, match="1 row of 96 have no value in 'Metadata_Well'"):
        PlateHeatmapDisplay.from_table(table, "Archetype_0", ax=ax)
    table.loc[3, "Metadata_Well"] = "Z99x"
    with pytest.raises(ValueError, match="'Z99x' is not the name of a well"):
        PlateHeatmapDisplay.from_table(table, "Archetype_0", ax=ax)
    with pytest.raises(ValueError, match=r"values has shape \(3,\); rows x columns"):
        PlateHeatmapDisplay(np.zeros(3)).plot(ax)
    kinds = pd.DataFrame(
        {
            "wells": ["all", "negative"], "scope": "plate", "plate": "P1", "effect": "row", "column": "x",
            "p_value": 0.1,
        }
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"rows of several kinds of wells \(all, negative\)"):
        PlateHeatmapDisplay.from_table(make_plate(), "Archetype_0", effects=kinds, ax=ax)


def test_a_grid_of_the_users_settings_is_not_drawn_through_the_wells(table, ax):
    ax.grid(True)
    PlateHeatmapDisplay.from_table(table, "Archetype_0", ax=ax)
    lines = [*ax.get_xgridlines(), *ax.get_ygridlines()]
    assert lines
    assert not any(line.get_visible() for line in lines)


def test_effects_that_were_not_tested_may_be_none(table, ax):
    effects = {"row": None, "column": np.nan, "edge": 0.01}
    assert PlateHeatmapDisplay.from_table(table, "Archetype_0", effects=effects, ax=ax).effects == {
        "edge": 0.01
    }
