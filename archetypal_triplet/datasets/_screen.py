"""A whole screen with known truth, as a table of well profiles."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, Options, StrOptions, validate_params

from archetypal_triplet._utils._columns import CELL_COUNT
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._wells import PLATE_FORMATS
from archetypal_triplet.datasets._factors import make_generators, make_seeds
from archetypal_triplet.datasets._features import CHANNELS, MAX_N_FEATURES, NUISANCE, FeatureMap
from archetypal_triplet.datasets._image_screen import make_images
from archetypal_triplet.datasets._layout import compute_default_controls, make_layout
from archetypal_triplet.datasets._nuisance import (
    COUNT_SPREAD,
    draw_heterogeneity,
    make_nuisance,
    make_positions,
)
from archetypal_triplet.datasets._phenotypes import (
    END_POINTS,
    N_LATENT,
    compute_doses_um,
    compute_mixtures,
    get_end_point_names,
    make_compounds,
    make_end_points,
)
from archetypal_triplet.datasets._plan import Plan, get_nuisance_truth, make_tables
from archetypal_triplet.datasets._render import IMAGE_CHANNELS

OUTLIERS = ("out_of_focus", "debris", "empty")
_CELLS_PER_WELL = 150.0
_NOISE = 0.4
_SIGNAL = 4.5  # end points of effect size 1 lie this far from the vehicle, in spreads of a typical feature


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


def _make_outliers(rng, n_wells, fraction):
    """Kind of artefact of every well, "none" for most."""
    kind = np.full(n_wells, "none", dtype=object)
    order = rng.permutation(n_wells)[: round(fraction * n_wells)]
    kind[order] = np.array(OUTLIERS, dtype=object)[np.arange(len(order)) % len(OUTLIERS)]
    return kind


def _simulate_features(rngs, feature_map, plan, phenotype, outlier, effects):
    """Raw features of all wells."""
    layout, gain, nuisance = plan.layout, plan.gain, plan.nuisance.copy()
    n, p = len(layout), len(feature_map.names)
    nuisance[outlier == "out_of_focus", NUISANCE.index("Focus")] += 6.0
    nuisance[outlier == "empty", 0] -= 6.0
    response = feature_map.respond(phenotype, nuisance)
    plate, batch = layout["plate"].to_numpy(), layout["batch"].to_numpy()
    response += effects["plate"] * 0.3 * feature_map.draw_noise(rngs["plates"], plate.max() + 1)[plate]
    response += effects["batch"] * 0.6 * feature_map.draw_noise(rngs["batches"], batch.max() + 1)[batch]
    # a mean over few cells is a noisy one
    few = np.exp(-0.5 * COUNT_SPREAD * np.clip(nuisance[:, [0]], -6, 3))
    response += effects["noise"] * _NOISE * few * feature_map.draw_noise(rngs["noise"], n)
    debris = 6.0 * np.abs(rngs["outliers"].standard_normal((n, p))) * feature_map.is_intensity
    response += np.where((outlier == "debris")[:, None], debris, 0.0)
    return feature_map.scale(response, gain)


def _make_profiles(rngs, plan, effects, n_features, outlier_fraction):
    """Show a planned screen as features."""
    pd = import_optional("pandas", extra="screens")
    n_end_points = plan.mixtures.shape[1] - 1
    end_points = np.vstack([np.zeros(N_LATENT), make_end_points(rngs["end_points"], n_end_points)])
    end_points *= effects["phenotype"] * _SIGNAL
    feature_map = FeatureMap(rngs["features"], n_features, N_LATENT)
    outlier = _make_outliers(rngs["outliers"], len(plan.layout), outlier_fraction)
    harmless = effects["well"] * draw_heterogeneity(rngs["wells"], len(plan.layout))
    phenotype = plan.mixtures @ end_points + harmless
    X = _simulate_features(rngs, feature_map, plan, phenotype, outlier, effects)
    density = plan.nuisance[:, 0] - 6.0 * (outlier == "empty")
    count = np.maximum(1, np.round(_CELLS_PER_WELL * np.exp(COUNT_SPREAD * density))).astype(int)
    extra = {"Truth_CellCount": count, **get_nuisance_truth(plan), "Truth_Artifact": outlier.astype(str)}
    metadata, truth = make_tables(plan, extra)
    metadata[CELL_COUNT] = count
    archetypes = feature_map.scale(
        feature_map.respond(end_points, np.zeros((len(end_points), len(NUISANCE)))),
        np.ones((len(end_points), len(CHANNELS))),
    )
    names = ["Vehicle", *get_end_point_names(n_end_points)]
    return Bunch(
        profiles=pd.concat([metadata, pd.DataFrame(X, columns=feature_map.names)], axis=1),
        truth=truth,
        archetypes=pd.DataFrame(archetypes, index=names, columns=feature_map.names),
    )


@validate_params(
    {
        "n_batches": [Interval(Integral, 1, None, closed="left")],
        "n_plates": [Interval(Integral, 1, None, closed="left")],
        "n_replicates": [Interval(Integral, 1, None, closed="left")],
        "plate_format": [Options(Integral, {96, 384})],
        "images": ["boolean"],
        "n_fields": [Interval(Integral, 1, None, closed="left")],
        "n_channels": [Interval(Integral, 2, len(IMAGE_CHANNELS), closed="both")],
        "image_size": [Interval(Integral, 64, 4320, closed="both")],
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
        "outlier_fraction": [Interval(Real, 0, 1, closed="both"), dict],
        "factor_seeds": [dict, None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_screen(
    n_batches=2,
    n_plates=3,
    *,
    images=False,
    n_replicates=3,
    plate_format=384,
    n_features=200,
    n_fields=2,
    n_channels=3,
    image_size=512,
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
    """Simulate a screen as a table of well profiles, or as images, with its truth beside it.

    A well's phenotype is an exact convex mixture of the vehicle phenotype and a few archetypal end points,
    ``phenotype = mixture @ end_points``; the mixture follows a Hill curve of the dose. Nuisance (cell
    density, focus, cell cycle, stain, position on the plate, harmless variation of the cells, plate, batch)
    is added to it, a fixed map with saturating and skewed parts turns both into correlated features with
    CellProfiler's names, and noise and the stain gain of the plate come on top.

    Two end points are nearly the same (cosine 0.85), the last one is toxic and lowers the cell count, one
    compound is specific at low and toxic at high doses, and most compounds do nothing.

    With ``images=True`` the same screen (layout, doses, mixtures, nuisance of the wells) is rendered, cell by
    cell: a share of a well's cells responds, each responder is a convex mixture of the end points (Dirichlet
    around the well's), and the mixture shifts 16 parameters of the cell, such as nuclear area, the ratio of a
    reporter in nucleus and cytoplasm, puncta, actin fibers and number of nuclei. Cells differ besides by
    their own spread and their phase of the cycle; microscope and sensor come last.

    Parameters
    ----------
    n_batches : int, default=2
        Batches (weeks). Every batch has compounds of its own; mechanisms recur in all of them.
    n_plates : int, default=3
        Plates of each batch, a multiple of `n_replicates`.
    images : bool, default=False
        Render fields of cells instead of simulating a table of features.
    n_replicates : int, default=3
        Plates that share one plate map: the replicates of a well.
    plate_format : {96, 384}, default=384
        Wells of a plate.
    n_features : int, default=200
        Features, spread evenly over all categories; 405 at most. Only without `images`.
    n_fields : int, default=2
        Fields (sites) of each well. Only with `images`, as the next two.
    n_channels : int, default=3
        The first so many of the channels DNA, GFP (the reporter), Actin, Tubulin, Mito; 2 to 5.
    image_size : int, default=512
        Height and width of a field in pixels, 64 to 4320. A cell is about 45 pixels wide whatever the size.
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
    outlier_fraction : float or dict of str to float, default=0.0
        Share of wells, controls included, with an artifact: out of focus, debris or empty. With `images` a
        share of the fields, spread over all kinds, or a share for each kind named: out_of_focus, debris,
        fiber, bubble, empty, overconfluent, dead, saturated, swapped_channels, missing_channel,
        shifted_channel, stitched, dispensing_stripe. Empty, overconfluent and dead take all fields of a
        well, a stripe takes
        whole columns of a plate (one at least).
    factor_seeds : dict of str to int, default=None
        Seeds that replace those of single factors: layout, compounds, end_points, features, wells, plates,
        batches, positions, noise, outliers, and with `images` optics, fields (density, positions of cells),
        cells, sensor, artifacts (their looks; `outliers` chooses the fields). Each factor has a stream of
        random numbers of its own, derived from `random_state`, so the size of one effect changes no other.
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

        With ``images=True`` the attributes are

        images : RenderedImages of shape (n_fields, n_channels, image_size, image_size)
            Grey values (uint16; a sensor of 12 bits, offset about 100), rendered when rows are asked for:
            ``images[7]``, ``images[:4]``, ``images[mask]``, ``images.take(rows)``. ``images.cells(row)`` is
            the truth of every cell of a field, ``images.nuclei(row)`` the label image of its nuclei.
        fields : DataFrame
            ``Metadata_*`` of the rows of `images`: plate, well, site, and what `wells` says.
        channels : list of str
            Names of the channels.
        wells : DataFrame
            ``Metadata_*`` of the wells.
        truth : DataFrame
            Truth of the wells, as above, with the share of responding cells, and brightness by channel.
        field_truth : DataFrame
            Index of `fields`: ``Truth_Artifact`` ("none" for most), its strength (0 to 1) and channel,
            density and blur.
        archetypes : DataFrame of shape (1 + n_end_points, 16)
            Parameters of the end points, in units of their spread between cells of the vehicle.

    Raises
    ------
    ValueError
        If `n_plates` is no multiple of `n_replicates`, if a plate has too few wells, or if `factor_seeds`
        names an unknown factor, or
        `outlier_fraction` an unknown artifact; a dict is for `images` only.

    Notes
    -----
    Time and memory are proportional to wells x features; the default (2,304 x 200) takes 0.1 s. Images are
    rendered at about 40 ms a field of three channels and 512 x 512 pixels, and never held.

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

    The same screen as images:

    >>> options = {"n_plates": 2, "n_replicates": 2, "plate_format": 96, "random_state": 0}
    >>> screen = make_screen(images=True, image_size=128, outlier_fraction={"debris": 0.02}, **options)
    >>> screen.images
    <RenderedImages shape=(768, 3, 128, 128) dtype=uint16>
    >>> screen.images[[5, 0]].shape, screen.channels
    ((2, 3, 128, 128), ['DNA', 'GFP', 'Actin'])
    >>> screen.field_truth["Truth_Artifact"].value_counts().to_dict()
    {'none': 753, 'debris': 15}
    """
    seeds = make_seeds(random_state, factor_seeds)
    rngs = make_generators(seeds)
    n_negative, n_positive = _check_screen(
        plate_format, n_plates, n_replicates, n_negative, n_positive, n_doses
    )
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
    compounds = make_compounds(
        rngs["compounds"], n_compounds, n_end_points, inactive_fraction=inactive_fraction, doses_um=doses_um
    )
    mixtures, effect, toxicity = compute_mixtures(layout, compounds, n_end_points, doses_um)
    edge, gradient = make_positions(rngs["positions"], layout, PLATE_FORMATS[plate_format])
    effects = {"density": density_effect, "well": well_effect, "plate": plate_effect, "batch": batch_effect}
    effects |= {"edge": edge_effect, "gradient": gradient_effect, "noise": noise, "phenotype": effect_size}
    kill = 0.8 * min(effect_size, 1.0) * mixtures[:, -1]
    # toxicity shows as fewer cells: in the table through the density, in images cell by cell
    nuisance, gain = make_nuisance(rngs, layout, edge, gradient, 0.0 * kill if images else kill, effects)
    plan = Plan(layout, compounds, mixtures, effect, toxicity, doses_um, nuisance, gain, edge, gradient, kill)
    if isinstance(outlier_fraction, dict) and not images:
        raise ValueError(
            f"outlier_fraction={outlier_fraction!r} names artifacts of images; tables take one share. "
            "Pass a number, or images=True."
        )
    if images:
        options = {"n_fields": n_fields, "n_channels": n_channels, "image_size": image_size}
        return make_images(seeds, rngs, plan, effects, options | {"outlier_fraction": outlier_fraction})
    return _make_profiles(rngs, plan, effects, n_features, outlier_fraction)
