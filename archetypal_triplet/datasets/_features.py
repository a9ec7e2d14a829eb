"""From cell parameters and nuisance to CellProfiler-like features."""

import numpy as np

COMPARTMENTS = ("Cells", "Cytoplasm", "Nuclei")
CHANNELS = ("DNA", "Tubulin", "Actin")
NUISANCE = ("Density", "Focus", "CellCycle", "Temperature", *(f"Stain_{channel}" for channel in CHANNELS))

_SHAPES = (
    *("Area", "Compactness", "Eccentricity", "Extent", "FormFactor", "MajorAxisLength", "MeanRadius"),
    *("MinorAxisLength", "Perimeter", "Solidity"),
    *(f"Zernike_{n}_{m}" for n in range(6) for m in range(n % 2, n + 1, 2)),
)
_INTENSITIES = (
    *("IntegratedIntensity", "LowerQuartileIntensity", "MassDisplacement", "MaxIntensity"),
    *("MeanIntensity", "MedianIntensity", "StdIntensity", "UpperQuartileIntensity"),
)
_TEXTURES = (
    "AngularSecondMoment",
    "Contrast",
    "Correlation",
    "Entropy",
    "InfoMeas1",
    "SumVariance",
    "Variance",
)


def _list_all_features():
    """Every (compartment, category, channel or None, name) that can be measured here, in a fixed order."""
    features = []
    for compartment in COMPARTMENTS:
        features += [(compartment, "AreaShape", None, f"{compartment}_AreaShape_{s}") for s in _SHAPES]
        features += [
            (compartment, "Neighbors", None, f"{compartment}_Neighbors_{s}_10")
            for s in ("FirstClosestDistance", "PercentTouching")
        ]
        for channel in CHANNELS:
            group = {
                "Intensity": [f"{s}_{channel}" for s in _INTENSITIES],
                "Texture": [f"{s}_{channel}_{scale}" for scale in (3, 10) for s in _TEXTURES],
                "Granularity": [f"{s}_{channel}" for s in range(1, 7)],
                "RadialDistribution": [
                    f"{s}_{channel}_{ring}of4" for s in ("FracAtD", "RadialCV") for ring in (1, 2, 3, 4)
                ],
            }
            for category, names in group.items():
                features += [(compartment, category, channel, f"{compartment}_{category}_{s}") for s in names]
        features += [
            (compartment, "Correlation", None, f"{compartment}_Correlation_Correlation_{a}_{b}")
            for i, a in enumerate(CHANNELS)
            for b in CHANNELS[i + 1 :]
        ]
    return features


MAX_N_FEATURES = len(_list_all_features())

# how strongly a nuisance shows in a category of features; 0.3 where nothing stands here
_NUISANCE_STRENGTH = {
    ("Density", "AreaShape"): 1.0,
    ("Density", "Neighbors"): 1.5,
    ("Density", "Intensity"): 0.7,
    ("Density", "Texture"): 0.6,
    ("Focus", "Texture"): 1.0,
    ("Focus", "Granularity"): 1.0,
    ("Focus", "AreaShape"): 0.1,
    ("CellCycle", "Intensity"): 0.6,
    ("CellCycle", "AreaShape"): 0.5,
    ("Temperature", "RadialDistribution"): 0.6,
}


def _compute_stain_strength(category, channel, nuisance):
    if channel is None or nuisance != f"Stain_{channel}":
        return 0.0
    return 1.0 if category == "Intensity" else 0.5


class FeatureMap:
    """Fixed map from cell parameters (phenotype and nuisance) to features.

    Features of one compartment, category and channel share most of their loadings, as real ones do; a third
    of them answers in a straight line, a third saturates and a third is skewed.

    Parameters
    ----------
    rng : Generator
        Source of the loadings.
    n_features : int
        Number of features, spread evenly over all that can be measured.
    n_latent : int
        Number of phenotype parameters.
    """

    def __init__(self, rng, n_features, n_latent):
        every = _list_all_features()
        picked = np.linspace(0, len(every) - 1, n_features).round().astype(int)
        features = [every[i] for i in picked]
        self.names = [name for *_, name in features]
        self.channels = np.array([channel or "" for _, _, channel, _ in features])
        self.is_intensity = np.array([category == "Intensity" for _, category, _, _ in features])
        groups = {}
        self.group = np.array([groups.setdefault(f[:3], len(groups)) for f in features])
        self.n_groups = len(groups)
        self.phenotype = self._draw(rng, n_latent) / np.sqrt(n_latent)
        # some features see a phenotype sharply, many hardly
        self.phenotype *= np.exp(0.7 * rng.standard_normal((len(features), 1)))
        strengths = np.array(
            [
                [
                    _compute_stain_strength(category, channel, nuisance)
                    if nuisance.startswith("Stain_")
                    else _NUISANCE_STRENGTH.get((nuisance, category), 0.3)
                    for nuisance in NUISANCE
                ]
                for _, category, channel, _ in features
            ]
        )
        # brighter stain raises every intensity; the other nuisances push features either way
        signs = self._draw(rng, len(NUISANCE))
        stain = np.array([nuisance.startswith("Stain_") for nuisance in NUISANCE])
        signs[:, stain] = np.where(self.is_intensity[:, None], np.abs(signs[:, stain]), signs[:, stain])
        self.nuisance = signs * strengths * np.exp(0.5 * rng.standard_normal(strengths.shape))
        self.curve = rng.integers(3, size=n_features)
        self.location = np.exp(rng.normal(0.0, 2.0, size=n_features))
        self.spread = rng.uniform(0.05, 0.15, size=n_features)

    def _draw(self, rng, n_columns):
        shared = rng.standard_normal((self.n_groups, n_columns))[self.group]
        own = rng.standard_normal((len(self.group), n_columns))
        return (shared + 0.7 * own) / np.sqrt(1 + 0.7**2)

    def respond(self, phenotype, nuisance):
        """Features in units of about one well-to-well spread, before noise and before scaling."""
        drive = phenotype @ self.phenotype.T + nuisance @ self.nuisance.T
        saturating = 3 * np.tanh(drive / 3)
        skewed = np.expm1(np.clip(0.2 * drive, -5, 5)) / 0.2
        return np.where(self.curve == 0, drive, np.where(self.curve == 1, saturating, skewed))

    def draw_noise(self, rng, n_wells):
        """Measurement noise (n_wells, n_features): half of its variance is common to a group of features."""
        shared = rng.standard_normal((n_wells, self.n_groups))[:, self.group]
        own = rng.standard_normal((n_wells, len(self.group)))
        return (shared + own) / np.sqrt(2)

    def scale(self, response, gain):
        """Raw features: own location and spread each, intensities multiplied by their channel's `gain`."""
        raw = self.location * (1 + self.spread * response)
        for c, channel in enumerate(CHANNELS):
            columns = self.is_intensity & (self.channels == channel)
            raw[:, columns] *= gain[:, [c]]
        return raw
