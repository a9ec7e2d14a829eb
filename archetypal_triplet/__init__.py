"""Label-free phenotype maps and assay quality for high-content screens.

The package learns a map of phenotypes from a screen without labels and uses it to look at the screen and
to judge the assay::

    profiles -> ArchetypalAnalysis -> PseudoLabeler -> TripletEmbedder -> embedding -> map, assay quality

Every public name is imported on first use, so that importing the package, or fitting an
`ArchetypalAnalysis`, loads neither torch nor pandas nor matplotlib.
"""

from importlib import import_module as _import_module

# public name -> module that defines it; a name mapped to None is a subpackage
_PUBLIC = {
    "ArchetypalAnalysis": "archetypal_triplet.archetypes",
    "EnsembleLabeler": "archetypal_triplet.labels",
    "ImageFeatures": "archetypal_triplet.images",
    "FlaggedLabeler": "archetypal_triplet.labels",
    "NeighborAverager": "archetypal_triplet.screens",
    "PseudoLabeler": "archetypal_triplet.labels",
    "ScreenNormalizer": "archetypal_triplet.screens",
    "TripletEmbedder": "archetypal_triplet.triplets",
    "bicross_validated_variance": "archetypal_triplet.archetypes",
    "make_archetypal_triplet": "archetypal_triplet._pipeline",
    "parsimonious": "archetypal_triplet.archetypes",
    "archetypes": None,
    "datasets": None,
    "images": None,
    "labels": None,
    "plotting": None,
    "qc": None,
    "report": None,
    "runs": None,
    "screens": None,
    "triplets": None,
}

__all__ = sorted(_PUBLIC)


def __getattr__(name):
    if name == "__version__":
        from importlib.metadata import version

        return version("archetypal-triplet")
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _PUBLIC[name]
    value = _import_module(f"{__name__}.{name}") if module is None else getattr(_import_module(module), name)
    globals()[name] = value
    return value


def __dir__():
    return [*__all__, "__version__"]
