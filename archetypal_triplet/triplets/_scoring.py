"""How well an embedding orders triplets that it was not trained on."""

import numpy as np
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from archetypal_triplet.triplets._inference import N_TRIPLETS, compute_triplet_accuracy, draw_triplets
from archetypal_triplet.triplets._inputs import read_input
from archetypal_triplet.triplets._labels import check_label_values, encode_labels


class TripletScoreMixin:
    """The `score` of :class:`~archetypal_triplet.TripletEmbedder`."""

    def score(self, X, y=None, sample_weight=None):
        """Share of fixed triplets of `X` that the embedding puts in the right order.

        Up to 10,000 triplets are drawn from the labels of `X`, always the same for the same labels: an
        anchor, another sample with its label, and one with another label. Pass samples that were not trained
        on. Never choose the number of archetypes or clusters by it: fewer labels are simply easier to tell
        apart, and the score rises whether they mean something or not. Use `bicross_validated_variance` for
        that.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features_in)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labelings), default=None
            Labels; used only if `labeler` and `label_column` are both None. A fitted labeler predicts them, a
            label column is read.
        sample_weight : array-like of shape (n_samples,), default=None
            A triplet counts as much as its anchor; None counts all alike.

        Returns
        -------
        float
            Between 0 and 1; chance is 0.5.

        Raises
        ------
        ValueError
            If there are no labels for `X`, or no triplet among them.
        """
        check_is_fitted(self)
        table = read_input(self, X, reset=False)
        labels = self._predict_labels(X, table, y)
        codes = encode_labels(labels, warn=False).codes
        triplets = draw_triplets(codes, N_TRIPLETS, np.random.default_rng(0))
        embedding = self._embed(table.features)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, embedding)
        return compute_triplet_accuracy(embedding, triplets, sample_weight)

    def _predict_labels(self, X, table, y):
        if self.label_column is not None:
            return check_label_values(table.labels, source=f"label_column={self.label_column!r}")
        if hasattr(self, "labeler_"):
            if not hasattr(self.labeler_, "predict"):
                raise ValueError(
                    f"labeler={type(self.labeler_).__name__} has no predict, so there are no labels for new "
                    "samples to score by: use a labeler with predict, or compare embeddings without score."
                )
            return check_label_values(self.labeler_.predict(X), source="the labeler's prediction")
        if y is None:
            raise ValueError(
                "score requires y to be passed, but the target y is None: an embedder without labeler and "
                "label_column cannot label new samples itself."
            )
        labels = check_label_values(y, source="y")
        if len(labels) != len(table.features):
            raise ValueError(f"y has {len(labels)} rows and X has {len(table.features)}; they must be equal.")
        return labels
