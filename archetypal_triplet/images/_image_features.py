"""`ImageFeatures`: from images of fields or cells to a table of named features."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from archetypal_triplet._utils._frames import shorten
from archetypal_triplet.images._features._groups import GROUPS, NOT_BY_DEFAULT, Setting
from archetypal_triplet.images._features._learn import learn_channels
from archetypal_triplet.images._features._pass import (
    block_slices,
    check_images,
    engine_rows,
    measure_rows,
    read_rows,
    run_blocks,
)


class ImageFeatures(TransformerMixin, BaseEstimator):
    r"""Measure images of fields or cells: (n, C, H, W) in, a table of named features out.

    Without a mask an image is measured as a whole. With a mask (the crops that
    :func:`archetypal_triplet.images.extract_cells` cuts) the cell in its middle is measured: its nucleus and
    a ring of `ring_width` pixels around it, other nuclei left out.

    The groups, and what they measure of each channel (names end in the channel, then a size in pixels):

    ``"intensity"``
        ``Intensity_Mean``, ``SD``, ``Integrated`` (the sum), ``MAD`` (median absolute deviation) and
        ``Percentile1``, 10, 25, 50, 75, 90, 99.
    ``"nucleus"`` (with a mask)
        Mean, SD, sum, MAD and median of the nucleus (``Intensity_MeanNucleus``, ...), the same but the sum of
        the ring, the mean of the background, ``Intensity_RatioNucleusRing`` (mean of the nucleus over mean
        of the ring) and ``Intensity_ContrastNucleusRing`` (their difference over the sum of their
        magnitudes).
    ``"shape"`` (with a mask)
        Of the nucleus: ``AreaShape_Area``, ``Perimeter``, ``FormFactor``
        (:math:`4 \pi\, \mathrm{area} / \mathrm{perimeter}^2`), axes, ``Eccentricity``, ``ConvexArea``,
        ``Solidity``, ``Extent``, ``EquivalentDiameter``; defined as in `skimage.measure.regionprops`.
    ``"texture"``
        Haralick's thirteen measures [1]_ of the co-occurrence of grey levels at each of `scales`, four
        directions pooled, natural logarithms; the shares of the ten rotation-invariant uniform local binary
        patterns [2]_ of eight neighbors (``LBP0`` to ``LBP9``); and ``DoG``, the root mean square of
        differences between Gaussians of sigma 0, 1, 2 and 4.
    ``"granularity"``
        ``Granularity_1`` to ``6``: the share that each size has in what openings up to radius 6 remove.
    ``"correlation"``
        Of each pair of channels: ``Correlation_Pearson``, ``Overlap`` and the two of ``Manders``.
    ``"radial"``
        In four rings of equal width about the center of the nucleus (of the image, without one):
        ``RadialDistribution_FracAtD`` (share of the intensity), ``MeanFrac`` (that over the share of pixels)
        and ``RadialCV`` (variation over the eight sectors of a ring).
    ``"quality"``
        Of the whole image, for quality control: ``ImageQuality_LaplacianVariance`` and ``PowerSlope``
        (focus), ``ShareSaturated`` and ``ShareZero``. Not measured unless asked for: it tells of the image,
        not of the cell.

    Parameters
    ----------
    groups : str, list of str or None, default=None
        Groups to measure. None: all but "quality", of those that need a mask only if there is one. "all":
        "quality" too.
    channel_names : list of str, default=None
        A name for each channel; that of the mask may be left out. None: the `channel_names` of `X`, if it has
        some, as an `ImageStack` may, else ``Channel0``, ``Channel1``, ...
    mask_channel : int, default=None
        The channel that is a mask and no image: 0 background, 1 the nucleus of this cell, 2 other nuclei.
        Negative numbers count from the end: -1 for crops of ``extract_cells``.
    ring_width : int, default=6
        Width of the ring around the nucleus, in pixels.
    region : {"cell", "crop"}, default="cell"
        What is measured of an image with a mask: nucleus and ring, or everything but other nuclei.
    scales : tuple of int, default=(1, 3, 6)
        Distances of the co-occurrence, in pixels; the first is the radius of the binary patterns.
    levels : int, default=32
        Number of grey levels of the co-occurrence, at most 255.
    limits : tuple of two floats, default=(0.1, 99.9)
        Percentiles of each channel over the data set between which grey values are quantized. They are
        learned in `fit` and never per image, which would take the differences of brightness away.
    engine : callable, default=None
        Measures instead of the groups: gets images (n, C, H, W) without the mask channel, in the type that
        they have, and returns features (n, p). Features that it names by ``get_feature_names_out``
        keep these names.
    batch_size : int, default=None
        Images that are read, and handed to the engine, at a time. None: as many as fit in 16 MB, at least 1
        and at most 64.
    n_jobs : int, default=None
        Number of threads that measure (an engine is called by one at a time). The result is the same, bit
        for bit, for any number.
    verbose : int, default=0
        Shows a progress bar if positive.

    Attributes
    ----------
    n_features_in_ : int
        Number of channels, that of the mask included.
    channel_names_ : list of str
        Names of the channels, the mask left out.
    groups_ : list of str
        Groups that are measured; empty with an engine.
    limits_ : ndarray of shape (n_channels, 2)
        Grey values of `limits` for each channel, the mask left out; None with an engine.
    ceilings_ : ndarray of shape (n_channels,)
        Grey value at which a channel is saturated: the largest that its 8, 10, 12, 14 or 16 bits hold
        (whichever is the first to hold the largest value seen), 1 for floats up to 1, else the largest value
        seen; None with an engine.
    n_features_out_ : int
        Number of features.

    Raises
    ------
    ValueError
        If `X` is not four-dimensional; has no images; holds NaN or infinite pixels, or values other than 0, 1
        and 2 in the mask; has another number of channels than in `fit`; if a group is not known or needs
        a mask that is not there; if the engine returns anything but finite numbers, a row for each image.

    See Also
    --------
    archetypal_triplet.ScreenNormalizer : The step that follows.

    Notes
    -----
    Every feature is a finite number. An empty ring (a nucleus among others) takes the background of its
    crop. A crop without nucleus, such as a field that could not be read and is all zero, is measured
    whole and has a shape of zeros. A flat image has no variation, is one grey level, and correlates with
    nothing.

    `X` may be anything with a shape, a dtype and rows that can be sliced: an array, a memory map, an
    `ImageStack`, an h5py or zarr array. At most a batch of images a thread is in memory, as float64. `fit`
    looks at no more than 1,024 images, evenly spaced, and about four million pixels of each channel. Time is
    linear in the number of pixels: under a millisecond of one core for a crop of 64 x 64 pixels and two
    channels.

    References
    ----------
    .. [1] Haralick, Shanmugam, Dinstein (1973). Textural features for image classification. IEEE Transactions
       on Systems, Man, and Cybernetics 3, 610-621. https://doi.org/10.1109/TSMC.1973.4309314
    .. [2] Ojala, Pietikäinen, Mäenpää (2002). Multiresolution gray-scale and rotation invariant texture
       classification with local binary patterns. IEEE Transactions on Pattern Analysis and Machine
       Intelligence 24, 971-987. https://doi.org/10.1109/TPAMI.2002.1017623

    Examples
    --------
    >>> import numpy as np
    >>> from archetypal_triplet import ImageFeatures
    >>> rng = np.random.default_rng(0)
    >>> images = rng.integers(0, 200, size=(5, 2, 24, 24), dtype=np.uint8)
    >>> features = ImageFeatures(["intensity", "correlation"], channel_names=["DNA", "GFP"])
    >>> features.fit_transform(images).shape
    (5, 26)
    >>> features.get_feature_names_out()[[0, -1]].tolist()
    ['Intensity_Mean_DNA', 'Correlation_Manders_GFP_DNA']

    Crops of cells, whose last channel is the mask:

    >>> images[:, 0], images[:, 1] = 50, 0
    >>> images[:, 0, 8:16, 8:16], images[:, 1, 8:16, 8:16] = 100, 1
    >>> features = ImageFeatures("nucleus", channel_names=["GFP"], mask_channel=-1).fit(images)
    >>> table = features.set_output(transform="pandas").transform(images)
    >>> table["Intensity_RatioNucleusRing_GFP"].tolist()
    [2.0, 2.0, 2.0, 2.0, 2.0]

    Anything that turns images into rows of numbers can take the place of the groups:

    >>> engine = ImageFeatures(engine=lambda images: images.mean(axis=(2, 3)))
    >>> engine.fit(images).get_feature_names_out().tolist()
    ['engine0', 'engine1']
    """

    _parameter_constraints: dict = {
        "groups": [StrOptions({*GROUPS, "all"}), list, tuple, None],
        "channel_names": ["array-like", None],
        "mask_channel": [Integral, None],
        "ring_width": [Interval(Integral, 1, None, closed="left")],
        "region": [StrOptions({"cell", "crop"})],
        "scales": [list, tuple],
        "levels": [Interval(Integral, 2, 255, closed="both")],
        "limits": [list, tuple],
        "engine": [callable, None],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        groups=None,
        *,
        channel_names=None,
        mask_channel=None,
        ring_width=6,
        region="cell",
        scales=(1, 3, 6),
        levels=32,
        limits=(0.1, 99.9),
        engine=None,
        batch_size=None,
        n_jobs=None,
        verbose=0,
    ):
        self.groups = groups
        self.channel_names = channel_names
        self.mask_channel = mask_channel
        self.ring_width = ring_width
        self.region = region
        self.scales = scales
        self.levels = levels
        self.limits = limits
        self.engine = engine
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the range of each channel's grey values, and the names of the features.

        Parameters
        ----------
        X : array-like of shape (n, n_channels, height, width)
            The images.
        y : None
            Ignored.

        Returns
        -------
        ImageFeatures
            The fitted transformer.
        """
        X = check_images(X)
        n_channels = X.shape[1]
        mask = self._check_mask_channel(n_channels)
        self._check_sizes()
        channels = [c for c in range(n_channels) if c != mask]
        self.channel_names_ = self._name_channels(X, channels, mask)
        self.groups_ = self._choose_groups()
        self.n_features_in_ = n_channels
        self._mask = mask
        if self.engine is not None:
            rows, _ = read_rows(X, slice(0, 1), mask)
            self._names = self._name_engine(engine_rows(self.engine, rows).shape[1])
            self.limits_ = self.ceilings_ = self._setting = None
        else:
            self.limits_, self.ceilings_ = learn_channels(X, channels, self.limits)
            self._setting = self._settle()
            self._names = [name for group in self.groups_ for name in GROUPS[group].names(self._setting)]
        self.n_features_out_ = len(self._names)
        return self

    def transform(self, X):
        """Measure images.

        Parameters
        ----------
        X : array-like of shape (n, n_channels, height, width)
            The images; height and width may differ from those in `fit`.

        Returns
        -------
        ndarray of shape (n, n_features_out_)
            The features, float64.

        Raises
        ------
        ValueError
            If the images do not fit, see the class.
        """
        check_is_fitted(self)
        X = check_images(X)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} channels, but ImageFeatures is expecting {self.n_features_in_} channels "
                "as input (as in fit, the mask included). Give the same channels in the same order."
            )
        out = np.empty((X.shape[0], self.n_features_out_))
        groups = [GROUPS[group] for group in self.groups_]

        def measure(rows, images, mask):
            if self.engine is not None:
                out[rows] = engine_rows(self.engine, images, self.n_features_out_)
            else:
                measure_rows(images, mask, groups, self._setting, out[rows])

        run_blocks(
            X,
            block_slices(X, self.batch_size),
            self._mask,
            measure,
            n_jobs=self.n_jobs if self.engine is None else 1,
            verbose=self.verbose,
        )
        return out

    def get_feature_names_out(self, input_features=None):
        """Names of the features.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Ignored; the features have names of their own.

        Returns
        -------
        ndarray of str
            The names; ``engine0``, ``engine1``, ... with an engine that does not name its features itself
            by ``get_feature_names_out``.
        """
        check_is_fitted(self)
        return np.asarray(self._names, dtype=object)

    def _settle(self):
        return Setting(
            channels=self.channel_names_,
            limits=self.limits_,
            ceilings=self.ceilings_,
            scales=tuple(int(scale) for scale in self.scales),
            levels=int(self.levels),
            ring_width=int(self.ring_width),
            whole=self.region == "crop",
        )

    def _check_mask_channel(self, n_channels):
        mask = self.mask_channel
        if mask is None:
            return None
        if not -n_channels <= mask < n_channels:
            raise ValueError(
                f"mask_channel={mask} is not a channel of X, which has {n_channels}: give a number from "
                f"{-n_channels} to {n_channels - 1}, or None if there is no mask."
            )
        if n_channels == 1:
            raise ValueError(
                f"mask_channel={mask} is the only channel of X, so that no image is left to measure. Stack "
                "the mask behind the channels of the image."
            )
        return int(mask) % n_channels

    def _check_sizes(self):
        scales = self.scales
        if not scales or not all(isinstance(s, Integral) and s >= 1 for s in scales):
            raise ValueError(f"scales={scales!r} must be whole numbers of pixels from 1, such as (1, 3, 6).")
        if len(set(scales)) < len(scales):
            raise ValueError(f"scales={scales!r} names a distance twice. Give each once.")
        numbers = len(self.limits) == 2 and all(isinstance(value, Real) for value in self.limits)
        if not numbers or not 0 <= self.limits[0] < self.limits[1] <= 100:
            raise ValueError(
                f"limits={self.limits!r} must be two percentiles, the smaller one first, such as (0.1, 99.9)."
            )

    def _name_channels(self, X, channels, mask):
        n_channels, names = X.shape[1], self.channel_names
        if names is None:
            names = getattr(X, "channel_names", None)
        if names is None:
            return [f"Channel{c}" for c in channels]
        names = [str(name) for name in names]
        if mask is not None and len(names) == n_channels:
            names.pop(mask)
        if len(names) != len(channels):
            raise ValueError(
                f"channel_names has {len(names)} names ({shorten(names)}), and X has {len(channels)} channels"
                f"{' beside the mask' if mask is not None else ''}. Give a name for each."
            )
        if len(set(names)) < len(names):
            raise ValueError(f"channel_names={names!r} holds a name twice. Give each channel its own.")
        return names

    def _choose_groups(self):
        if self.engine is not None:
            return []
        has_mask = self.mask_channel is not None
        if self.groups is None or (isinstance(self.groups, str) and self.groups == "all"):
            left_out = NOT_BY_DEFAULT if self.groups is None else ()
            possible = [name for name, group in GROUPS.items() if has_mask or not group.needs_mask]
            return [name for name in possible if name not in left_out]
        groups = [self.groups] if isinstance(self.groups, str) else list(self.groups)
        unknown = [group for group in groups if group not in GROUPS]
        if unknown or not groups or len(set(groups)) < len(groups):
            what = f"names {unknown[0]!r}" if unknown else ("names a group twice" if groups else "is empty")
            raise ValueError(f"groups={self.groups!r} {what}. Groups to choose from: {', '.join(GROUPS)}.")
        without = [group for group in groups if GROUPS[group].needs_mask and not has_mask]
        if without:
            raise ValueError(
                f"groups={self.groups!r}: {without[0]!r} measures a nucleus, and mask_channel=None says that "
                "there is no mask. Give the channel of the mask, -1 for crops of extract_cells, or leave the "
                "group out."
            )
        return groups

    def _name_engine(self, n_features):
        if hasattr(self.engine, "get_feature_names_out"):
            names = [str(name) for name in self.engine.get_feature_names_out()]
            if len(names) == n_features:
                return names
        return [f"engine{k}" for k in range(n_features)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags
