"""A whole screen with known truth, as a table of well profiles."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions, validate_params

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.datasets._features import CHANNELS, MAX_N_FEATURES, NUISANCE, FeatureMap
from archetypal_triplet.datasets._layout import PLATE_SHAPES, compute_default_controls, make_layout
from archetypal_triplet.datasets._phenotypes import (
    END_POINTS,
    N_LATENT,
    compute_doses_um,
    compute_mixtures,
    get_end_point_names,
    make_compounds,
    make_end_points,
)

# one stream of random numbers each: changing one factor leaves the others as they are
FACTORS = (
    *("layout", "compounds", "end_points", "features"),
    *("wells", "plates", "batches", "positions", "noise", "outliers"),
)
OUTLIERS = ("out_of_focus", "debris", "empty")
_CELLS_PER_WELL = 150.0
_COUNT_SPREAD = 0.35  # SD of the log of the cell count that one unit of density stands for
_N_HARMLESS = 4
_HARMLESS_SPREAD = 3.0
_NOISE = 0.4
_SIGNAL = 4.5  # end points of effect size 1 lie this far from the vehicle, in spreads of a typical feature


def _make_generators(random_state, factor_seeds):
    """One independent Generator per factor; `factor_seeds` replaces single ones."""
    # None means fresh entropy here: the global generator is neither read nor moved on
    rng = np.random.RandomState() if random_state is None else check_random_state(random_state)
    entropy = rng.randint(np.iinfo(np.int32).max, size=4).tolist()
    children = np.random.SeedSequence(entropy).spawn(len(FACTORS))
    seeds = dict(zip(FACTORS, children, strict=True))
    for name, seed in (factor_seeds or {}).items():
        if name not in seeds:
            raise ValueError(
                f"factor_seeds names {name!r}, which is no factor. Choose from: {', '.join(FACTORS)}."
            )
        seeds[name] = np.random.SeedSequence(seed)
    return {name: np.random.default_rng(seed) for name, seed in seeds.items()}


def _check_screen(plate_format, n_plates, n_replicates, n_negative, n_positive, n_doses):
    """Numbers of controls, or an error where the wells do not suffice."""
    if n_plates % n_replicates:
        raise ValueError(
            f"n_plates={n_plates} is not a multiple of n_replicates={n_replicates}: every plate map "
            "of a batch is laid out on n_replicates plates. Change one of the two."
        )
    default_negative, default_positive = compute_default_controls(plate_format)
    n_negative = default_negative if n_negative is None else n_negative
    n_positive = default_positive if n_positive is None else n_positive
    if n_negative + n_positive + n_doses > plate_format:
        raise ValueError(
            f"n_negative={n_negative}, n_positive={n_positive} and n_doses={n_doses} need more "
            f"than the {plate_format} wells of a plate. Lower one of them, or use plate_format=384."
        )
    return n_negative, n_positive


def _make_positions(rng, layout, shape):
    """Edge wells, and a row or column gradient of random direction on every plate, from -1 to 1."""
    row, column = layout["row"].to_numpy(), layout["column"].to_numpy()
    edge = (row == 0) | (row == shape[0] - 1) | (column == 0) | (column == shape[1] - 1)
    n_plates = layout["plate"].max() + 1
    along_rows, sign = rng.random(n_plates) < 0.5, rng.choice([-1.0, 1.0], size=n_plates)
    plate = layout["plate"].to_numpy()
    ramp = np.where(along_rows[plate], 2 * row / (shape[0] - 1) - 1, 2 * column / (shape[1] - 1) - 1)
    return edge.astype(float), sign[plate] * ramp


def _make_nuisance(rngs, layout, edge, gradient, kill, effects):
    """Nuisance (n_wells, len(NUISANCE)) and stain gain (n_wells, n_channels) of every well."""
    plate, batch = layout["plate"].to_numpy(), layout["batch"].to_numpy()
    n_plates, n_batches = plate.max() + 1, batch.max() + 1
    well_spread = np.full(len(NUISANCE), 0.5 * effects["well"])
    well_spread[0] = effects["density"]
    nuisance = well_spread * rngs["wells"].standard_normal((len(layout), len(NUISANCE)))
    nuisance += effects["plate"] * 0.4 * rngs["plates"].standard_normal((n_plates, len(NUISANCE)))[plate]
    nuisance += effects["batch"] * 0.7 * rngs["batches"].standard_normal((n_batches, len(NUISANCE)))[batch]
    stains = [i for i, name in enumerate(NUISANCE) if name.startswith("Stain_")]
    nuisance[:, 0] -= effects["edge"] * edge  # edge wells dry out: fewer cells, brighter stain
    nuisance[:, stains] += effects["edge"] * 0.7 * edge[:, None]
    nuisance[:, NUISANCE.index("Temperature")] += effects["gradient"] * gradient
    nuisance[:, stains] += effects["gradient"] * 0.5 * gradient[:, None]
    nuisance[:, 0] += np.log1p(-kill) / _COUNT_SPREAD
    log_gain = effects["plate"] * 0.15 * rngs["plates"].standard_normal((n_plates, len(CHANNELS)))[plate]
    log_gain += effects["batch"] * 0.15 * rngs["batches"].standard_normal((n_batches, len(CHANNELS)))[batch]
    return nuisance, np.exp(np.clip(log_gain, np.log(0.7), np.log(1.4)))


def _draw_heterogeneity(rng, n_wells):
    """Harmless variation of the cells themselves, in a few directions of the phenotype's own space."""
    directions = np.linalg.qr(rng.standard_normal((N_LATENT, _N_HARMLESS)))[0]
    return _HARMLESS_SPREAD * rng.standard_normal((n_wells, _N_HARMLESS)) @ directions.T


