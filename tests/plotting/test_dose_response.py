import numpy as np
import pandas as pd
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

from matplotlib.colors import to_hex  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from archetypal_triplet.plotting import DoseResponseDisplay  # noqa: E402
from archetypal_triplet.plotting._dose_axis import describe_ec50, format_number  # noqa: E402
from archetypal_triplet.plotting._palette import CONTROL_COLORS  # noqa: E402
from archetypal_triplet.screens import compute_dose_response  # noqa: E402

NEGATIVE = "Metadata_ControlType == 'negative'"
OPTIONS = {"controls": NEGATIVE, "unit": "nM"}


@pytest.fixture
def ax():
    return Figure(figsize=(5, 4)).subplots()


@pytest.fixture
def table():
    """A compound with an EC50 of 20 nM and one outlier, one that does nothing, and vehicle wells."""
    rng = np.random.default_rng(0)
    doses = np.repeat(2.0 ** np.arange(9), 3)
    rising = 1 / (1 + (20.0 / doses) ** 2) + 0.03 * rng.standard_normal(27)
    rising[13] = 1.3
    idle = np.tile([-0.03, 0.0, 0.03], 9)
    frames = [
        pd.DataFrame({"Metadata_Compound": name, "Metadata_Concentration": doses, "Archetype_2": values})
        for name, values in (("active", rising), ("idle", idle))
    ]
    vehicle = pd.DataFrame({"Archetype_2": 0.03 * rng.standard_normal(12)})
    frames = [frame.assign(Metadata_ControlType="sample") for frame in frames]
    frames.append(
        vehicle.assign(Metadata_Compound="DMSO", Metadata_Concentration=0.0, Metadata_ControlType="negative")
    )
    table = pd.concat(frames, ignore_index=True)
    return table.assign(Metadata_Plate=np.where(np.arange(len(table)) % 3, "P1", "P2"))


def draw(table, ax, **options):
    options = {"compound": "active", **OPTIONS} | options
    return DoseResponseDisplay.from_table(table, "Archetype_2", ax=ax, **options)


def get_title(display):
    return display.ax_.get_title(loc="left")


def test_wells_outliers_and_vehicle_are_drawn_where_they_are(table, ax):
    display = draw(table, ax)
    own = table[table["Metadata_Compound"] == "active"]
    wells, outliers, vehicle = ax.collections[:3]
    points = np.vstack([wells.get_offsets(), outliers.get_offsets()])
    expected = own[["Metadata_Concentration", "Archetype_2"]].to_numpy()
    np.testing.assert_allclose(np.sort(points, axis=0), np.sort(expected, axis=0))
    np.testing.assert_allclose(outliers.get_offsets(), [[16.0, 1.3]])
    assert len(outliers.get_facecolors()) == 0  # hollow
    values = table.loc[table["Metadata_Compound"] == "DMSO", "Archetype_2"]
    np.testing.assert_allclose(vehicle.get_offsets()[:, 1], values)
    assert (vehicle.get_offsets()[:, 0] < 1.0).all()
    assert to_hex(vehicle.get_facecolors()[0]).upper() == CONTROL_COLORS["negative"]
    # everything lies within the axes
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    assert (left < vehicle.get_offsets()[:, 0]).all()
    assert right > 256
    assert low < points[:, 1].min()
    assert high > points[:, 1].max()
    assert [text.get_text() for text in display.legend_.get_texts()] == [
        "well (26)",
        "set aside (1)",
        "vehicle (12)",
    ]
    assert display.figure_ is ax.figure


def test_the_curve_and_the_ec50_are_those_of_the_table(table, ax):
    display = draw(table, ax)
    row = compute_dose_response(table, "Archetype_2", **OPTIONS).iloc[0]
    assert display.parameters == row.to_dict()
    line = next(line for line in ax.lines if len(line.get_xdata()) > 100)
    doses, values = line.get_data()
    expected = row["bottom"] + (row["top"] - row["bottom"]) / (1 + (row["ec50"] / doses) ** row["hill"])
    np.testing.assert_allclose(values, expected, rtol=1e-9)
    assert (doses[0], doses[-1]) == (pytest.approx(1), pytest.approx(256))
    assert any(np.allclose(line.get_xdata(), row["ec50"]) for line in ax.lines)
    assert get_title(display).split("\n") == [
        "active",
        f"EC50 {row['ec50']:.1f} nM (95 %: {row['ec50_low']:.1f} to {row['ec50_high']:.1f})",
    ]
    assert ax.get_xlabel() == "Concentration (nM)"
    assert ax.get_ylabel() == "Archetype_2"
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == ["0", "1", "10", "100"]


def test_the_band_holds_the_true_curve(table):
    held = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        doses = table["Metadata_Concentration"].iloc[:27].to_numpy()
        wells = table.iloc[:27].assign(
            Archetype_2=1 / (1 + (20.0 / doses) ** 2) + 0.1 * rng.standard_normal(27)
        )
        at, _, low, high = draw(wells, Figure().subplots(), controls=None).curve
        truth = 1 / (1 + (20.0 / at) ** 2)
        held.append(((low <= truth) & (truth <= high)).mean())
    assert 0.85 < np.mean(held) <= 1.0


