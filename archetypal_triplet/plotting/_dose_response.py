"""A dose-response curve: the wells of one compound, what was fitted to them, and what is not known."""

import textwrap
from difflib import get_close_matches

import numpy as np

from archetypal_triplet._utils._columns import COMPOUND
from archetypal_triplet._utils._frames import count_of, select_rows, shorten
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import as_names, plate_names
from archetypal_triplet.plotting._axes import draw_side_legend, get_axes, make_marker
from archetypal_triplet.plotting._choices import clip_label, shorten_name
from archetypal_triplet.plotting._dose_axis import choose_dose_ticks, describe_ec50, mark_break, place_vehicle
from archetypal_triplet.plotting._palette import CATEGORY_COLORS, CONTROL_COLORS, CONTROL_MARKERS
from archetypal_triplet.screens._curves import compute_band
from archetypal_triplet.screens._dose_response import fit_doses, tabulate_curves
from archetypal_triplet.screens._dose_table import CONCENTRATION, check_table, collect_doses

_COLOR = CATEGORY_COLORS[3]
_N_POINTS = 200  # of the curve
_WRAP = 46  # letters of a line of the title


class DoseResponseDisplay:
    """Response of one compound to its concentration: wells, fitted curve, and EC50 with its interval.

    Create it by :meth:`from_table`. Circles are wells; hollow ones were set aside as outliers. Squares at the
    left are vehicle wells, at dose 0. The band says where the curve lies, given that it has this form, and
    the dashed line marks the EC50, shaded by its interval. Where there is no EC50, the title says why, and no
    curve is drawn.

    Parameters
    ----------
    doses : array-like of shape (n_wells,)
        Concentrations, above 0.
    responses : array-like of shape (n_wells,)
        Responses.
    is_outlier : array-like of bool of shape (n_wells,), default=None
        Wells that were set aside.
    vehicle : array-like of shape (n_vehicle,), default=None
        Responses of vehicle wells.
    curve : ndarray of shape (4, n_points), default=None
        Doses, responses on the curve, and the lower and upper limit of the band; None draws no curve.
    parameters : dict, default=None
        ``ec50``, ``ec50_low``, ``ec50_high``, ``unit`` and ``reason``, as in a row of
        `compute_dose_response`; None draws no EC50.
    compound : str, default=None
        For the title.
    response_name : str, default=None
        For the vertical axis.
    dose_name : str, default="Concentration"
        For the horizontal axis, which adds the unit.
    confidence_level : float, default=0.95
        Level of the intervals, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with the curve.
    figure_ : matplotlib Figure
        The figure that holds them.
    legend_ : matplotlib Legend or None
        The legend, where there is one.

    See Also
    --------
    archetypal_triplet.screens.compute_dose_response : The numbers, for all compounds.

    Examples
    --------
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.plotting import DoseResponseDisplay
    >>> screen = make_screen(1, 3, plate_format=96, random_state=0)
    >>> wells = screen.profiles.assign(Effect=screen.truth["Truth_Effect"])
    >>> display = DoseResponseDisplay.from_table(
    ...     wells,
    ...     "Effect",
    ...     compound="Compound005",
    ...     concentration="Metadata_Concentration_uM",
    ...     controls="Metadata_ControlType == 'negative'",
    ... )
    >>> display.ax_.get_xlabel()
    'Concentration (uM)'
    """

    def __init__(
        self,
        doses,
        responses,
        *,
        is_outlier=None,
        vehicle=None,
        curve=None,
        parameters=None,
        compound=None,
        response_name=None,
        dose_name="Concentration",
        confidence_level=0.95,
    ):
        self.doses = doses
        self.responses = responses
        self.is_outlier = is_outlier
        self.vehicle = vehicle
        self.curve = curve
        self.parameters = parameters
        self.compound = compound
        self.response_name = response_name
        self.dose_name = dose_name
        self.confidence_level = confidence_level

    @classmethod
    def from_table(
        cls,
        table,
        column,
        *,
        compound,
        concentration=CONCENTRATION,
        by=COMPOUND,
        unit=None,
        plate=None,
        controls=None,
        confidence_level=0.95,
        ax=None,
        legend=True,
    ):
        """Fit and draw one compound of a table of wells.

        Parameters
        ----------
        table : DataFrame
            One row per well.
        column : str
            The response.
        compound : str or sequence of str
            Which compound: its value in the column `by`, or one value for each of several columns.
        concentration : str, default="Metadata_Concentration"
            Column that holds the concentration.
        by : str or list of str, default="Metadata_Compound"
            Columns that name the compound.
        unit : str, default=None
            Column that holds the units, or the unit itself; None takes it from the name of the column
            `concentration`.
        plate : str, default=None
            Column of plates, as in `compute_dose_response`.
        controls : str, default=None
            Query that chooses the vehicle wells.
        confidence_level : float, default=0.95
            Level of the intervals.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        legend : bool, default=True
            Whether to draw the legend.

        Returns
        -------
        display : DoseResponseDisplay
            The curve, drawn.

        Raises
        ------
        ValueError
            If a column does not exist, or no well with a concentration belongs to the compound.
        """
        by = as_names(by)
        table = check_table(table, [column], by)
        rows = _choose_wells(table, by, compound, controls)
        options = {"concentration": concentration, "unit": unit, "plate": plate, "controls": controls}
        part = table[rows]
        found = collect_doses(part, column, by=by, **options)
        if not len(found.keys) or not found.n_doses[0]:
            raise ValueError(
                f"compound={compound!r} has no well with a concentration above 0 in {concentration!r} and a "
                f"value in {column!r}, so there is nothing to draw."
            )
        curves = fit_doses(found, confidence_level)
        parameters = tabulate_curves(found, curves, column, confidence_level).iloc[0].to_dict()
        is_well = found.wells.is_well[0]
        log_doses = found.wells.dose[0][is_well]
        curve = None
        if not parameters["reason"]:
            points = np.linspace(log_doses[0], log_doses[-1], _N_POINTS)
            curve = np.array([10**points, *compute_band(found.wells, curves, 0, points, confidence_level)])
        display = cls(
            10**log_doses,
            found.wells.response[0][is_well],
            is_outlier=curves.is_outlier[0][is_well],
            vehicle=_choose_vehicles(part, found, plate),
            curve=curve,
            parameters=parameters,
            compound=" ".join(str(found.keys.iloc[0][name]) for name in by),
            response_name=column,
            dose_name=concentration,
            confidence_level=confidence_level,
        )
        return display.plot(ax, legend=legend)

    def plot(self, ax=None, *, legend=True):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        legend : bool, default=True
            Whether to draw the legend.

        Returns
        -------
        display : DoseResponseDisplay
            The object itself.

        Raises
        ------
        ValueError
            If there are not as many responses as doses, or a dose is not above 0 or infinite.
        """
        doses, responses = np.asarray(self.doses, dtype=float), np.asarray(self.responses, dtype=float)
        if doses.ndim != 1 or doses.shape != responses.shape or not len(doses):
            raise ValueError(
                f"doses has shape {doses.shape} and responses {responses.shape}; one response for each dose "
                "is needed."
            )
        if not (doses > 0).all():
            raise ValueError(
                f"doses holds {int((~(doses > 0)).sum())} values that are not above 0. Pass wells at dose 0 "
                "as vehicle."
            )
        if np.isinf(doses).any():
            raise ValueError("doses holds infinite values. Leave these wells out.")
        if self._get_outliers().shape != doses.shape:
            raise ValueError(
                f"is_outlier has shape {self._get_outliers().shape}; one value for each of the {len(doses)} "
                "doses is needed."
            )
        self.ax_ = ax = get_axes(ax, (5.0, 3.8))
        self.figure_ = ax.figure
        ax.set_xscale("log")
        limits = self._compute_limits(responses)
        self._draw_wells(doses, responses)
        self._draw_curve(doses)
        ax.set_ylim(limits)
        self._label(doses)
        self.legend_ = self._draw_legend() if legend else None
        ax.spines[["top", "right"]].set_visible(False)
        return self

    def _get_vehicle(self):
        return np.array([]) if self.vehicle is None else np.asarray(self.vehicle, dtype=float)

    def _get_outliers(self):
        n = len(np.asarray(self.doses))
        return np.zeros(n, dtype=bool) if self.is_outlier is None else np.asarray(self.is_outlier, dtype=bool)

    def _draw_wells(self, doses, responses):
        ax, is_outlier = self.ax_, self._get_outliers()
        size = float(np.clip(150.0 / np.sqrt(len(doses)), 6.0, 26.0))
        ax.scatter(
            doses[~is_outlier],
            responses[~is_outlier],
            s=size,
            marker="o",
            color=_COLOR,
            edgecolors="white",
            linewidths=0.4,
            zorder=3,
        )
        ax.scatter(
            doses[is_outlier],
            responses[is_outlier],
            s=size,
            marker="o",
            facecolors="none",
            edgecolors=_COLOR,
            linewidths=1.0,
            zorder=3,
        )
        vehicle = self._get_vehicle()
        if not len(vehicle):
            return
        place, step = place_vehicle(doses)
        # side by side in the order of a fixed shuffle, so that equal values can be counted
        spread = np.random.default_rng(0).permutation(len(vehicle)) / max(len(vehicle) - 1, 1) - 0.5
        ax.scatter(
            place * step ** (0.5 * spread),
            vehicle,
            s=float(np.clip(100.0 / np.sqrt(len(vehicle)), 4.0, 20.0)),
            marker=CONTROL_MARKERS["negative"],
            color=CONTROL_COLORS["negative"],
            edgecolors="white",
            linewidths=0.3,
            alpha=float(np.clip(12.0 / np.sqrt(len(vehicle)), 0.25, 0.9)),
            zorder=2,
            rasterized=len(vehicle) > 500,
        )

    def _compute_limits(self, responses):
        """Range of the responses with a margin; the band may leave it."""
        values = [responses, self._get_vehicle()]
        if self.curve is not None:
            values.append(np.asarray(self.curve)[1])
        values = np.concatenate(values)
        values = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
        low, high = float(np.min(values)), float(np.max(values))
        margin = 0.08 * (high - low) if high > low else max(abs(high), 1.0) * 0.08
        low, high = low - margin, high + margin
        shared = self.ax_.get_shared_y_axes().get_siblings(self.ax_)
        if any(ax.has_data() for ax in shared if ax is not self.ax_):  # room for what is drawn there too
            low, high = min(low, self.ax_.get_ylim()[0]), max(high, self.ax_.get_ylim()[1])
        return low, high

    def _draw_curve(self, doses):
        ax, parameters = self.ax_, self.parameters
        if self.curve is not None:
            at, response, low, high = np.asarray(self.curve, dtype=float)
            ax.fill_between(at, low, high, color=_COLOR, alpha=0.18, linewidth=0, zorder=1)
            ax.plot(at, response, color=_COLOR, linewidth=1.6, zorder=4)
        if parameters is None or not np.isfinite(parameters["ec50"]):
            return
        low, high = max(parameters["ec50_low"], doses.min()), min(parameters["ec50_high"], doses.max())
        ax.axvspan(low, high, color="black", alpha=0.09, linewidth=0, zorder=0)
        ax.axvline(parameters["ec50"], color="black", linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)

    def _label(self, doses):
        ax, parameters = self.ax_, self.parameters
        low, high, step = doses.min(), doses.max(), place_vehicle(doses)[1]
        ticks = choose_dose_ticks(np.unique(doses))
        labels = [f"{tick:g}" for tick in ticks]
        left = low / step**0.5
        if len(self._get_vehicle()):
            place = place_vehicle(doses)[0]
            ticks, labels, left = [place, *ticks], ["0", *labels], place / step**0.6
            mark_break(ax, np.sqrt(place * low))
        ax.set_xlim(left, high * step**0.5)
        ticker = import_optional("matplotlib.ticker", extra="screens")
        ax.xaxis.set_major_locator(ticker.FixedLocator(ticks))
        ax.xaxis.set_major_formatter(ticker.FixedFormatter(labels))
        ax.xaxis.set_minor_locator(ticker.NullLocator())
        unit = "" if parameters is None else parameters["unit"]
        name = clip_label(shorten_name(self.dose_name).removesuffix(f"_{unit}"))
        ax.set_xlabel(f"{name} ({clip_label(unit)})" if unit else name)
        ax.set_ylabel(clip_label(shorten_name(self.response_name), 40))
        lines = [] if self.compound is None else [str(self.compound)]
        if parameters is not None:
            lines += textwrap.wrap(describe_ec50(parameters, self.confidence_level), _WRAP)
        ax.set_title("\n".join(clip_label(line, _WRAP) for line in lines), loc="left", fontsize="medium")

    def _draw_legend(self):
        is_outlier, vehicle = self._get_outliers(), self._get_vehicle()
        handles = [make_marker(f"well ({(~is_outlier).sum():,})", _COLOR)]
        if is_outlier.any():
            handles.append(make_marker(f"set aside ({is_outlier.sum():,})", "none", edge=_COLOR))
        if len(vehicle):
            marker, color = CONTROL_MARKERS["negative"], CONTROL_COLORS["negative"]
            handles.append(make_marker(f"vehicle ({len(vehicle):,})", color, marker))
        return draw_side_legend(self.ax_, handles)


def _choose_wells(table, by, compound, controls):
    """Rows of the compound, and those of the vehicle."""
    names = [compound] if isinstance(compound, str) or np.ndim(compound) == 0 else list(compound)
    if len(names) != len(by):
        raise ValueError(
            f"compound={compound!r} has {count_of(len(names), 'value')} for {count_of(len(by), 'column')} in "
            f"by ({shorten(by)}). Pass one value for each column."
        )
    own = np.ones(len(table), dtype=bool)
    for column, name in zip(by, names, strict=True):
        is_named = (table[column] == name).fillna(False).to_numpy(dtype=bool)
        if not is_named.any():  # a number that is given as text
            is_named = (table[column].astype(str) == str(name)).to_numpy(dtype=bool)
        own &= is_named
    if not own.any():
        seen = [str(value) for value in table[by[0]].dropna().unique()]
        close = get_close_matches(str(names[0]), seen, n=3)
        hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"There are {shorten(seen)}."
        raise ValueError(f"compound={compound!r} does not occur in {shorten(by)}. {hint}")
    return own if controls is None else own | select_rows(table, controls)


def _choose_vehicles(table, found, plate):
    """Vehicle wells on the plates of the compound."""
    if plate is None or not len(found.vehicle):
        return found.vehicle
    names = plate_names(table, plate)
    own = names[found.row[0][found.row[0] >= 0]]
    return found.vehicle[np.isin(names[found.vehicle_row], own)]