def _make_outliers(rng, n_wells, fraction):
    """Kind of artefact of every well, "none" for most."""
    kind = np.full(n_wells, "none", dtype=object)
    order = rng.permutation(n_wells)[: round(fraction * n_wells)]
    kind[order] = np.array(OUTLIERS, dtype=object)[np.arange(len(order)) % len(OUTLIERS)]
    return kind


def _simulate_features(rngs, feature_map, layout, phenotype, nuisance, gain, outlier, effects):
    """Raw features of all wells."""
    n, p = len(layout), len(feature_map.names)
    nuisance = nuisance.copy()
    nuisance[outlier == "out_of_focus", NUISANCE.index("Focus")] += 6.0
    nuisance[outlier == "empty", 0] -= 6.0
    response = feature_map.respond(phenotype, nuisance)
    plate, batch = layout["plate"].to_numpy(), layout["batch"].to_numpy()
    response += effects["plate"] * 0.3 * feature_map.draw_noise(rngs["plates"], plate.max() + 1)[plate]
    response += effects["batch"] * 0.6 * feature_map.draw_noise(rngs["batches"], batch.max() + 1)[batch]
    # a mean over few cells is a noisy one
    few = np.exp(-0.5 * _COUNT_SPREAD * np.clip(nuisance[:, [0]], -6, 3))
    response += effects["noise"] * _NOISE * few * feature_map.draw_noise(rngs["noise"], n)
    debris = 6.0 * np.abs(rngs["outliers"].standard_normal((n, p))) * feature_map.is_intensity
    response += np.where((outlier == "debris")[:, None], debris, 0.0)
    return feature_map.scale(response, gain)


