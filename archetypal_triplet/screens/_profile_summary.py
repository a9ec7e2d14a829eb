"""`ProfileSummary`: what a table of profiles holds, in numbers and in words."""

from dataclasses import dataclass, field

from archetypal_triplet._utils._frames import count_of, shorten


@dataclass(frozen=True)
class ProfileSummary:
    """What a table of profiles holds, as `check_profiles` found it.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    n_features : int
        Number of feature columns that are used.
    metadata : list of str
        Metadata columns.
    plates : dict of str to int
        Rows on each plate; empty without a plate column.
    controls : dict of str to int
        Control rows on each plate (of the whole table under "" without a plate column); empty without a
        query.
    left_out : dict of str to list of str
        Columns that are not used, by reason.
    n_rows_dropped : int, default=0
        Rows that are not used because of NaN or infinities.

    Examples
    --------
    >>> from archetypal_triplet.screens import ProfileSummary
    >>> print(ProfileSummary(n_rows=96, n_features=500, metadata=["Metadata_Plate"], plates={"P1": 96}))
    96 rows, 500 features, 1 metadata column
    1 plate of 96 rows: P1
    """

    n_rows: int
    n_features: int
    metadata: list
    plates: dict = field(default_factory=dict)
    controls: dict = field(default_factory=dict)
    left_out: dict = field(default_factory=dict)
    n_rows_dropped: int = 0

    def __str__(self):
        """Return the summary as a few lines of text."""
        counts = (count_of(self.n_rows, "row"), count_of(self.n_features, "feature"))
        lines = [f"{', '.join(counts)}, {count_of(len(self.metadata), 'metadata column')}"]
        if self.plates:
            plates = f"{count_of(len(self.plates), 'plate')} of {_span(self.plates)} rows"
            lines.append(f"{plates}: {shorten(self.plates)}")
        if self.controls:
            each = f", {_span(self.controls)} a plate" if self.plates else ""
            lines.append(f"{count_of(sum(self.controls.values()), 'control row')}{each}")
        lines += [
            f"left out, {reason}: {count_of(len(names), 'column')}" for reason, names in self.left_out.items()
        ]
        if self.n_rows_dropped:
            lines.append(f"left out, with NaN or infinities: {count_of(self.n_rows_dropped, 'row')}")
        return "\n".join(lines)


def _span(counts):
    low, high = min(counts.values()), max(counts.values())
    return str(low) if low == high else f"{low} to {high}"