def test_the_band_is_narrow_at_the_doses_and_wide_where_the_slope_is_open():
    rng = np.random.default_rng(0)
    doses = np.repeat(2.0 ** np.arange(9), 8)
    rising = 1 / (1 + (20.0 / doses) ** 1.5) + 0.02 * rng.standard_normal(len(doses))
    wells = pd.DataFrame({"Metadata_Compound": "a", "Metadata_Concentration": doses, "y": rising})
    display = DoseResponseDisplay.from_table(wells, "y", compound="a", ax=Figure().subplots())
    (at, curve, low, high), row = display.curve, display.parameters
    # at the highest dose hardly anything but the top is unknown
    assert (low < curve).all()
    assert (curve < high).all()
    half = (row["top_high"] - row["top_low"]) / 2
    assert 0.4 * half < (high - low)[-1] / 2 < half
    # from one dose to the next all or nothing: any steep slope will do
    doses = np.repeat(3.0 ** np.arange(9), 8)
    wells = wells.assign(
        Metadata_Concentration=doses, y=(doses > 50) + 0.05 * rng.standard_normal(len(doses))
    )
    at, _, low, high = DoseResponseDisplay.from_table(wells, "y", compound="a", ax=Figure().subplots()).curve
    between = (at > 27.1) & (at < 80.9)
    assert low.min() > -0.2
    assert high.max() < 1.2
    assert (high - low)[between].max() > 0.7
    assert (high - low)[at < 15].max() < 0.1


def test_a_compound_without_ec50_shows_its_wells_and_the_reason(table, ax):
    display = draw(table, ax, compound="idle")
    assert display.curve is None
    assert "No EC50: no response (p = " in get_title(display)
    assert len(ax.collections[0].get_offsets()) == 27
    assert not any(len(line.get_xdata()) > 100 for line in ax.lines)
    few = table[(table["Metadata_Compound"] != "idle") | (table["Metadata_Concentration"] == 2)]
    display = draw(few, Figure().subplots(), compound="idle")
    assert get_title(display).endswith("No EC50: 1 concentration; 4 are needed")


def test_vehicle_wells_of_other_plates_are_not_drawn(table):
    on_one = table[(table["Metadata_Plate"] == "P1") | (table["Metadata_Compound"] == "DMSO")]
    display = draw(on_one, Figure().subplots(), plate="Metadata_Plate")
    assert len(display.vehicle) == 8
    assert display.parameters["n_vehicle"] == 8
    row = compute_dose_response(on_one, "Archetype_2", plate="Metadata_Plate", **OPTIONS).iloc[0]
    assert display.parameters["ec50"] == row["ec50"]
    assert len(draw(on_one, Figure().subplots()).vehicle) == 12


@pytest.mark.parametrize("order", [("active", "idle"), ("idle", "active")])
def test_panels_that_share_an_axis_show_all_wells(table, order):
    axes = Figure().subplots(1, 2, sharey=True)
    for ax, compound in zip(axes, order, strict=True):
        draw(table, ax, compound=compound)
    low, high = axes[0].get_ylim()
    assert low < table["Archetype_2"].min()
    assert high > table["Archetype_2"].max()
    assert high < 2


def test_no_vehicle_no_zero(table, ax):
    display = draw(table, ax, controls=None, legend=False)
    assert display.legend_ is None
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "10", "100"]
    assert ax.get_xlim()[0] > 0.5


def test_names_are_drawn_as_they_are(table, ax):
    name = "$\\frac{1}$ <b>α</b> & 'x'"
    table["Metadata_Compound"] = table["Metadata_Compound"].replace("active", name)
    table = table.rename(columns={"Archetype_2": "$y_1$"})
    display = DoseResponseDisplay.from_table(table, "$y_1$", compound=name, ax=ax, **OPTIONS)
    assert get_title(display).replace("\\$", "$").startswith(name)
    assert ax.get_ylabel() == r"\$y_1\$"
    display.figure_.savefig("/dev/null", format="png")  # a formula would not parse


def test_compounds_named_by_several_columns(table, ax):
    table["Metadata_Batch"] = 7
    by = ["Metadata_Batch", "Metadata_Compound"]
    display = draw(table, ax, by=by, compound=(7, "active"))
    assert get_title(display).startswith("7 active\nEC50")
    with pytest.raises(ValueError, match=r"compound='active' has 1 value for 2 columns in by"):
        draw(table, ax, by=by)


