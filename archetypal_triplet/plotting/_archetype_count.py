"""How many archetypes: the score of a search by their number."""

import numpy as np

from archetypal_triplet._utils._frames import count_of, is_frame, shorten
from archetypal_triplet.plotting._axes import MUTED, get_axes
from archetypal_triplet.plotting._choices import clip_label
from archetypal_triplet.plotting._palette import CATEGORY_COLORS

_COLOR, _CHOSEN_COLOR = CATEGORY_COLORS[5], CATEGORY_COLORS[3]


class ArchetypeCountDisplay:
    """Score of a search over the number of archetypes, with standard errors, and the number chosen.

    Create it by :meth:`from_estimator` or :meth:`from_table`. The dashed line is as good as the best: the
    smallest number above it is what `parsimonious` chooses. Explained variance of held-out samples rises with
    every archetype and chooses nothing; `bicross_validated_variance` is the score to search by.

    Parameters
    ----------
    n_archetypes : array-like of shape (n_candidates,)
        Numbers of archetypes, in rising order.
    scores : array-like of shape (n_candidates,)
        Mean score of each; NaN where fits failed.
    errors : array-like of shape (n_candidates,), default=None
        Standard error of each mean.
    chosen : int, default=None
        The number chosen.
    good_score : float, default=None
        Scores from here on are as good as the best; None draws no line.
    score_name : str, default="Score"
        What the scores are called.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with the curve.
    figure_ : matplotlib Figure
        The figure that holds them.

    See Also
    --------
    archetypal_triplet.bicross_validated_variance : Scores archetypes on unseen columns.
    archetypal_triplet.parsimonious : Chooses the smallest number that is as good as the best.

    Examples
    --------
    >>> from archetypal_triplet.plotting import ArchetypeCountDisplay
    >>> results = {
    ...     "param_n_archetypes": [2, 3, 4], "mean_test_score": [0.5, 0.795, 0.8],
    ...     "std_test_score": [0.02, 0.01, 0.01], "split0_test_score": [0.5, 0.8, 0.8],
    ...     "split1_test_score": [0.5, 0.79, 0.8],
    ... }
    >>> ArchetypeCountDisplay.from_table(results).chosen
    3
    """

    def __init__(
        self, n_archetypes, scores, *, errors=None, chosen=None, good_score=None, score_name="Score"
    ):
        self.n_archetypes = n_archetypes
        self.scores = scores
        self.errors = errors
        self.chosen = chosen
        self.good_score = good_score
        self.score_name = score_name

    @classmethod
    def from_estimator(cls, estimator, *, param_name=None, ax=None):
        """Draw a fitted search, such as `GridSearchCV` over a labeler.

        Parameters
        ----------
        estimator : fitted GridSearchCV or RandomizedSearchCV
            A search with one score.
        param_name : str, default=None
            The parameter that counts archetypes; None takes the one that ends in ``n_archetypes``.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : ArchetypeCountDisplay
            The curve, drawn.

        Raises
        ------
        TypeError
            If `estimator` is no fitted search.
        ValueError
            If the search has no such parameter, several of them, or no score.
        """
        if not hasattr(estimator, "cv_results_"):
            raise TypeError(
                f"estimator is a {type(estimator).__name__} without cv_results_. Pass a fitted "
                "GridSearchCV or RandomizedSearchCV."
            )
        from archetypal_triplet.archetypes import bicross_validated_variance, parsimonious  # loads numba

        results = estimator.cv_results_
        name = _find_parameter(results, param_name)
        is_bicross = getattr(estimator, "scoring", None) is bicross_validated_variance
        refit = getattr(estimator, "refit", None)
        index = getattr(estimator, "best_index_", None)
        return cls._from_results(
            results,
            name,
            chosen=None if index is None else int(results[f"param_{name}"][index]),
            tolerance=refit.tolerance if isinstance(refit, parsimonious) else None,
            score_name=_BICROSS if is_bicross else "Score",
            ax=ax,
        )

    @classmethod
    def from_table(cls, table, *, param_name=None, chosen=None, tolerance=0.01, score_name=None, ax=None):
        """Draw the results of a search that were kept.

        Parameters
        ----------
        table : DataFrame or dict of array-like
            `cv_results_` of a search with one score.
        param_name : str, default=None
            The parameter that counts archetypes; None takes the one that ends in ``n_archetypes``.
        chosen : int, default=None
            The number chosen; None chooses as `parsimonious` does.
        tolerance : float, default=0.01
            Smallest difference of scores that matters, for the line and the choice.
        score_name : str, default=None
            What the scores are called; None takes bi-cross-validated variance.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : ArchetypeCountDisplay
            The curve, drawn.

        Raises
        ------
        ValueError
            If the table has no such parameter, several of them, or no score.
        """
        from archetypal_triplet.archetypes import parsimonious  # loads numba

        columns = table.columns if is_frame(table) else table
        results = {str(name): np.asarray(table[name]) for name in columns}
        name = _find_parameter(results, param_name)
        if chosen is None:
            index = parsimonious(name, tolerance)(results)
            chosen = int(results[f"param_{name}"][index])
        score_name = _BICROSS if score_name is None else score_name
        return cls._from_results(
            results, name, chosen=chosen, tolerance=tolerance, score_name=score_name, ax=ax
        )

    @classmethod
    def _from_results(cls, results, name, *, chosen, tolerance, score_name, ax):
        missing = {"mean_test_score", "std_test_score"} - set(results)
        if missing:
            raise ValueError(
                f"The results lack {shorten(sorted(missing))}: a search with one score is needed."
            )
        counts = np.array([int(value) for value in results[f"param_{name}"]])
        scores = np.asarray(results["mean_test_score"], dtype=np.float64)
        n_splits = sum(key.startswith("split") and key.endswith("_test_score") for key in results)
        errors = np.asarray(results["std_test_score"], dtype=np.float64) / np.sqrt(max(n_splits - 1, 1))
        if np.isnan(scores).all():
            raise ValueError("No candidate of the search has a score: every fit failed.")
        # of several candidates with one number the best stands for it
        order = np.lexsort([-np.nan_to_num(scores, nan=-np.inf), counts])
        first = order[np.unique(counts[order], return_index=True)[1]]
        best = int(np.nanargmax(scores))
        good = None if tolerance is None else scores[best] - max(errors[best], tolerance)
        display = cls(
            counts[first],
            scores[first],
            errors=errors[first],
            chosen=chosen,
            good_score=good,
            score_name=score_name,
        )
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : ArchetypeCountDisplay
            The object itself.

        Raises
        ------
        ValueError
            If there are not as many scores as numbers of archetypes.
        """
        counts, scores = np.asarray(self.n_archetypes), np.asarray(self.scores, dtype=np.float64)
        if counts.ndim != 1 or counts.shape != scores.shape or not len(counts):
            raise ValueError(
                f"n_archetypes has shape {counts.shape} and scores {scores.shape}; one score for each number "
                "is needed."
            )
        self.ax_ = ax = get_axes(ax, (5.5, 3.8))
        self.figure_ = ax.figure
        ax.errorbar(
            counts,
            scores,
            yerr=self.errors,
            color=_COLOR,
            marker="o",
            markersize=4,
            linewidth=1.4,
            capsize=2.5,
            elinewidth=1.0,
        )
        if self.good_score is not None:
            ax.axhline(self.good_score, color="black", linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
            ax.annotate(
                "as good as the best",
                (0.0, self.good_score),
                xycoords=("axes fraction", "data"),
                xytext=(3, 2),
                textcoords="offset points",
                va="bottom",
                fontsize="x-small",
                color=MUTED,
            )
        if self.chosen is not None and (counts == self.chosen).any():
            score = scores[counts == self.chosen][0]
            ax.plot(
                [self.chosen],
                [score],
                marker="o",
                markersize=11,
                markerfacecolor="none",
                markeredgecolor=_CHOSEN_COLOR,
                markeredgewidth=2.0,
            )
        self._set_up(counts)
        return self

    def _set_up(self, counts):
        ax = self.ax_
        if len(counts) <= 12:
            ax.set_xticks(counts)
        else:
            ax.locator_params(axis="x", integer=True, nbins=12)
        ax.margins(x=0.08)
        ax.set_xlabel("Number of archetypes")
        ax.set_ylabel(clip_label(self.score_name, 40))
        if self.chosen is not None:
            ax.set_title(f"{count_of(self.chosen, 'archetype')} chosen", loc="left", fontsize="medium")
        ax.spines[["top", "right"]].set_visible(False)


_BICROSS = "Bi-cross-validated variance"


def _find_parameter(results, param_name):
    names = sorted(key.removeprefix("param_") for key in results if key.startswith("param_"))
    if param_name is not None:
        if param_name not in names:
            raise ValueError(
                f"param_name={param_name!r} is not a parameter of the search; it has: "
                f"{shorten(names) or 'none'}."
            )
        return param_name
    found = [name for name in names if name.rpartition("__")[2] == "n_archetypes"]
    if len(found) != 1:
        raise ValueError(
            f"The search has {len(found)} parameters that end in n_archetypes (its parameters: "
            f"{shorten(names) or 'none'}). Name the one to draw in param_name."
        )
    return found[0]
