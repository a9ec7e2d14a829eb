"""What a map shows: the plane, the colors' values, and their names."""

import numpy as np
from sklearn.decomposition import PCA

from archetypal_triplet._utils._columns import (
    ARCHETYPE_PREFIX,
    CONTROL_TYPE,
    METADATA_PREFIX,
    PSEUDOLABEL,
    split_words,
)
from archetypal_triplet._utils._frames import check_columns_exist, is_frame
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.plotting._palette import MISSING, UNLABELED

DOMINANT_ARCHETYPE = "archetype"


def project_to_plane(embedding):
    """First two principal components (n_samples, 2), and their shares of the variance."""
    embedding = np.asarray(embedding, dtype=np.float64)
    if embedding.ndim != 2 or min(embedding.shape) < 1:
        raise ValueError(f"The embedding has shape {embedding.shape}; samples x dimensions are needed.")
    if not np.isfinite(embedding).all():
        n_bad = int((~np.isfinite(embedding)).any(axis=1).sum())
        raise ValueError(
            f"{n_bad} rows of the embedding hold NaN or infinite values. Drop them before plotting."
        )
    plane, shares = np.zeros((len(embedding), 2)), np.zeros(2)
    n = min(2, *embedding.shape)
    if np.ptp(embedding, axis=0).max() > 0:
        pca = PCA(n, svd_solver="covariance_eigh" if embedding.shape[1] < 1000 else "full")
        plane[:, :n], shares[:n] = pca.fit_transform(embedding), pca.explained_variance_ratio_
    return plane, shares


def compute_dominant_archetype(table):
    """Name of each row's largest share, of the ``Archetype_*`` columns; "missing" where one has no value."""
    names = [c for c in table.columns if str(c).startswith(ARCHETYPE_PREFIX)]
    if not names:
        raise ValueError(
            f"color={DOMINANT_ARCHETYPE!r} needs {ARCHETYPE_PREFIX}* columns (the shares), and the table has "
            "none. Pass the name of another column."
        )
    shares = table[names].to_numpy(dtype=np.float64, na_value=np.nan)
    dominant = np.array(names, dtype=object)[shares.argmax(axis=1)].astype(str)
    return np.where(np.isnan(shares).any(axis=1), MISSING, dominant)


def take_control_type(table):
    """Kinds of controls of the rows of a table; None where it has no such column, or is an array."""
    has_controls = is_frame(table) and CONTROL_TYPE in table.columns
    return np.asarray(table[CONTROL_TYPE]) if has_controls else None


def choose_color(table, color):
    """Values by which to color the rows of a table, and what they are called."""
    if color is None:
        control_type = take_control_type(table)
        return control_type, None if control_type is None else CONTROL_TYPE
    if isinstance(color, str):
        if not is_frame(table):
            raise ValueError(f"color={color!r} is a column, but X is an array. Pass one value a row.")
        if color == DOMINANT_ARCHETYPE and color not in table.columns:
            return compute_dominant_archetype(table), "Dominant archetype"
        check_columns_exist(table, [color], parameter="color")
        return np.asarray(table[color]), color
    values = np.asarray(color)
    if values.shape != (len(table),):
        raise ValueError(
            f"color has shape {values.shape}; one value for each of the {len(table)} rows is needed."
        )
    return values, getattr(color, "name", None)


def make_norm(values, name=None):
    """Spread numbers over a color scale.

    Linear between the 1st and 99th percentile, so that one outlier does not take all colors; logarithmic for
    concentrations and doses that span more than a factor of 30 (zero is then drawn as missing).
    """
    colors = import_optional("matplotlib.colors", extra="screens")
    finite = values[np.isfinite(values)]
    is_dose = name is not None and not {"concentration", "dose"}.isdisjoint(split_words(name))
    positive = finite[finite > 0]
    if is_dose and len(positive) and finite.min() >= 0 and positive.max() > 30 * positive.min():
        return colors.LogNorm(positive.min(), positive.max())
    low, high = np.percentile(finite, [1, 99]) if len(finite) else (0.0, 1.0)
    return colors.Normalize(low, high if high > low else low + 1.0)


def to_labels(values, name):
    """Text of every value; what is not there is "missing", the pseudo-label -1 "unlabeled"."""
    pd = import_optional("pandas", extra="screens")
    values = pd.Series(np.asarray(values))
    labels = values.astype(str).where(values.notna(), MISSING)
    if name == PSEUDOLABEL:
        labels = labels.where(values != -1, UNLABELED)
    return labels.to_numpy(dtype=object).astype(str)


def shorten_name(name):
    return "" if name is None else str(name).removeprefix(METADATA_PREFIX)


def clip_label(label, width=28):
    """One line of text, at most so wide, in which nothing is a formula (``$`` begins one for matplotlib)."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(label)).split())
    text = text if len(text) <= width else f"{text[: width - 1]}…"
    return text.replace("$", r"\$")
