import math

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

from matplotlib.figure import Figure  # noqa: E402

from archetypal_triplet import TripletEmbedder  # noqa: E402
from archetypal_triplet.plotting import TrainingDisplay  # noqa: E402


@pytest.fixture
def history():
    steps = np.arange(20, 401, 20)
    falling = np.exp(-steps / 150)
    return {
        "step": steps,
        "loss": 0.2 * falling,
        "active": 0.2 + 0.7 * falling,
        "spread": 0.9 - 0.1 * falling,
        "lr": falling,
    }


@pytest.fixture
def ax():
    return Figure(figsize=(9, 3)).subplots()


@pytest.fixture(scope="module")
def embedder():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    X = rng.normal(size=(60, 4)) + 3 * np.eye(3, 4)[labels]
    return make_pipeline(
        StandardScaler(), TripletEmbedder(max_steps=60, validation_fraction=0.2, random_state=0)
    ).fit(X, labels)


def get_titles(display):
    return [ax.get_title(loc="left") for ax in display.axes_]


def get_curve(ax):
    return ax.get_lines()[0].get_xydata()


def test_every_curve_is_that_of_the_history(history, ax):
    display = TrainingDisplay.from_table(history, margin=0.2, ax=ax)
    assert get_titles(display) == ["Loss", "Active triplets", "Spread of the embedding"]
    for panel, name in zip(display.axes_, ["loss", "active", "spread"], strict=True):
        np.testing.assert_allclose(get_curve(panel), np.stack([history["step"], history[name]], axis=1))
        assert panel.get_xlabel() == "Step"
        assert panel.get_ylim()[0] == 0
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert not display.is_collapsed_


@pytest.mark.parametrize("kind", [pd.DataFrame, lambda h: pd.DataFrame(h).to_dict("records"), dict])
def test_tables_dicts_and_lists_of_records(history, ax, kind):
    display = TrainingDisplay.from_table(kind(history), ax=ax)
    np.testing.assert_allclose(get_curve(display.axes_[0])[:, 1], history["loss"])


def test_the_loss_at_a_point_and_the_line_of_collapse(history, ax):
    display = TrainingDisplay.from_table(history, margin=0.2, ax=ax)
    loss, active, spread = display.axes_
    assert loss.get_lines()[1].get_ydata()[0] == 0.2
    assert spread.get_lines()[1].get_ydata()[0] == 0.2
    assert len(active.get_lines()) == 1
    soft = TrainingDisplay.from_table(history, margin="soft", ax=Figure().subplots())
    assert soft.loss_at_a_point == math.log(2)
    without = TrainingDisplay.from_table(history, ax=Figure().subplots())
    assert len(without.axes_[0].get_lines()) == 1


@pytest.mark.parametrize(
    ("loss", "spread", "is_collapsed"), [(0.2, 0.01, True), (0.2, 0.5, False), (0.1, 0.01, False)]
)
def test_a_collapsed_embedding_is_called_so(history, ax, loss, spread, is_collapsed):
    history["loss"] = np.full(20, loss)
    history["spread"] = np.full(20, spread)
    display = TrainingDisplay.from_table(history, margin=0.2, ax=ax)
    assert display.is_collapsed_ == is_collapsed
    assert ("Spread: collapsed" in get_titles(display)) == is_collapsed


def test_from_estimator(embedder, ax):
    display = TrainingDisplay.from_estimator(embedder, ax=ax)
    records = embedder[-1].history_
    assert get_titles(display)[-1] == "Triplets in order, held out"
    np.testing.assert_allclose(get_curve(display.axes_[0])[:, 1], [record["loss"] for record in records])
    assert display.loss_at_a_point == embedder[-1].margin


def test_a_model_that_was_loaded_does_not_remember(embedder, ax):
    import copy

    loaded = copy.copy(embedder[-1])
    loaded.history_ = []
    with pytest.raises(ValueError, match="history_ is empty: a model that was loaded from its folder"):
        TrainingDisplay.from_estimator(loaded, ax=ax)


def test_curves_of_nan_are_left_out_and_gaps_are_bridged(history, ax):
    history["active"] = np.full(20, np.nan)
    history["loss"] = np.where(np.arange(20) == 3, np.nan, history["loss"])
    display = TrainingDisplay.from_table(history, ax=ax)
    assert get_titles(display) == ["Loss", "Spread of the embedding"]
    assert len(get_curve(display.axes_[0])) == 19


def test_one_record_is_a_point(history, ax):
    display = TrainingDisplay.from_table({name: values[:1] for name, values in history.items()}, ax=ax)
    assert display.axes_[0].get_lines()[0].get_marker() == "o"
    display.figure_.draw_without_rendering()


@pytest.mark.parametrize("by_hand", [False, True])
def test_panels_share_the_place_of_the_axes(history, by_hand):
    figure = Figure(figsize=(12, 6))
    ax = figure.add_axes([0.1, 0.1, 0.3, 0.8]) if by_hand else figure.subplots(1, 2)[1]
    place = ax.get_position()
    display = TrainingDisplay.from_table(history, ax=ax)
    figure.draw_without_rendering()
    box = place.transformed(figure.transFigure)
    frames = [panel.get_window_extent() for panel in display.axes_]
    assert all(box.padded(1).contains(*frame.min) and box.padded(1).contains(*frame.max) for frame in frames)
    assert not any(a.overlaps(b) for i, a in enumerate(frames) for b in frames[i + 1 :])
    assert not ax.axison


def test_baseline(history, make_axes, find_difference):
    figure = TrainingDisplay.from_table(history, margin=0.2, ax=make_axes(6.0, 2.0)).figure_
    assert find_difference(figure, "training") is None


def test_the_comparison_sees_curves_that_change_places(history, make_axes, find_difference):
    history["active"], history["spread"] = history["spread"], history["active"]
    figure = TrainingDisplay.from_table(history, margin=0.2, ax=make_axes(6.0, 2.0)).figure_
    assert "RMS" in str(find_difference(figure, "training", may_renew=False))


def test_errors(history, ax):
    with pytest.raises(TypeError, match="estimator is a StandardScaler without history_"):
        TrainingDisplay.from_estimator(StandardScaler(), ax=ax)
    with pytest.raises(ValueError, match="The history has no records"):
        TrainingDisplay.from_table([], ax=ax)
    with pytest.raises(ValueError, match="table='step' is not a column of the table"):
        TrainingDisplay.from_table({"loss": [1.0]}, ax=ax)
    with pytest.raises(ValueError, match="history holds none of loss, active, spread, valid_score"):
        TrainingDisplay.from_table({"step": [20], "lr": [0.1]}, ax=ax)


def test_infinite_values_leave_a_gap(history, ax):
    loss = np.array(history["loss"], dtype=float)
    loss[1] = np.inf
    display = TrainingDisplay.from_table({**history, "loss": loss}, ax=ax)
    assert len(get_curve(display.axes_[0])) == len(loss) - 1
    assert np.isfinite(display.axes_[0].get_ylim()).all()


def test_histories_that_do_not_fit_are_refused(history, ax):
    with pytest.raises(ValueError, match="margin='hard' is neither a number nor 'soft'"):
        TrainingDisplay.from_table(history, margin="hard", ax=ax)
    with pytest.raises(ValueError, match=r"history holds step \(2,\), loss \(1,\); step, and one value"):
        TrainingDisplay({"step": [1, 2], "loss": [1.0]}).plot(ax)
    with pytest.raises(ValueError, match=r"history holds loss \(1,\); step, and one value"):
        TrainingDisplay({"loss": [1.0]}).plot(ax)
