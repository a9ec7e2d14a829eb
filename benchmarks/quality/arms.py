"""The arms of the benchmark: the method, what it starts from, and what could stand in its place.

Every arm maps a screen and a seed to one embedding of all its rows (several, for the supervised arm). All but
the last are blind to labels, compounds and concentrations: they see features, plates and which wells are
negative controls, and so they may see every row. That is transductive: the wells scored were trained on.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scoring import View
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state

from archetypal_triplet import ArchetypalAnalysis, make_archetypal_triplet
from archetypal_triplet._pipeline import LEVELS

N_FOLDS = 5
ONE_NUMBER = {"well": 16, "field": 16, "cell": 8}  # for the arms that must commit to one number of archetypes
INSTANCE_BATCH = {"labels_per_batch": 32, "samples_per_label": 2}  # 64 rows a batch, as everywhere


@dataclass(frozen=True)
class Setting:
    """A screen and how the method is to look at it.

    Attributes
    ----------
    screen : screen.Screen
        The table with its roles.
    level : {"well", "field", "cell"}
        What a row is.
    groups : list of str or None
        Columns whose equal values mark rows of one kind, as `make_archetypal_triplet` takes them.
    blind : bool
        Whether the method may not use the controls (when they are the very classes to be told apart).
    """

    screen: object
    level: str = "well"
    groups: list | None = None
    blind: bool = False
    extra: dict = field(default_factory=dict)

    def make_pipeline(self, n_archetypes=None, *, seed, **params):
        """Make the package's recommended Pipeline for this screen.

        Parameters
        ----------
        n_archetypes : int or None, default=None
            None is the default of the package.
        seed : int
            Seed of the whole chain.
        **params
            Other parameters of `make_archetypal_triplet`.

        Returns
        -------
        sklearn.pipeline.Pipeline
            Unfitted.
        """
        return make_archetypal_triplet(
            n_archetypes,
            level=self.level,
            plate=None if self.blind else self.screen.plate,
            controls=None if self.blind else self.screen.controls,
            groups=self.groups,
            features=self.screen.features,
            random_state=seed,
            **{**self.extra, **params},
        )

    @cached_property
    def whitened(self):
        """Output of the Pipeline's ScreenNormalizer, the same for all seeds: what the network takes."""
        normalizer = clone(self.make_pipeline(seed=0)["normalize"])
        return np.asarray(normalizer.fit_transform(self.screen.table), dtype=np.float64)

    @property
    def components(self):
        """The same without the column of groups, where there is one."""
        has_groups = self.make_pipeline(seed=0)["normalize"].append_groups
        return self.whitened[:, :-1] if has_groups else self.whitened

    def make_embedder(self, seed, **params):
        """Make the Pipeline's TripletEmbedder with some parameters changed.

        Parameters
        ----------
        seed : int
            Seed.
        **params
            Parameters of `TripletEmbedder`.

        Returns
        -------
        TripletEmbedder
            Unfitted.
        """
        return clone(self.make_pipeline(seed=seed)["embed"]).set_params(**params)


class RandomLabeler(BaseEstimator):
    """Labels drawn without looking: what the network makes of its input when the labels say nothing.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of labels.
    random_state : int, RandomState instance or None, default=None
        Seed.
    """

    def __init__(self, n_clusters=8, random_state=None):
        self.n_clusters = n_clusters
        self.random_state = random_state

    def fit(self, X, y=None):
        """Draw a label for every row of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Only its length matters.
        y : None
            Ignored.

        Returns
        -------
        self : RandomLabeler
            With `labels_`.
        """
        rng = check_random_state(self.random_state)
        self.labels_ = rng.randint(self.n_clusters, size=len(X))
        return self

    def fit_predict(self, X, y=None):
        """Draw a label for every row of X and return them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Only its length matters.
        y : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples,), int
            Labels.
        """
        return self.fit(X).labels_


def embed_plate_pca(setting, seed):
    """Subtract each plate's control mean, divide by the pooled within-plate control SD, clip at 20, PCA."""
    screen = setting.screen
    X = screen.X
    if setting.blind:
        center, scale = X.mean(axis=0), X.std(axis=0)
        Z = X - center
    else:
        plates, negative = screen.table[screen.plate].to_numpy(), screen.is_negative
        Z = X.copy()
        for plate in pd.unique(plates):
            own = plates == plate
            Z[own] -= X[own & negative].mean(axis=0)
        n_free = negative.sum() - len(set(plates[negative]))
        scale = np.sqrt((Z[negative] ** 2).sum(axis=0) / max(n_free, 1))
    varies = scale > 1e-12 * np.maximum(np.abs(X).max(axis=0), 1e-300)
    Z = np.clip(Z[:, varies] / scale[varies], -20, 20)
    n_components = min(setting.components.shape[1], *Z.shape)
    return View(PCA(n_components, random_state=seed).fit_transform(Z))


def embed_whitened(setting, seed):
    """Return the output of the package's ScreenNormalizer: what every network below starts from."""
    return View(setting.components)


def embed_coefficients(setting, seed):
    """Return the coefficients of one archetypal fit."""
    archetypes = ArchetypalAnalysis(ONE_NUMBER[setting.level], random_state=seed)
    return View(np.asarray(archetypes.fit_transform(setting.components), dtype=np.float64))


