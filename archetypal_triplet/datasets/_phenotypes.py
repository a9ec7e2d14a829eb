"""What the compounds of a simulated screen do to cells: end points, dose response, mixtures."""

import numpy as np

from archetypal_triplet._utils._optional import import_optional

# the first two lie close together; the last one also kills
END_POINTS = (
    "MicrotubuleDestabilization",
    "MicrotubuleStabilization",
    "ActinDisruption",
    "DNADamage",
    "KinaseInhibition",
    "ProteinDegradation",
    "Multinucleation",
)
TOXIC = "Toxicity"
N_LATENT = 16
NEAR_COSINE = 0.85
TOP_DOSE_UM = 30.0
DILUTION = 3.0


def get_end_point_names(n_end_points):
    """Names of the end points: the first of the list, then the toxic one."""
    return [*END_POINTS[: n_end_points - 1], TOXIC]


def place_near(first, other):
    """Turn `other` to the direction at NEAR_COSINE from the direction `first`, a vector of length 1."""
    side = other - (other @ first) * first
    side /= np.linalg.norm(side)
    return NEAR_COSINE * first + np.sqrt(1 - NEAR_COSINE**2) * side


def make_end_points(rng, n_end_points):
    """Draw end points as shifts of a cell's parameters from the vehicle, (n_end_points, N_LATENT)."""
    directions = rng.standard_normal((n_end_points, N_LATENT))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    if n_end_points > 2:  # the second end point nearly repeats the first
        directions[1] = place_near(directions[0], directions[1])
    strengths = rng.uniform(0.8, 1.25, size=n_end_points)
    strengths[-1] *= 1.5  # death changes a cell more than any specific effect
    return directions * strengths[:, None]


def compute_doses_um(n_doses):
    """Concentrations of a series in micromolar, rising, three-fold apart, up to 30."""
    return TOP_DOSE_UM / DILUTION ** np.arange(n_doses - 1, -1, -1)


def compute_hill(dose, ec50, slope):
    """Hill curve ``dose^slope / (dose^slope + ec50^slope)``; 0 where `ec50` is infinite."""
    return 1.0 / (1.0 + (ec50 / dose) ** slope)


def make_compounds(rng, n_compounds_per_map, n_end_points, *, inactive_fraction, doses_um):
    """Draw what each compound does.

    Returns a frame with one row per compound: end point (-1: inactive), effect at saturation (share of cells
    that respond), EC50 and slope of the effect, and EC50 of toxicity (infinite where there is none). The end
    points take turns, so that each has compounds on several maps. The first compound whose effect is specific
    becomes toxic at higher doses.
    """
    pd = import_optional("pandas", extra="screens")
    n = sum(n_compounds_per_map)
    end_point = np.full(n, -1)
    first, n_active_before = 0, 0
    for n_here in n_compounds_per_map:
        n_active = round((1 - inactive_fraction) * n_here)
        chosen = first + rng.permutation(n_here)[:n_active]
        end_point[chosen] = (n_active_before + np.arange(n_active)) % n_end_points
        first, n_active_before = first + n_here, n_active_before + n_active
    low, high = np.log(doses_um[0]), np.log(doses_um[-1])
    ec50 = np.exp(rng.uniform(low + 0.2 * (high - low), low + 0.7 * (high - low), size=n))
    slope = rng.uniform(1.0, 2.5, size=n)
    saturation = rng.uniform(0.7, 1.0, size=n)
    toxic_ec50 = np.full(n, np.inf)
    specific = np.flatnonzero((end_point >= 0) & (end_point < n_end_points - 1))
    if specific.size:
        ec50[specific[0]] = np.exp(low + 0.15 * (high - low))
        toxic_ec50[specific[0]] = np.exp(low + 0.75 * (high - low))
    return pd.DataFrame(
        {
            "end_point": end_point,
            "saturation": saturation,
            "ec50": ec50,
            "slope": slope,
            "toxic_ec50": toxic_ec50,
        }
    )


def compute_mixtures(layout, compounds, n_end_points, doses_um):
    """Mixture of every well: convex weights of the vehicle phenotype (column 0) and the end points.

    A compound of two effects in sequence leaves its first end point as the second takes over: ``toxic =
    hill_2``, ``specific = (1 - hill_2) * hill_1``. Positive controls sit at 0.9 of the first end point.

    Returns the mixtures, and per well the two Hill values (effect, toxicity), which rise with the dose.
    """
    n = len(layout)
    mixtures = np.zeros((n, n_end_points + 1))
    effect, toxicity = np.zeros(n), np.zeros(n)
    treated = np.flatnonzero(layout["compound"].to_numpy() >= 0)
    of_well = compounds.iloc[layout["compound"].to_numpy()[treated]]
    dose = doses_um[layout["dose"].to_numpy()[treated]]
    active = of_well["end_point"].to_numpy() >= 0
    hill = compute_hill(dose, of_well["ec50"].to_numpy(), of_well["slope"].to_numpy())
    effect[treated] = np.where(active, of_well["saturation"].to_numpy() * hill, 0.0)
    toxicity[treated] = compute_hill(dose, of_well["toxic_ec50"].to_numpy(), 2.0)
    rows = treated[active]
    mixtures[rows, 1 + of_well["end_point"].to_numpy()[active]] = effect[rows] * (1 - toxicity[rows])
    mixtures[:, -1] += toxicity
    positive = layout["kind"].to_numpy() == "positive"
    effect[positive] = 0.9
    mixtures[positive, 1] = 0.9
    mixtures[:, 0] = 1.0 - mixtures[:, 1:].sum(axis=1)
    return mixtures, effect, toxicity