def _make_tables(layout, compounds, mixtures, effect, toxicity, names, doses_um, extra):
    """Metadata and truth, one row per well."""
    pd = import_optional("pandas", extra="screens")
    compound, dose = layout["compound"].to_numpy(), layout["dose"].to_numpy()
    kind = layout["kind"].to_numpy()
    width = len(str(max(len(compounds), 100)))
    treated = compound >= 0
    label = {"negative": "DMSO", "positive": "PositiveControl", "untreated": "Untreated"}
    rows = [chr(ord("A") + r) for r in range(layout["row"].max() + 1)]
    metadata = pd.DataFrame(
        {
            "Metadata_Plate": [f"Plate{p + 1:02d}" for p in layout["plate"]],
            "Metadata_Well": [
                f"{rows[r]}{c + 1:02d}" for r, c in zip(layout["row"], layout["column"], strict=True)
            ],
            "Metadata_Batch": [f"Batch{b + 1}" for b in layout["batch"]],
            "Metadata_Replicate": [str(r + 1) for r in layout["replicate"]],
            "Metadata_Compound": [
                f"Compound{c + 1:0{width}d}" if c >= 0 else label[k]
                for c, k in zip(compound, kind, strict=True)
            ],
            "Metadata_Concentration_uM": np.where(treated, doses_um[dose], 0.0).round(6),
            "Metadata_ControlType": kind.astype(str),
        }
    )
    metadata["Metadata_Count_Cells"] = extra.pop("count")
    end_point = np.full(len(layout), -1)
    end_point[treated] = compounds["end_point"].to_numpy()[compound[treated]]
    end_point[kind == "positive"] = 0
    truth = pd.DataFrame(
        {
            "Truth_Mechanism": np.array([*names, "None"], dtype=object)[end_point].astype(str),
            "Truth_Effect": effect,
            "Truth_Toxicity": toxicity,
            **{f"Truth_Mixture_{name}": mixtures[:, k] for k, name in enumerate(["Vehicle", *names])},
            **extra,
        }
    )
    return metadata, truth


