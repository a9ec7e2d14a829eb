"""The sections on batches and on replicates."""

from archetypal_triplet._utils._columns import METADATA_PREFIX
from archetypal_triplet.report._parts import (
    N_SHOWN,
    Facts,
    Missing,
    Table,
    count,
    number,
    text,
)
from archetypal_triplet.report._texts import make_section
from archetypal_triplet.runs._assay_summary import SPACES


def make_batches(inputs):
    """Make the section on batches: variance by factor, mixing, drift.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.

    Returns
    -------
    Section
        The section.
    """
    return make_section(
        "batches", [_tabulate_variance(inputs), _tabulate_mixing(inputs), _tabulate_drift(inputs)]
    )


def _tabulate_variance(inputs):
    table = inputs.assay.get("variance")
    if table is None:
        return Missing("Variance explained", inputs.reason("variance"))
    rows = [
        [
            text(str(row["factor"]).removeprefix(METADATA_PREFIX)), text(row["wells"]),
            number(row["variance_explained"], 1, percent=True, reason="there is one level only"),
            count(row["n_levels"]), count(row["n_rows"]),
        ]
        for _, row in table.iterrows()
    ]  # fmt: skip
    head = ["factor", "wells", "variance", "levels", "wells used"]
    caption = "Share of the variance of the embedding that a factor explains, less what chance would, "
    caption += "so that below 0 there is none."
    return Table("variance", caption, head, rows, table)


def _tabulate_mixing(inputs):
    table = inputs.assay.get("mixing")
    if table is None:
        return Missing("Mixing of batches", inputs.reason("mixing"))
    rows = [
        [
            text(row["batch"]), number(row["mixing"], reason=row["reason"]), number(row["lisi"]),
            number(row["expected"]), count(row["n_negative"]),
        ]
        for _, row in table.iterrows()
    ]  # fmt: skip
    titles = {
        "LISI": "how many batches there are among the neighbors of a control",
        "expected": "LISI if batches were mixed at random",
    }
    caption = "Mixing of the batches' negative controls: 0 apart, 1 as mixed as by chance."
    return Table("mixing", caption, ["batch", "mixing", "LISI", "expected", "controls"], rows, table, titles)


def _tabulate_drift(inputs):
    table = inputs.assay.get("drift")
    if table is None:
        return Missing("Drift", inputs.reason("drift"))
    plates = table[table["scope"] == "plate"]
    if plates["plate"].nunique() < 2:
        return Missing("Drift", "there is one plate with negative controls, and none to compare it with")
    rows = [
        [
            text(row["plate"]), text(row["space"]), number(row["step"], reason="the first plate"),
            number(row["from_first"]), count(row["n_negative"]),
        ]
        for _, row in plates.head(N_SHOWN).iterrows()
    ]  # fmt: skip
    said = [_say_trend(row) for _, row in table[table["scope"] == "pooled"].iterrows()]
    caption = (
        "How far the negative controls of a plate lie from those of the plate before, and of the first, "
    )
    caption += f"in spreads within plates. {' '.join(said)}"
    return Table("drift", caption, ["plate", "in", "step", "from first", "controls"], rows, plates)


def _say_trend(row):
    if row["p_value"] != row["p_value"]:
        return f"No trend was tested in the {row['space']}: {row['reason']}."
    return f"Trend over the run in the {row['space']}: {row['size']:.2f} spreads, p {row['p_value']:.3f}."


def make_replicates(inputs):
    """Make the section on replicates: precision and correlation.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.

    Returns
    -------
    Section
        The section.
    """
    precision = _with_space(inputs.assay.get("replicate_precision"))
    correlation = _with_space(inputs.assay.get("replicate_correlation"))
    facts = [("Replicates are", " and ".join(inputs.roles["replicates"] or []))]
    parts = []
    if precision is None:
        parts.append(Missing("Retrieval of replicates", inputs.reason("replicate_precision")))
    else:
        for space, part in _by_space(precision):
            n, mean = int(part["is_retrieved"].sum()), part["mean_average_precision"].mean()
            what = f"{n:,} of {len(part):,} treatments at a false discovery rate of 5 %"
            facts.append((f"Retrieved, {space}", f"{what}; mean average precision {mean:.2f}"))
        parts.append(_tabulate_precision(_of_embedding(precision)))
    if correlation is None:
        parts.append(Missing("Correlation of replicates", inputs.reason("replicate_correlation")))
    else:
        for space, part in _by_space(correlation):
            n = int(part["is_replicating"].sum())
            how = "distance" if part["correlation"].isna().all() else "correlation"
            facts.append((f"Replicating, {space}", f"{n:,} of {len(part):,} treatments, by {how}"))
        parts.append(_tabulate_correlation(_of_embedding(correlation)))
    if len(facts) > 1:
        parts.insert(0, Facts(facts))
    return make_section("replicates", parts)


def _with_space(table):
    """Tables of assessments that knew the embedding only do not name it."""
    return table if table is None or "space" in table else table.assign(space="embedding")


def _by_space(table):
    """Words for each space that replicates were compared in, and its rows."""
    return [(SPACES.get(space, space), part) for space, part in table.groupby("space", sort=False)]


def _of_embedding(table):
    return table[table["space"] == "embedding"]


def _tabulate_precision(table):
    table = table.sort_values("normalized", ascending=False, kind="stable")
    rows = [
        [
            text(row["replicate"]), count(row["n_replicates"]), number(row["mean_average_precision"]),
            number(row["normalized"]), number(row["corrected_p_value"], 4),
            text("yes" if row["is_retrieved"] else "no"),
        ]
        for _, row in table.head(N_SHOWN).iterrows()
    ]  # fmt: skip
    head = ["treatment", "wells", "mean average precision", "normalized", "p, corrected", "retrieved"]
    titles = {"normalized": "0 by chance, 1 at best"}
    caption = "Retrieval of replicates among negative controls in the embedding, best first."
    return Table("replicate_precision", caption, head, rows, table, titles)


def _tabulate_correlation(table):
    table = table.sort_values("correlation", ascending=False, kind="stable")
    rows = [
        [
            text(row["replicate"]), count(row["n_replicates"]), number(row["correlation"]),
            number(row["null_95"]), text("yes" if row["is_replicating"] else "no"),
        ]
        for _, row in table.head(N_SHOWN).iterrows()
    ]  # fmt: skip
    head = ["treatment", "wells", "correlation", "95 % of chance", "replicating"]
    caption = "Median correlation of the wells of a treatment in the embedding, beside wells of other ones."
    return Table("replicate_correlation", caption, head, rows, table)