def embed_one_labeling(setting, seed):
    """Run the package's Pipeline with one number of archetypes."""
    return _fit_pipeline(setting, setting.make_pipeline(ONE_NUMBER[setting.level], seed=seed))


def embed_archetypal(setting, seed):
    """Run the package's Pipeline as it is by default."""
    return _fit_pipeline(setting, setting.make_pipeline(seed=seed))


def embed_archetypal_12(setting, seed):
    """Run the package's Pipeline with twelve labelings, each number of archetypes twice."""
    return _fit_pipeline(setting, setting.make_pipeline(seed=seed, n_labelings=12))


def embed_kmeans(setting, seed):
    """Train the same network on as many k-means labelings, with the same numbers of labels and halves."""
    return _fit_labeler(setting, seed, KMeans(n_init=10))


def embed_random(setting, seed):
    """Train the same network on as many labelings drawn at random."""
    return _fit_labeler(setting, seed, RandomLabeler(), max_samples=None)


def embed_instances(setting, seed):
    """Train the same network to tell every row from every other: two noisy copies of a row are one label."""
    W = setting.whitened
    embedder = setting.make_embedder(seed, labeler=None, keep_weight=0.0, **INSTANCE_BATCH)
    embedder.fit(np.concatenate([W, W]), np.tile(np.arange(len(W)), 2))
    return View(_embed(embedder, W))


def embed_supervised(setting, seed):
    """Train on the true labels of other compounds; a fold's network is asked only about those held out."""
    screen, W = setting.screen, setting.whitened
    compounds = screen.table[screen.compound].astype(str).to_numpy()
    known = screen.table[screen.label].notna().to_numpy() | screen.is_negative
    codes = pd.factorize(screen.table[screen.label].astype(str).where(~screen.is_negative, "control"))[0]
    treated = known & ~screen.is_negative
    views = []
    for held_out in split_compounds(compounds[treated], codes[treated], seed=seed):
        trained_on = known & (screen.is_negative | ~np.isin(compounds, sorted(held_out)))
        embedder = setting.make_embedder(seed, labeler=None, keep_weight=0.0)
        embedder.fit(W, np.where(trained_on, codes, -1))
        views.append(View(_embed(embedder, W), held_out))
    return views


def split_compounds(compounds, labels, *, seed, n_folds=N_FOLDS):
    """Split compounds into folds that take at most their share of every label.

    Parameters
    ----------
    compounds, labels : ndarray of shape (n_wells,)
        Of the treated wells.
    seed : int
        Seed of the order.
    n_folds : int, default=5
        Number of folds.

    Returns
    -------
    list of frozenset
        Compounds held out in each fold; every compound once.
    """
    rng = np.random.default_rng(seed)
    folds, turn = [set() for _ in range(n_folds)], 0
    for label in np.unique(labels):
        for compound in rng.permutation(np.unique(compounds[labels == label])):
            folds[turn % n_folds].add(str(compound))
            turn += 1
    return [frozenset(fold) for fold in folds if fold]


@dataclass(frozen=True)
class Arm:
    """One line of the table.

    Attributes
    ----------
    name, title : str
        For files and for people.
    embed : callable
        ``embed(setting, seed)`` returns a View or a list of them.
    is_seeded : bool
        Whether another seed gives another result.
    """

    name: str
    title: str
    embed: object
    is_seeded: bool = True


ARMS = (
    Arm("plate_pca", "plate-normalised PCA features", embed_plate_pca, is_seeded=False),
    Arm("whitened", "whitened features (ScreenNormalizer)", embed_whitened, is_seeded=False),
    Arm("coefficients", "coefficients of one archetypal fit", embed_coefficients),
    Arm("one_labeling", "one archetypal labeling + network", embed_one_labeling),
    Arm("archetypal_12", "12 archetypal labelings + network", embed_archetypal_12),
    Arm("archetypal", "48 archetypal labelings (the default)", embed_archetypal),
    Arm("kmeans", "48 k-means labelings + network", embed_kmeans),
    Arm("random", "48 random labelings + network", embed_random),
    Arm("instances", "instance discrimination + network", embed_instances),
    Arm("supervised", "supervised, compounds held out *", embed_supervised),
)


def _fit_pipeline(setting, pipeline):
    table = setting.screen.table
    return View(np.asarray(pipeline.fit(table).transform(table), dtype=np.float64))


def _fit_labeler(setting, seed, clusterer, **ensemble_params):
    """Put a clusterer in the place of the archetypes, after the neighbour averaging, if any."""
    embedder = setting.make_embedder(seed)
    labeler = embedder.labeler
    ensemble = labeler.steps[-1][1] if isinstance(labeler, Pipeline) else labeler
    ensemble.set_params(
        labeler=clusterer,
        param_distributions={"n_clusters": list(LEVELS[setting.level]["n_archetypes"])},
        **ensemble_params,
    )
    return View(_embed(embedder.fit(setting.whitened), setting.whitened))


def _embed(embedder, W):
    return np.asarray(embedder.transform(W), dtype=np.float64)