@validate_params(
    {
        "n_batches": [Interval(Integral, 1, None, closed="left")],
        "n_plates": [Interval(Integral, 1, None, closed="left")],
        "n_replicates": [Interval(Integral, 1, None, closed="left")],
        "plate_format": [Options(Integral, {96, 384})],
        "n_features": [Interval(Integral, 1, MAX_N_FEATURES, closed="both")],
        "n_end_points": [Interval(Integral, 1, len(END_POINTS) + 1, closed="both")],
        "n_doses": [Interval(Integral, 1, None, closed="left")],
        "controls": [StrOptions({"columns", "scattered"})],
        "n_negative": [Interval(Integral, 1, None, closed="left"), None],
        "n_positive": [Interval(Integral, 0, None, closed="left"), None],
        "inactive_fraction": [Interval(Real, 0, 1, closed="both")],
        "ordered_fraction": [Interval(Real, 0, 1, closed="both")],
        "effect_size": [Interval(Real, 0, None, closed="left")],
        "density_effect": [Interval(Real, 0, None, closed="left")],
        "well_effect": [Interval(Real, 0, None, closed="left")],
        "plate_effect": [Interval(Real, 0, None, closed="left")],
        "batch_effect": [Interval(Real, 0, None, closed="left")],
        "edge_effect": [Interval(Real, 0, None, closed="left")],
        "gradient_effect": [Interval(Real, 0, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "outlier_fraction": [Interval(Real, 0, 1, closed="both")],
        "factor_seeds": [dict, None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_screen(
    n_batches=2,
    n_plates=3,
    *,
    n_replicates=3,
    plate_format=384,
    n_features=200,
    n_end_points=6,
    n_doses=6,
    controls="columns",
    n_negative=None,
    n_positive=None,
    inactive_fraction=0.75,
    ordered_fraction=0.0,
    effect_size=1.0,
    density_effect=1.0,
    well_effect=1.0,
    plate_effect=1.0,
    batch_effect=1.0,
    edge_effect=1.0,
    gradient_effect=1.0,
    noise=1.0,
    outlier_fraction=0.0,
    factor_seeds=None,
    random_state=None,
):
    """Simulate a screen as a table of well profiles, with its truth beside it.

    A well's phenotype is an exact convex mixture of the vehicle phenotype and a few archetypal end points,
    ``phenotype = mixture @ end_points``; the mixture follows a Hill curve of the dose. Nuisance (cell
    density, focus, cell cycle, stain, position on the plate, harmless variation of the cells, plate, batch)
    is added to it, a fixed map with saturating and skewed parts turns both into correlated features with
    CellProfiler's names, and noise and the stain gain of the plate come on top.

    Two end points are nearly the same (cosine 0.85), the last one is toxic and lowers the cell count, one
    compound is specific at low and toxic at high doses, and most compounds do nothing.

    Parameters
    ----------
    n_batches : int, default=2
        Batches (weeks). Every batch has compounds of its own; mechanisms recur in all of them.
    n_plates : int, default=3
        Plates of each batch, a multiple of `n_replicates`.
    n_replicates : int, default=3
        Plates that share one plate map: the replicates of a well.
    plate_format : {96, 384}, default=384
        Wells of a plate.
    n_features : int, default=200
        Features, spread evenly over all categories; 405 at most.
    n_end_points : int, default=6
        Archetypal end points besides the vehicle phenotype, 1 to 8. From 3 on, the first two are nearly the
        same. The last one is toxic.
    n_doses : int, default=6
        Concentrations of each compound, three-fold apart, up to 30 micromolar.
    controls : {"columns", "scattered"}, default="columns"
        Whether the controls fill columns (negative from the left, positive from the right) or lie anywhere.
    n_negative : int, default=None
        Vehicle wells of a plate; None fills two columns.
    n_positive : int, default=None
        Positive control wells of a plate, a compound at 0.9 of the first end point; None fills one column.
    inactive_fraction : float, default=0.75
        Share of the compounds that do nothing.
    ordered_fraction : float, default=0.0
        Share of plate maps in which compounds and doses run in the order of the wells, so that the dose is
        confounded with the position; on the others they lie at random.
    effect_size : float, default=1.0
        Length of the end points relative to the nuisance: the difficulty. 0 makes a screen of nuisance alone:
        the truth then says what each well would have been.
    density_effect : float, default=1.0
        Spread of the log of the cell density between wells.
    well_effect : float, default=1.0
        Size of the other nuisance that differs from well to well.
    plate_effect : float, default=1.0
        Size of the differences between plates, stain gain included (0.7 to 1.4 at most).
    batch_effect : float, default=1.0
        Size of the differences between batches.
    edge_effect : float, default=1.0
        How many fewer cells (and how much brighter stain) the wells at the rim of a plate have.
    gradient_effect : float, default=1.0
        Size of a gradient along the rows or the columns of each plate.
    noise : float, default=1.0
        Size of the measurement noise, which grows as the cell count falls.
    outlier_fraction : float, default=0.0
        Share of wells, controls included, with an artefact: out of focus, debris or empty.
    factor_seeds : dict of str to int, default=None
        Seeds that replace those of single factors: layout, compounds, end_points, features, wells, plates,
        batches, positions, noise, outliers. Each factor has a stream of random numbers of its own, derived
        from `random_state`, so the size of one effect changes no other.
    random_state : int, RandomState instance or None, default=None
        Seed; pass an int for the same screen at every call.

    Returns
    -------
    screen : Bunch
        Dictionary-like, with attributes

        profiles : DataFrame of shape (n_wells, 8 + n_features)
            ``Metadata_*`` columns (plate, well, batch, replicate, compound, concentration in micromolar,
            control type, cell count), then raw features.
        truth : DataFrame
            Same index: ``Truth_Mechanism`` ("None" without one), ``Truth_Effect`` and ``Truth_Toxicity``
            (rising with the dose), ``Truth_Mixture_*`` (each row sums to one), cell count, nuisance, stain
            gain and ``Truth_Artifact``.
        archetypes : DataFrame of shape (1 + n_end_points, n_features)
            Features of the vehicle phenotype and of each end point without nuisance.

    Raises
    ------
    ValueError
        If `n_plates` is no multiple of `n_replicates`, if a plate has too few wells, or if `factor_seeds`
        names an unknown factor.

    Notes
    -----
    Time and memory are proportional to wells x features; the default (2,304 x 200) takes 0.1 s.

    Examples
    --------
    >>> from archetypal_triplet.datasets import make_screen
    >>> screen = make_screen(n_batches=2, n_plates=2, n_replicates=2, plate_format=96, random_state=0)
    >>> screen.profiles.shape
    (384, 208)
    >>> screen.profiles["Metadata_ControlType"].value_counts().to_dict()
    {'sample': 288, 'negative': 64, 'positive': 32}
    >>> screen.archetypes.index.tolist()[:3]
    ['Vehicle', 'MicrotubuleDestabilization', 'MicrotubuleStabilization']
    """
    rngs = _make_generators(random_state, factor_seeds)
    n_negative, n_positive = _check_screen(
        plate_format, n_plates, n_replicates, n_negative, n_positive, n_doses
    )
    pd = import_optional("pandas", extra="screens")
    layout, n_compounds = make_layout(
        rngs["layout"],
        n_batches=n_batches,
        n_plates=n_plates,
        n_replicates=n_replicates,
        plate_format=plate_format,
        ordered_fraction=ordered_fraction,
        controls=controls,
        n_negative=n_negative,
        n_positive=n_positive,
        n_doses=n_doses,
    )
    doses_um = compute_doses_um(n_doses)
    names = get_end_point_names(n_end_points)
    compounds = make_compounds(
        rngs["compounds"], n_compounds, n_end_points, inactive_fraction=inactive_fraction, doses_um=doses_um
    )
    mixtures, effect, toxicity = compute_mixtures(layout, compounds, n_end_points, doses_um)
    end_points = np.vstack([np.zeros(N_LATENT), make_end_points(rngs["end_points"], n_end_points)])
    end_points *= effect_size * _SIGNAL
    feature_map = FeatureMap(rngs["features"], n_features, N_LATENT)
    edge, gradient = _make_positions(rngs["positions"], layout, PLATE_SHAPES[plate_format])
    effects = {"density": density_effect, "well": well_effect, "plate": plate_effect, "batch": batch_effect}
    effects |= {"edge": edge_effect, "gradient": gradient_effect, "noise": noise}
    kill = 0.8 * min(effect_size, 1.0) * mixtures[:, -1]
    nuisance, gain = _make_nuisance(rngs, layout, edge, gradient, kill, effects)
    outlier = _make_outliers(rngs["outliers"], len(layout), outlier_fraction)
    phenotype = mixtures @ end_points + well_effect * _draw_heterogeneity(rngs["wells"], len(layout))
    X = _simulate_features(rngs, feature_map, layout, phenotype, nuisance, gain, outlier, effects)
    density = nuisance[:, 0] - 6.0 * (outlier == "empty")
    count = np.maximum(1, np.round(_CELLS_PER_WELL * np.exp(_COUNT_SPREAD * density))).astype(int)
    extra = {"count": count, "Truth_CellCount": count, "Truth_Edge": edge, "Truth_Gradient": gradient}
    extra |= {f"Truth_{name}": nuisance[:, i] for i, name in enumerate(NUISANCE)}
    extra |= {f"Truth_Gain_{channel}": gain[:, c] for c, channel in enumerate(CHANNELS)}
    extra |= {"Truth_Artifact": outlier.astype(str)}
    metadata, truth = _make_tables(layout, compounds, mixtures, effect, toxicity, names, doses_um, extra)
    archetypes = feature_map.scale(
        feature_map.respond(end_points, np.zeros((len(end_points), len(NUISANCE)))),
        np.ones((len(end_points), len(CHANNELS))),
    )
    return Bunch(
        profiles=pd.concat([metadata, pd.DataFrame(X, columns=feature_map.names)], axis=1),
        truth=truth,
        archetypes=pd.DataFrame(archetypes, index=["Vehicle", *names], columns=feature_map.names),
    )