@pytest.mark.parametrize("doses", [[3.0] * 4, [1e-9, 1e-9, 1e-2], [1.0, 1.1, 1.2]])
def test_any_doses_have_ticks(doses, ax):
    table = pd.DataFrame({"Metadata_Compound": "a", "Metadata_Concentration": doses, "y": 1.0})
    DoseResponseDisplay.from_table(table, "y", compound="a", ax=ax)
    ticks = ax.get_xticks()
    assert 1 <= len(ticks) <= 9
    assert ax.get_xlim()[0] < min(doses)
    assert max(doses) < ax.get_xlim()[1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01234, "0.0123"),
        (6.8845, "6.88"),
        (1234.5, "1,234"),
        (1.5e-9, "1.5e-09"),
        (np.inf, "inf"),
        (0, "0"),
    ],
)
def test_numbers_are_short(value, text):
    assert format_number(value) == text


def test_open_intervals_are_said():
    known = {"ec50": 5.0, "ec50_low": 0.0, "ec50_high": 9.0, "unit": "uM", "reason": ""}
    assert describe_ec50(known, 0.95) == "EC50 5.00 uM (95 %: up to 9.00)"
    known |= {"ec50_low": 2.0, "ec50_high": np.inf, "unit": ""}
    assert describe_ec50(known, 0.9) == "EC50 5.00 (90 %: from 2.00, not bounded above)"
    reason = "the EC50 lies above the highest concentration"
    assert describe_ec50({"reason": reason}, 0.9) == f"No EC50: {reason}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"compound": "active2"},
            r"compound='active2' does not occur in .*\. Did you mean 'active'\?",
        ),
        ({"compound": "zzz"}, r"compound='zzz' does not occur in .*\. There are active, idle"),
        ({"compound": "DMSO"}, "compound='DMSO' has no well with a concentration above 0"),
        ({"by": "Compound"}, "by='Compound' is not a column"),
    ],
)
def test_errors(table, ax, options, message):
    with pytest.raises(ValueError, match=message):
        draw(table, ax, **options)


def test_errors_of_the_constructor(ax):
    with pytest.raises(ValueError, match=r"doses has shape \(2,\) and responses \(3,\); one response for"):
        DoseResponseDisplay([1, 2], [1, 2, 3]).plot(ax)
    with pytest.raises(ValueError, match=r"doses holds 1 values that are not above 0\. Pass wells at dose 0"):
        DoseResponseDisplay([0, 2], [1, 2]).plot(ax)
    display = DoseResponseDisplay([1, 2], [1, 2]).plot(ax)
    assert get_title(display) == ""
    assert ax.get_xlabel() == "Concentration"


def test_a_new_figure_is_made_where_none_is_given(table):
    display = draw(table, None)
    assert len(display.figure_.axes) == 1
    matplotlib.pyplot.close(display.figure_)


# --- figures that were looked at


def draw_for_baseline(make_axes, table, **options):
    return draw(table, make_axes(), **options).figure_


def test_baseline_of_a_curve(table, make_axes, find_difference):
    assert find_difference(draw_for_baseline(make_axes, table), "dose_response") is None


def test_baseline_without_ec50(table, make_axes, find_difference):
    assert find_difference(draw_for_baseline(make_axes, table, compound="idle"), "dose_response_none") is None


@pytest.mark.parametrize("change", ["ec50", "outlier", "vehicle"])
def test_a_real_change_differs_from_the_baseline(table, make_axes, find_difference, change):
    if change == "ec50":  # doses given in another order
        own = table["Metadata_Compound"] == "active"
        table.loc[own, "Metadata_Concentration"] *= 2
        table.loc[own & (table["Metadata_Concentration"] > 256), "Metadata_Concentration"] = 1.0
    elif change == "outlier":
        table.loc[13, "Archetype_2"] = 0.4
    else:
        table = table[table["Metadata_Compound"] != "DMSO"]
    options = {"controls": None} if change == "vehicle" else {}
    figure = draw_for_baseline(make_axes, table, **options)
    assert find_difference(figure, "dose_response", may_renew=False) is not None


def test_a_compound_that_is_a_number_may_be_given_as_text(table, ax):
    names = {name: i for i, name in enumerate(sorted(table["Metadata_Compound"].unique()))}
    numbered = table.assign(Metadata_Compound=table["Metadata_Compound"].map(names))
    number = names["active"]
    for compound in (number, str(number)):
        assert draw(numbered, ax, compound=compound).compound == str(number)


def test_values_that_are_none_do_not_spoil_the_axes(ax):
    display = DoseResponseDisplay([1, 2, 3], [1.0, np.nan, 2.0], vehicle=[np.nan, 0.5]).plot(ax)
    low, high = display.ax_.get_ylim()
    assert low < 0.5 < 2.0 < high
    with pytest.raises(ValueError, match=r"doses holds infinite values\. Leave these wells out"):
        DoseResponseDisplay([1, 2, np.inf], [1, 2, 3]).plot(ax)
    with pytest.raises(ValueError, match=r"is_outlier has shape \(1,\); one value for each of the 2 doses"):
        DoseResponseDisplay([1, 2], [1, 2], is_outlier=[True]).plot(ax)


def test_the_users_markers_are_not_taken(table, ax):
    with matplotlib.rc_context({"scatter.marker": "x"}):  # which has no face, and warns
        draw(table, ax)
