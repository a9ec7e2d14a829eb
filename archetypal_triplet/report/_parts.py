"""What sections consist of: paragraphs, facts, tables, figures, and reasons for what is not there."""

import math
from dataclasses import dataclass, field

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.report._file_names import safe_name

MISSING = "–"
N_SHOWN = 200  # rows of a table; more are for a spreadsheet, where the whole table is


@dataclass
class Cell:
    """One cell of a table.

    Attributes
    ----------
    text : str
        What is shown; it is escaped.
    sort : float or str or None
        What the column is sorted by, if not the text.
    number : bool
        Whether it stands at the right.
    picture : str
        Safe HTML in front of the text, made here and of numbers alone.
    below : str
        A second, smaller line; it is escaped.
    title : str
        Shown when the pointer rests on it; it is escaped.
    """

    text: str
    sort: object = None
    number: bool = False
    picture: str = ""
    below: str = ""
    title: str = ""


@dataclass
class Table:
    """A table: its head, and the cells of each row.

    Attributes
    ----------
    name : str
        File of the whole table is ``tables/NAME.csv``.
    caption : str
        What it shows.
    columns : list of str
        Head of each column.
    rows : list of list of Cell
        What is shown.
    frame : DataFrame
        The numbers behind it, all rows.
    titles : dict of str to str
        Explanations of columns.
    n_rows : int or None
        Rows that there are; None: those of the frame.
    """

    name: str
    caption: str
    columns: list
    rows: list
    frame: object
    titles: dict = field(default_factory=dict)
    n_rows: int | None = None
    kind = "table"

    def __post_init__(self):
        """Make the name that of a file."""
        self.name = safe_name(self.name)

    @property
    def left_out(self):
        """Rows that are not shown."""
        return (len(self.frame) if self.n_rows is None else self.n_rows) - len(self.rows)


@dataclass
class Figure:
    """A figure: its files, and what it is for those who cannot see it.

    Attributes
    ----------
    name : str
        Files are ``figures/NAME.png`` and ``figures/NAME.svg``.
    source : str
        The picture as a data URI.
    alt, caption : str
        What it shows, for readers who hear the page, and for all.
    width : int
        In pixels of the page.
    """

    name: str
    source: str
    alt: str
    caption: str
    width: int
    kind = "figure"


@dataclass
class Facts:
    """Pairs of a word and what is known of it."""

    pairs: list
    kind = "facts"


@dataclass
class Lines:
    """A list of sentences under a heading."""

    heading: str
    lines: list
    kind = "lines"


@dataclass
class Missing:
    """What is not there, and why."""

    what: str
    reason: str
    kind = "missing"


@dataclass
class Html:
    """Safe HTML that another part of this package has made."""

    html: str
    kind = "html"


@dataclass
class Folded:
    """Parts that are shown on request."""

    heading: str
    parts: list
    kind = "folded"


@dataclass
class Block:
    """Parts under a heading of their own."""

    heading: str
    parts: list
    kind = "block"


@dataclass
class Row:
    """Parts side by side where the page is wide."""

    parts: list
    kind = "row"


@dataclass
class Section:
    """One section of the report.

    Attributes
    ----------
    name, title : str
        Anchor and heading.
    reading, limits : str
        How to read it, and what it cannot show.
    parts : list
        What it consists of.
    """

    name: str
    title: str
    reading: str
    limits: str
    parts: list


_GROUPS = (Block, Folded, Row)  # hold parts


def find_parts(parts, kind):
    """Yield every part of a class among parts, and in what they hold."""
    for part in parts:
        if isinstance(part, kind):
            yield part
        elif isinstance(part, _GROUPS):
            yield from find_parts(part.parts, kind)


def text(value):
    """Make a cell of any text; what is missing is a dash."""
    if value is None or value != value:
        return Cell(MISSING, sort="")
    value = str(value)
    return Cell(value, title=value if len(value) > 40 else "")


def number(value, digits=2, *, reason="", percent=False):
    """Make a cell of a number; NaN is a dash that says why."""
    if value is None or not math.isfinite(value):
        return Cell(MISSING, sort=-math.inf, number=True, title=str(reason or ""))
    value = float(value)
    rounded = round(100 * value if percent else value, digits) + 0.0  # which has no -0
    shown = f"{rounded:.{digits}f} %" if percent else f"{rounded:.{digits}f}"
    return Cell(shown.replace("-", "\u2212"), sort=float(value), number=True)


def count(value):
    """Make a cell of a whole number."""
    if value is None or value != value:
        return Cell(MISSING, sort=-1, number=True)
    return Cell(f"{int(value):,}", sort=int(value), number=True)


def interval(value, low, high, *, digits=2, reason="", scale=None):
    """Make a cell of a number with its interval and, with a scale, a small picture of both."""
    cell = number(value, digits, reason=reason)
    if cell.text == MISSING:
        return cell
    cell.text = _round(value, digits)
    if all(math.isfinite(bound) for bound in (low, high)):
        cell.below = f"{_round(low, digits)} to {_round(high, digits)}"
        if scale is not None:
            cell.picture = whisker(value, low, high, scale)
    return cell


def _round(value, digits):
    """Large numbers have no more than three digits that mean something."""
    digits = max(0, min(digits, 3 - len(str(int(abs(value))))))
    return f"{round(float(value), digits) + 0.0:.{digits}f}".replace("-", "\u2212")


def whisker(value, low, high, scale):
    """Draw a value and its interval as a point on a line, with marks at the ends of a scale.

    Parameters
    ----------
    value, low, high : float
        Finite.
    scale : tuple of float
        Values at the left and right end; what lies outside is drawn at the end.

    Returns
    -------
    str
        An SVG element, hidden from screen readers, which read the numbers beside it.
    """
    width, height = 72, 14
    left, right = scale

    def place(at):
        return round(3 + (width - 6) * min(max((at - left) / (right - left), 0.0), 1.0), 1)

    middle = height / 2
    zero = f'<path d="M{place(0)} 1V{height - 1}" class="zero"/>' if left < 0 < right else ""
    return (
        f'<svg class="whisker" width="{width}" height="{height}" aria-hidden="true">'
        f'<path d="M3 {middle}H{width - 3}" class="scale"/>{zero}'
        f'<path d="M{place(low)} {middle}H{place(high)}" class="range"/>'
        f'<circle cx="{place(value)}" cy="{middle}" r="3"/></svg>'
    )


def bar(share):
    """Draw a share between 0 and 1 as a bar."""
    width = 64
    filled = round(width * min(max(float(share), 0.0), 1.0), 1)
    return (
        f'<svg class="bar" width="{width}" height="10" aria-hidden="true">'
        f'<rect width="{width}" height="10" class="empty"/><rect width="{filled}" height="10"/></svg>'
    )


def share(value):
    """Make a cell of a share, with a bar."""
    cell = number(value, 1, percent=True)
    if cell.text != MISSING:
        cell.picture = bar(value)
    return cell


def as_table(records):
    """Make a DataFrame of a list of dictionaries, or of columns by their name."""
    return import_optional("pandas", extra="report").DataFrame(records)
