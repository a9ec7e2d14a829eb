"""The one sentence at the end: the default against what it starts from and what could stand in its place."""

import metrics

REFERENCES = (("whitened", "the whitened features"), ("kmeans", "as many k-means labelings"))


def compare_default(scores):
    """Compare the default with its references by a paired bootstrap over compounds.

    Parameters
    ----------
    scores : dict of str to dict of str to metrics.Score
        By arm and score name; means over seeds.

    Returns
    -------
    list of dict
        One a reference and score: ``reference``, ``score``, and what `compute_paired_difference` returns.
    """
    return [
        {
            "reference": arm,
            "score": name,
            **metrics.compute_paired_difference(scores["archetypal"][name], scores[arm][name]),
        }
        for arm, _ in REFERENCES
        for name in ("NSC", "NSCB")
        if arm in scores
    ]


def make_sentence(screen_name, scores, comparisons):
    """Write the verdict.

    Parameters
    ----------
    screen_name : str
        Name of the screen.
    scores : dict of str to dict of str to metrics.Score
        As for `compare_default`.
    comparisons : list of dict
        As `compare_default` returns them.

    Returns
    -------
    str
        One sentence.
    """
    default = scores["archetypal"]
    parts = []
    for arm, title in REFERENCES:
        own = {c["score"]: c for c in comparisons if c["reference"] == arm}
        if own:
            parts.append(f"against {title} {_describe(own['NSC'])} and {_describe(own['NSCB'])}")
    n_compounds = len(set(default["NSC"].compounds[default["NSC"].counted]))
    sentence = (
        f"Verdict on {screen_name}: trained without labels, the default reaches "
        f"NSC {default['NSC'].mean:.2f} and NSCB {default['NSCB'].mean:.2f} "
        f"({default['NSC'].n_counted} and {default['NSCB'].n_counted} treatments of {n_compounds} compounds, "
        f"wells seen in training), {'; '.join(parts)}"
    )
    if "random" in scores and "whitened" in scores:
        worse = [n for n in ("NSC", "NSCB") if scores["random"][n].mean < scores["whitened"][n].mean]
        where = f"in {' and '.join(worse)}" if worse else "in neither NSC nor NSCB"
        sentence += f"; random labelings stay below the whitened features {where}"
    return sentence + "."


def _describe(comparison):
    """Say above or below only where the interval leaves out 0."""
    low, high = comparison["low"], comparison["high"]
    if low > 0:
        word = "higher"
    elif high < 0:
        word = "lower"
    else:
        word = "no clear difference"
    return (
        f"{comparison['score']} {comparison['difference']:+.3f} "
        f"[{low:+.2f}, {high:+.2f}; {word}, above in {comparison['share_above']:.0%} of resamples]"
    )
