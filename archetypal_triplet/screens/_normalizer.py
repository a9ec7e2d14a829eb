"""`ScreenNormalizer`: from raw profiles to components in which the nuisance is whitened."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from archetypal_triplet._utils._frames import select_rows
from archetypal_triplet._utils._groups import group_means
from archetypal_triplet._utils._roles import (
    check_plates_have_controls,
    group_codes,
    group_names,
    plate_names,
)
from archetypal_triplet.screens import _whitening as kernels
from archetypal_triplet.screens._inputs import check_appended, read_features, read_flags
from archetypal_triplet.screens._normalizer_fit import (
    find_typical_variation,
    fit_components,
    fit_plate_step,
    fit_whitening,
)


class ScreenNormalizer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Turn the profiles of a screen into components with the nuisance whitened and long rows softened.

    Four steps, each of which can be followed in the fitted attributes:

    1. *Plate step.* Every feature minus the mean of its plate's controls, divided by the pooled
       within-plate standard deviation of the controls, clipped at :math:`\pm` `clip`. Without `controls`,
       every feature minus its mean over all rows, divided by its standard deviation, clipped: rows are never
       centered by plate without controls, because a plate's mean then holds the effects of its compounds.
    2. *Principal components* of the result: its principal axes about the mean row, with coordinates that are
       measured from zero, the state of the controls (from the mean row, without `controls` or with
       ``origin="mean"``). So the length of a row is its distance from the untreated state.
    3. *Regularized whitening.* :math:`z \leftarrow z (C + \mathrm{ridge}\, I)^{-1/2}`, where :math:`C` is the
       covariance of the variation that means nothing, scaled to a mean eigenvalue of 1: deviations of rows
       from the mean of their group where `groups` is given, else of controls from the mean of their
       plate's controls. Where both are given and controls lie in several groups of a plate (wells of cells
       or fields; four on one plate at least), :math:`C` is the mean of two such covariances: of rows about
       their group's mean, and of the means of control groups about their plate's. The first is the scatter
       of cells; the second is what all cells of a well share (staining, focus, density), which no deviation
       within wells can show. With neither, every component is divided by the square root of its standard
       deviation.
    4. *Soft length.* :math:`z \leftarrow z / \sqrt{|z|^2 + c^2}` with `c` = `soft_length` times the median
       length of the controls (of all rows, where the mean row is the origin). Short rows keep their
       proportions, and a few violent phenotypes no longer outweigh all the others.

    Parameters
    ----------
    plate : str, default=None
        Column that names the plate of a row. None: the whole table is one plate.
    controls : str, default=None
        Query that chooses the negative (vehicle) controls, as `pandas.DataFrame.query` understands it, such
        as ``"Metadata_ControlType == 'negative'"``. It may compare columns, and call ``isin``, ``isna``,
        ``between`` and the likes of ``str.startswith``; anything else is refused.
    groups : str or list of str, default=None
        Column or columns that name what should look alike: the well of fields or of cells, or the treatment
        of replicate wells. ``Metadata_Well`` and ``Metadata_Site`` are taken within their plate if `plate` is
        given. Rows without a value, and groups of one row, are not used.
    features : list of str, default=None
        Feature columns. None: every column of the table that has no role and does not begin with
        ``Metadata_``.
    n_components : int or "auto", default=30
        Number of components; 30 suits wells, 40 images. "auto" takes as many as hold 90 % of the variance
        after step 1, but at most 30, a third of the features and half of the degrees of freedom of :math:`C`.
        Fewer come out where the table spans fewer dimensions, or where fewer independent deviations are there
        to estimate :math:`C` from. It should lie well below the number of controls (or of grouped rows): a
        `DataWarning` says so where it is above half of their degrees of freedom.
    ridge : "auto" or float, default="auto"
        Ridge of the whitening, in units of the mean eigenvalue of :math:`C`. "auto" is 0.1 for controls and
        for groups that span plates (replicates), 2.0 for small groups (median size below 10: fields of
        a well) and 0.5 for large ones (cells of a well). Not used if neither `controls` nor `groups` is
        given.
    soft_length : float or None, default=2.0
        The constant of step 4 in median lengths; single cells do better with 1. None leaves lengths alone.
    clip : float or None, default=20.0
        Bound of step 1 in standard deviations. None does not clip.
    balance : {"category"} or None, default=None
        "category" weights the features before step 2 such that each category (the word before or after the
        compartment in CellProfiler's names: AreaShape, Intensity, Texture, ...) has the same largest variance
        along one axis. A category with a hundred features then no longer outvotes one with ten. Of arrays,
        and where all features are of one category, it changes nothing but the scale.
    origin : {"controls", "mean"}, default="controls"
        Where components and lengths are measured from: the state of the controls, or the mean row, which is
        taken without `controls` in any case.
    append_groups : bool, default=False
        Whether `transform` appends the number of each row's group as a last column, for a `NeighborAverager`
        and a `TripletEmbedder` with ``groups_column=-1``. It needs `groups`.
    flags : str, default=None
        Column of flags, 0 or 1 (False or True), such as ``Metadata_atq_IsFlagged``. Flagged rows shape
        nothing: the fit is that of the table without them. They are transformed as all others are, but a
        plate needs controls that are not flagged. A table to transform need not have the column.
    append_flags : bool, default=False
        Whether `transform` appends the flags as a last column, 0 where the table has none, for a
        `FlaggedLabeler` with ``flag_column=-1``. It needs `flags`, and excludes `append_groups`.

    Attributes
    ----------
    n_features_in_ : int
        Number of features (columns with a role and metadata are not counted).
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if fitted on a table whose column names are all strings.
    features_kept_ : ndarray of shape (n_features_in_,), dtype bool
        False for features that do not vary (among the controls, where there are any).
    plates_ : list of str
        Plates whose centers are stored, sorted; empty if rows are not centered by plate.
    centers_ : ndarray of shape (n_plates, n_kept)
        Center of each plate, one row for the whole table if `plates_` is empty.
    scale_ : ndarray of shape (n_kept,)
        Standard deviation by which each kept feature is divided.
    n_components_ : int
        Number of components.
    weights_ : ndarray of shape (n_kept,)
        Weight of each kept feature after step 1; 1 without `balance`.
    components_ : ndarray of shape (n_components_, n_kept)
        Principal axes; the largest entry of each is positive.
    mean_ : ndarray of shape (n_kept,)
        Origin of the components after step 1: zero, the vehicle state, where `controls` is given and
        `origin` is "controls", else the mean row.
    explained_variance_ratio_ : ndarray of shape (n_components_,)
        Share of the variance after step 1 that lies along each axis.
    ridge_ : float or None
        The ridge used; None without `controls` and `groups`.
    whitening_ : ndarray of shape (n_components_, n_components_)
        Matrix of step 3; symmetric.
    groups_ : list of str
        Names of the groups by their number; empty unless `append_groups` is set.
    length_scale_ : float or None
        The constant `c` of step 4, in whitened units; None if `soft_length` is None.

    Raises
    ------
    ValueError
        In `fit`: a role that is not a column; a query that matches nothing (the message lists the values that
        occur); plates without controls (named); features that are text, NaN or infinite (counted, by column);
        no feature that varies. In `transform`: missing features, or a plate that `fit` has not seen and
        that has no controls.
    TypeError
        If a role is given and `X` is not a table.

    See Also
    --------
    NeighborAverager : Averages cells with their neighbors before the archetypal fit.
    archetypal_triplet.screens.read_profiles : Reads the tables.

    Notes
    -----
    Time is O(n_samples * n_features * min(n_samples, n_features)), memory one or two blocks of rows beside
    one float64 copy of the features; no array of n_samples x n_samples is made.

    `transform` uses the stored center for a plate that `fit` has seen and the plate's own controls for a new
    one. With `plate=None` the stored center is always used. A table with roles, with `features`, or with
    columns that begin with ``Metadata_`` gives its features by name, in any order and beside any other
    column; a plain table of features is held to scikit-learn's rule: the same names in the same order.

    The ridge is what keeps whitening from blowing up directions in which controls hardly vary.
    A covariance of within-class variation that is whitened before comparing goes back to linear discriminant
    analysis; for profiles see [1]_ (section "Sphering").

    References
    ----------
    .. [1] Caicedo et al. (2017). Data-analysis strategies for image-based cell profiling. Nature Methods 14,
       849-863. https://doi.org/10.1038/nmeth.4397
    .. [2] Escofier B., Pages J. (1994). Multiple factor analysis (AFMULT package). Computational Statistics
       and Data Analysis 18(1), 121-140, section 2 (the weights of `balance`).

    Examples
    --------
    A plain array: standardized, projected, softened.

    >>> import numpy as np
    >>> from archetypal_triplet import ScreenNormalizer
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 5))
    >>> normalizer = ScreenNormalizer(n_components=3).fit(X)
    >>> normalizer.transform(X).shape
    (60, 3)

    A screen: two plates with an offset of their own, four controls on each.

    >>> import pandas as pd
    >>> table = pd.DataFrame(X, columns=list("abcde"))
    >>> table["Metadata_Plate"] = np.repeat(["P1", "P2"], 30)
    >>> table["Metadata_ControlType"] = np.where(np.arange(60) % 30 < 8, "negative", "sample")
    >>> table.loc[30:, "a"] += 100.0
    >>> normalizer = ScreenNormalizer(
    ...     "Metadata_Plate", "Metadata_ControlType == 'negative'", n_components=3
    ... )
    >>> normalizer.fit_transform(table).shape
    (60, 3)
    >>> normalizer.plates_
    ['P1', 'P2']
    >>> normalizer.get_feature_names_out()[0]
    'screennormalizer0'
    """

    _parameter_constraints: dict = {
        "plate": [str, None],
        "controls": [str, None],
        "groups": [str, list, tuple, None],
        "features": ["array-like", None],
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "ridge": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "soft_length": [Interval(Real, 0, None, closed="neither"), None],
        "clip": [Interval(Real, 0, None, closed="neither"), None],
        "balance": [StrOptions({"category"}), None],
        "origin": [StrOptions({"controls", "mean"})],
        "append_groups": ["boolean"],
        "flags": [str, None],
        "append_flags": ["boolean"],
    }

    def __init__(
        self,
        plate=None,
        controls=None,
        groups=None,
        *,
        features=None,
        n_components=30,
        ridge="auto",
        soft_length=2.0,
        clip=20.0,
        balance=None,
        origin="controls",
        append_groups=False,
        flags=None,
        append_flags=False,
    ):
        self.plate = plate
        self.controls = controls
        self.groups = groups
        self.features = features
        self.n_components = n_components
        self.ridge = ridge
        self.soft_length = soft_length
        self.clip = clip
        self.balance = balance
        self.origin = origin
        self.append_groups = append_groups
        self.flags = flags
        self.append_flags = append_flags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn centers, scales, components and whitening.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            The profiles. A table where a role is given.
        y : None
            Ignored; the profiles are never compared with labels.

        Returns
        -------
        ScreenNormalizer
            The fitted transformer.
        """
        check_appended(self)
        frame, values = read_features(self, X, reset=True)
        is_flagged = read_flags(frame, self.flags)
        if is_flagged is not None and is_flagged.any():
            if is_flagged.all():
                raise ValueError(f"flags={self.flags!r} flags all {len(values)} rows; none is left to fit.")
            frame, values = frame[~is_flagged], values[~is_flagged]
        is_control = None if self.controls is None else select_rows(frame, self.controls)
        codes = fit_plate_step(self, frame, values, is_control)
        grouped = find_typical_variation(self, frame, codes, is_control)
        fit_components(self, values, codes, grouped)
        scores = self._project(values, self.centers_, codes)
        fit_whitening(self, scores, grouped, frame, codes, is_control)
        scores = scores @ self.whitening_
        from_mean = is_control is None or self.origin == "mean"
        lengths = np.linalg.norm(scores if from_mean else scores[is_control], axis=1)
        self.length_scale_ = None
        if self.soft_length is not None:
            # where half of the rows lie on the mean the median says nothing; some row has a length
            typical = np.median(lengths) or np.sqrt(np.mean(np.square(scores).sum(axis=1)))
            self.length_scale_ = float(self.soft_length * typical)
        self.groups_ = []
        if self.append_groups:
            self.groups_ = group_names(frame, self.groups, grouped, plate=self.plate)
        return self

    def transform(self, X):
        """Normalize profiles with what `fit` has learned.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            The profiles; a table where a role is given. The query of `controls` is asked only if there are
            plates that `fit` has not seen.

        Returns
        -------
        ndarray of shape (n_samples, n_components_)
            The components, metadata dropped. Rows are shorter than 1 unless `soft_length` is None.

        Raises
        ------
        ValueError
            If features are missing, or a plate is neither known nor has controls in `X`.
        """
        check_is_fitted(self)
        frame, values = read_features(self, X, reset=False)
        centers, codes = self._find_centers(frame, values)
        scores = self._project(values, centers, codes) @ self.whitening_
        if self.length_scale_ is not None:
            scores = kernels.soften_length(scores, self.length_scale_)
        if self.append_groups:
            return np.column_stack([scores, self._number_groups(frame)])
        if self.append_flags:
            is_flagged = read_flags(frame, self.flags)
            return np.column_stack([scores, np.zeros(len(scores)) if is_flagged is None else is_flagged])
        return scores

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Ignored; the components have names of their own.

        Returns
        -------
        ndarray of str
            ``screennormalizer0``, ``screennormalizer1``, ... and with `append_groups` a last ``group``, with
            `append_flags` a last ``flag``.
        """
        names = super().get_feature_names_out(input_features)
        if not (self.append_groups or self.append_flags):
            return names
        return np.append(names[:-1], "group" if self.append_groups else "flag").astype(object)

    def _standardize(self, values, centers, codes):
        z = kernels.standardize(values[:, self.features_kept_], centers, codes, self.scale_, self.clip)
        return z if self.balance is None else np.multiply(z, self.weights_, out=z)

    def _project(self, values, centers, codes):
        scores = np.empty((len(values), self.n_components_))
        for rows in kernels.row_blocks(len(values)):
            z = self._standardize(values[rows], centers, codes[rows])
            z -= self.mean_
            scores[rows] = z @ self.components_.T
        return scores

    def _find_centers(self, frame, values):
        """Return centers and the row of them that each sample takes; new plates bring their own controls."""
        if not self.plates_:
            return self.centers_, np.zeros(len(values), dtype=np.intp)
        names = plate_names(frame, self.plate)
        new = sorted(set(names.tolist()) - set(self.plates_))
        index = {name: i for i, name in enumerate([*self.plates_, *new])}
        codes = np.array([index[name] for name in names.tolist()], dtype=np.intp)
        if not new:
            return self.centers_, codes
        chosen = select_rows(frame, self.controls, allow_empty=True) & (codes >= len(self.plates_))
        is_flagged = read_flags(frame, self.flags)
        chosen = chosen if is_flagged is None else chosen & ~is_flagged
        codes_new = codes[chosen] - len(self.plates_)
        counts, flags = np.bincount(codes_new, minlength=len(new)), None if is_flagged is None else self.flags
        check_plates_have_controls(new, counts, seen=self.plates_, flags=flags)
        centers = group_means(values[chosen][:, self.features_kept_], codes_new, len(new))
        return np.vstack([self.centers_, centers]), codes

    def _number_groups(self, frame):
        """Number of each row's group: its place in groups_, above for groups that fit has not seen."""
        codes = group_codes(frame, self.groups, plate=self.plate)
        names = group_names(frame, self.groups, codes, plate=self.plate)
        number = {name: i for i, name in enumerate(self.groups_)}
        numbers = [number.setdefault(name, len(number)) for name in names]
        return np.array([*numbers, -1], dtype=np.float64)[codes]

    @property
    def _n_features_out(self):
        return self.n_components_ + bool(self.append_groups or self.append_flags)
