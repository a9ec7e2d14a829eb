"""The estimator of stage 3."""

import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils.validation import check_is_fitted

from archetypal_triplet.triplets._encoders import check_module
from archetypal_triplet.triplets._inference import compute_embedding
from archetypal_triplet.triplets._inputs import read_input, scale_input
from archetypal_triplet.triplets._labels import NO_SOURCE, find_codes
from archetypal_triplet.triplets._parameters import CONSTRAINTS
from archetypal_triplet.triplets._scoring import TripletScoreMixin
from archetypal_triplet.triplets._seeding import resolve_device
from archetypal_triplet.triplets._settings import find_window
from archetypal_triplet.triplets._training import find_previous, train_network
from archetypal_triplet.triplets._validation import measure_spread


class TripletEmbedder(TripletScoreMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Embedding learned by a neural network from triplets of (pseudo-)labeled samples.

    The network f maps a sample to a point on the unit sphere. It is trained so that an anchor lies nearer to
    a positive (a sample with the anchor's label) than to a negative (a sample with another label), by a
    margin in Euclidean distance::

        loss = mean over triplets of max(0, |f(a) - f(p)| - |f(a) - f(n)| + margin)

    The labels come from one source: a `labeler` that is fitted on `X`, a `label_column` of `X`, or, if both
    are None, the target `y`. With a labeler or a label column `y` is ignored, as PCA ignores it. The label -1
    means "none", and such samples are never trained on.

    Parameters
    ----------
    labeler : estimator, "instances" or None, default=None
        Source of labels: anything with `fit_predict`, or with `fit` and `predict`, e.g. a Pipeline ending in
        `PseudoLabeler`, an `EnsembleLabeler`, `KMeans` or a whole `GridSearchCV`. A clone is fitted on `X`
        exactly as passed to `fit`. It returns labels of shape (n_samples,), or several labelings of shape
        (n_samples, n_labelings), of which every batch draws one. `transform` never calls it. "instances" is
        instance discrimination, for lack of labels: every sample is a label of its own, and a batch holds two
        views of each of its samples, which differ by augmentation and noise.
    label_column : int, str or None, default=None
        Source of labels: index or name of the column of `X` that holds them, as whole numbers. The column is
        taken out of the network's input, in `fit` and in `transform`.
    module : class, callable or None, default=None
        What makes the network: a torch module's class or a function returning one, never an instance. It is
        called with those of `in_shape` (shape of one sample) and `embedding_dim` that its signature names,
        and with `module_kwargs`; its result maps ``(n, *in_shape)`` to (n, embedding_dim). The output is
        scaled to unit length afterwards. None is :func:`~archetypal_triplet.triplets.make_mlp` for tables,
        a perceptron p-128-128-embedding_dim, and :func:`~archetypal_triplet.triplets.make_cnn` for images, a
        small residual network with mean + SD pooling.
    module_kwargs : dict or None, default=None
        Further arguments of `module`; for None those of the two functions.
    backbone : callable or None, default=None
        A frozen network for images: ``backbone(images) -> features`` of shape (n, p) is computed once for all
        images, and the network is trained on these features as on a table.
        :class:`~archetypal_triplet.triplets.TorchFeatures` makes one of a torch module.
    criterion : class, callable or None, default=None
        Any loss ``(embedding, labels) -> scalar`` in the triplet loss's place; `mining` and `margin` are then
        not used. A class (or a `functools.partial`) is called without arguments to make the loss. A label's
        number is unique over all labelings, so losses with one proxy per label work too; their weights are
        trained along.
    mining : {"semihard", "batch_hard", "easy_positive", "random"}, default="semihard"
        How each anchor of a batch gets its triplet. "semihard": a random positive and the nearest negative
        farther away than it; "batch_hard": the farthest positive and the nearest negative, which collapses
        easily on noisy labels; "easy_positive": the nearest positive and the semi-hard negative; "random".
    margin : float or "soft", default=0.2
        Margin of the loss, in Euclidean distance on the unit sphere (0 to 2). "soft" replaces the loss by
        ``log(1 + exp(|f(a) - f(p)| - |f(a) - f(n)|))``.
    embedding_dim : int, default=32
        Dimension of the embedding. Project a wide embedding for looking at it; training in 2 dimensions is
        much worse.
    labels_per_batch : int, default=8
        Labels in a batch; all labels where there are fewer.
    samples_per_label : int, default=8
        Distinct samples of each label in a batch; all samples of a label that has fewer.
    max_steps : int or None, default=None
        Training steps (batches), not epochs; None is 400 for tables and 1200 for images. More is not better:
        pseudo-labels get learned by heart.
    lr : float, default=3e-3
        Highest learning rate of AdamW's one-cycle schedule.
    weight_decay : float, default=1e-4
        Weight decay of AdamW.
    input_noise : float or None, default=None
        Standard deviation of the Gaussian noise added to training inputs, in units of each column's standard
        deviation in the training data. With more than two dimensions columns are channels. None is 1 for
        tables and 0 for images, which are augmented instead.
    keep_weight : float or None, default=None
        Weight of the keep term, the mean squared difference between the cosines of embedding and standardized
        input over the pairs of a batch. It rescues weak labels. None is 1 for tables with fewer than 4
        labelings, else 0.
    instance_weight : float, default=0.0
        Weight of the instance term. Above 0 every sample of a batch is there twice, in two views that differ
        by augmentation and noise, and for each view the loss adds -log of the share that the sample's other
        view has among all others, by ``exp(cosine / 0.2)``. Samples of one label are told apart too, so what
        differs among them is kept: labels alone flatten it. With images 0.3 put doses in better order than
        none, and separated controls better than 1.
    augment : callable, False or None, default=None
        ``augment(inputs, generator) -> inputs``, applied to each standardized batch (a tensor on the device)
        before the noise; draws only from the torch generator. None is
        :class:`~archetypal_triplet.triplets.ImageAugmentation` for images and nothing for tables; False is
        nothing.
    channels : sequence of int, slice or None, default=None
        Channels of images that the network gets; None is all. ``slice(None, -1)`` leaves the mask of cell
        crops away, which is their last channel.
    crop_size : int, "auto" or None, default="auto"
        Images are trained on random square windows of this side, and nothing else of them is read;
        `transform` embeds whole images. "auto" is 96 where the shorter side has more than 128 pixels;
        None, and "auto" on smaller images, is whole images.
    groups_column : int, str or None, default=None
        Column of `X` with groups, e.g. plates, as numbers or (in frames) text. A positive from another group
        than the anchor's is preferred. The column is taken out of the network's input; the labeler still
        gets it.
    validation_fraction : float, default=0.0
        Share of the samples held out to stop early by: every 20 steps the share of fixed triplets of held-out
        samples in the right order is computed, and the best weights are kept. 0 is no early stopping.
    patience : int, default=5
        Early stopping: looks without a better share before training stops.
    device : str or torch.device, default="auto"
        Where to train and transform: "cpu", "cuda", "cuda:1" ...; "auto" is CUDA where there is one, else the
        CPU.
    precision : {"fp32", "bf16"}, default="fp32"
        Precision of the forward pass in training; "bf16" is torch's autocast. Distances and losses are always
        computed in float32, and so is `transform`.
    compile : bool, default=False
        Compile the network with `torch.compile`; pays only for large networks, and needs a C++ compiler.
    deterministic : bool, default=False
        Have torch use deterministic algorithms during `fit`. On the CPU the same seed and number of threads
        give the same result anyway.
    checkpoint_path : str, path-like or None, default=None
        File for the state of training, written every 20 steps. If it exists when `fit` begins, training goes
        on from it, and ends with the same weights as without the interruption; a damaged file and one of
        other data or parameters are refused. Tables, labels and groups are compared as a whole, images by
        shape, type and 64 evenly spaced rows; functions by their code, other objects by their `repr`, or by
        their type where that holds an address.
    callbacks : list of skorch.callbacks.Callback or None, default=None
        Further skorch callbacks; an epoch is a round of 20 steps.
    warm_start : bool, default=False
        Go on from the weights (and the input scaling) of the previous `fit` with `max_steps` more steps.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, batches, noise and mining. Neither numpy's nor torch's global generator is changed.
    verbose : int, default=0
        Above 0 progress is logged at level INFO by the logger "archetypal_triplet.triplets"; above 1 there
        are also progress bars (with tqdm, of the extra `screens`).

    Attributes
    ----------
    labeler_ : estimator
        The fitted labeler; only with `labeler`.
    labels_ : ndarray of shape (n_samples,) or (n_samples, n_labelings)
        The labels of the training samples.
    classes_ : ndarray of shape (n_labels,), or list of such
        The sorted labels other than -1; a list with one array per labeling where there are several.
    net_ : skorch.NeuralNet
        The fitted net; ``net_.module_`` is the torch module.
    n_steps_ : int
        Steps trained, earlier fits under `warm_start` included.
    history_ : list of dict
        One record per round of 20 steps: `step`, `loss` (mean over the round, of labels alone),
        `active` (share of triplets with a loss above 0, or with ``margin="soft"`` in the wrong order; NaN
        with `criterion`), `spread` and `effective_rank` of the last batch's embedding, `lr`, and with
        validation `valid_score`.
    in_shape_ : tuple of int
        Shape of one sample as the network was trained on it: without label and group column, of images the
        window.
    device_ : str
        Where the network is. A pickle is always on the CPU.
    spread_ : float
        Root mean square distance of the training samples' embedding to its mean: at most 1, near 0 after
        collapse.
    n_features_in_ : int
        Number of columns of `X`, label and group columns included; of images number of channels.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns; only if `X` has names that are all strings.

    Warns
    -----
    CollapseWarning
        If the embedding has collapsed at the end of training: `spread_` below 0.2 and the loss within 5 % of
        the margin.
    DataWarning
        If labels with a single sample are left out and there is only one labeling, or if labelings with a
        single label are left out.

    Notes
    -----
    A step costs O(b^2 embedding_dim) time and O(b^2) memory for a batch of b = labels_per_batch x
    samples_per_label beside the network itself, whatever the number of samples; `fit` holds one float32 copy
    of a table, and one in its own type where a label or group column is taken out of it. Images are never
    copied whole: a batch (in `transform` a block) is read at a time, in a thread while the one before is
    computed unless they are in memory anyway, and scaled on the device by each channel's mean and SD over a
    sample of the data set, never of an image. Labels for images may come from features: pass them as `y`, or
    make the labeler a Pipeline that begins with `ImageFeatures`.

    References
    ----------
    F. Schroff, D. Kalenichenko, J. Philbin. FaceNet: a unified embedding for face recognition and clustering.
    CVPR 2015, section 3.2 (semi-hard triplets). A. Hermans, L. Beyer, B. Leibe. In defense of the triplet
    loss for person re-identification. arXiv:1703.07737, section 2 (batches of P labels x K samples).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import make_blobs
    >>> from archetypal_triplet import TripletEmbedder
    >>> X, mechanism = make_blobs(200, n_features=10, centers=4, random_state=0)
    >>> embedder = TripletEmbedder(KMeans(4, n_init=1, random_state=0), max_steps=60, random_state=0)
    >>> embedding = embedder.fit_transform(X)
    >>> embedding.shape
    (200, 32)
    >>> bool(np.allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-6))
    True
    >>> embedder.score(X) > 0.95
    True
    """

    _parameter_constraints = CONSTRAINTS

    def __init__(
        self,
        labeler=None,
        *,
        label_column=None,
        module=None,
        module_kwargs=None,
        backbone=None,
        criterion=None,
        mining="semihard",
        margin=0.2,
        embedding_dim=32,
        labels_per_batch=8,
        samples_per_label=8,
        max_steps=None,
        lr=3e-3,
        weight_decay=1e-4,
        input_noise=None,
        keep_weight=None,
        instance_weight=0.0,
        augment=None,
        channels=None,
        crop_size="auto",
        groups_column=None,
        validation_fraction=0.0,
        patience=5,
        device="auto",
        precision="fp32",
        compile=False,
        deterministic=False,
        checkpoint_path=None,
        callbacks=None,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.labeler = labeler
        self.label_column = label_column
        self.module = module
        self.module_kwargs = module_kwargs
        self.backbone = backbone
        self.criterion = criterion
        self.mining = mining
        self.margin = margin
        self.embedding_dim = embedding_dim
        self.labels_per_batch = labels_per_batch
        self.samples_per_label = samples_per_label
        self.max_steps = max_steps
        self.lr = lr
        self.weight_decay = weight_decay
        self.input_noise = input_noise
        self.keep_weight = keep_weight
        self.instance_weight = instance_weight
        self.augment = augment
        self.channels = channels
        self.crop_size = crop_size
        self.groups_column = groups_column
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.device = device
        self.precision = precision
        self.compile = compile
        self.deterministic = deterministic
        self.checkpoint_path = checkpoint_path
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    # the labeler is validated by its own fit
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, groups=None):
        """Get the labels and train the network.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features_in), or images
            Samples. Images are anything of shape (n_samples, channels, height, width) with `dtype` and row
            access (NumPy, memmap, zarr, h5py, `ImageStack`); with `module` also arrays of other dimensions.
        y : array-like of shape (n_samples,) or (n_samples, n_labelings), default=None
            Labels; used only if `labeler` and `label_column` are both None.
        groups : array-like of shape (n_samples,), default=None
            Group of each sample, e.g. its plate: the same as a `groups_column`, which images cannot have.

        Returns
        -------
        self : TripletEmbedder
            The fitted estimator.

        Raises
        ------
        ValueError
            If there is no source of labels, or two of them; if labels are no whole numbers or fewer than two
            labels have two samples; if images hold NaN or lack a channel; if `module` is an instance or its
            output has the wrong shape; if `device` does not exist here; if `checkpoint_path` belongs to
            another fit; if training diverges; if `callbacks` or `criterion` do not fit.
        TypeError
            If `labeler` is a class.
        """
        return self._learn(X, y, groups, partial=False)

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None, groups=None):
        """Train one more round of 20 steps on these samples.

        For samples that come in portions. The first call makes the network and the input scaling (let its
        samples be typical); the rate is lr / 2 throughout, as no end is known; validation and checkpoints
        are for `fit`. The labeler is fitted in the first call and predicts in the later ones. A pickled
        estimator goes on, with a fresh optimizer.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features_in), or images
            Samples, as in `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_labelings), default=None
            Labels; used only if `labeler` and `label_column` are both None. A label need not mean the same
            in two calls, unless `criterion` has weights of its own for labels.
        groups : array-like of shape (n_samples,), default=None
            Group of each sample.

        Returns
        -------
        self : TripletEmbedder
            The estimator.

        Raises
        ------
        ValueError
            As in `fit`; and if `X` differs in shape from that of the calls before.
        """
        return self._learn(X, y, groups, partial=True)

    def _learn(self, X, y, groups, *, partial):
        check_module(self.module)
        device = resolve_device(self.device)
        if self.labeler is None and self.label_column is None and y is None:
            raise ValueError(NO_SOURCE)
        is_later = partial and hasattr(self, "net_")
        table = read_input(self, X, groups=groups, reset=not is_later)
        labeler = getattr(self, "labeler_", None) if is_later else None
        coded = find_codes(self, X, table, y, labeler)

        window = find_window(self, table.features)
        in_shape = (*table.features.shape[1:][: 1 if window else None], *(window or ()))
        previous = find_previous(self, in_shape=in_shape, partial=partial)
        scaling = scale_input(table.features) if previous is None else previous.scaling
        trained = train_network(
            self, table, coded.codes, scaling, device, previous, window=window, partial=partial
        )

        self._mean, self._inverse_scale = scaling
        self._n_features_out = self.embedding_dim
        self.in_shape_ = in_shape
        self.labels_ = coded.labels
        self.classes_ = coded.classes if coded.labels.ndim == 2 else coded.classes[0]
        if coded.labeler is not None:
            self.labeler_ = coded.labeler
        elif hasattr(self, "labeler_"):
            del self.labeler_
        self.device_ = str(device)
        self.net_, self.n_steps_, self.history_ = trained
        self.spread_ = measure_spread(self, table.features, window)
        return self

    def _embed(self, features, *, window=None, verbose=0):
        return compute_embedding(
            self.net_.module_,
            features,
            self._mean,
            self._inverse_scale,
            torch.device(self.device_),
            window=window,
            verbose=verbose,
        )

    def transform(self, X):
        """Embed samples.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features_in), or images
            Samples, with the same columns (channels) as in `fit`; a label or group column is taken out and
            not used. Images are embedded whole, in chunks, whatever their height and width.

        Returns
        -------
        ndarray of shape (n_samples, embedding_dim), float32
            Unit vectors. A sample's embedding does not depend on the other samples of the call.
        """
        check_is_fitted(self)
        return self._embed(read_input(self, X, reset=False).features, verbose=self.verbose)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.labeler is None and self.label_column is None
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __getstate__(self):
        state = dict(super().__getstate__())
        # the net pickles itself on the host
        if "device_" in state:
            state["device_"] = "cpu"
        return state
