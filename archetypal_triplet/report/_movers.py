"""Which compounds move along an archetype: how far from the negative controls, and whether with the dose."""

import numpy as np

from archetypal_triplet._utils._optional import import_optional

MIN_DOSES = 4
N_KEPT = 50  # compounds kept for each archetype


def find_movers(inputs):
    """Find the compounds whose wells have more of an archetype than the negative controls.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.

    Returns
    -------
    movers : DataFrame or None
        For each archetype up to 50 compounds that have more of it, largest change first: ``archetype``,
        ``compound``, ``change``
        (mean share of its wells less that of the negative controls of their plates, or of all wells of the
        plate where there are none), ``rho`` (rank correlation of share and dose where there are 4 doses),
        ``n_wells`` and ``n_doses``.
    why_not : str
        Why there is no table.
    """
    pd = import_optional("pandas", extra="report")
    wells, roles, names = inputs.wells, inputs.roles, inputs.shares
    compound = roles["compound"]
    if not names:
        return None, "the results hold no shares of archetypes"
    if compound is None:
        return None, "there is no column Metadata_Compound"
    is_control = inputs.select("controls")
    if is_control is None:
        is_control = np.zeros(len(wells), dtype=bool)
    treated = inputs.is_treated & ~is_control & wells[compound].notna().to_numpy()
    if not treated.any():
        return None, "no well but the negative controls names a compound"
    shares = wells[names].to_numpy(dtype=float)
    changes = shares - _reference(wells[names], inputs.plates.to_numpy(), is_control)
    keys = wells[compound].astype(str).to_numpy()[treated]
    groups = pd.DataFrame(changes[treated], columns=names).groupby(keys)
    means, sizes = groups.mean(), groups.size()
    doses = None if roles["dose"] is None else wells[roles["dose"]].to_numpy(dtype=float)[treated]
    rho, n_doses = _correlate(pd, shares[treated], doses, keys, names)
    parts = []
    for name in names:
        gains = means[name][means[name] > 0].sort_values(ascending=False, kind="stable")
        order = gains.index[:N_KEPT]
        columns = {"archetype": name, "compound": order, "change": means.loc[order, name].to_numpy()}
        columns["rho"] = np.nan if rho is None else rho.loc[order, name].to_numpy()
        columns["n_wells"] = sizes.loc[order].to_numpy()
        columns["n_doses"] = 0 if n_doses is None else n_doses.loc[order].to_numpy()
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True), ""


def _reference(shares, plates, is_control):
    """Mean shares of the negative controls of each row's plate; of all its wells where it has none."""
    of_all = shares.groupby(plates).transform("mean")
    of_controls = shares.loc[is_control].groupby(plates[is_control]).mean().reindex(plates)
    of_controls.index = of_all.index
    return of_controls.fillna(of_all).to_numpy(dtype=float)


def _correlate(pd, shares, doses, keys, names):
    """Rank correlation of share and dose within each compound, where it has enough doses."""
    if doses is None:
        return None, None
    known = np.isfinite(doses)
    n_doses = pd.Series(np.where(known, doses, np.nan)).groupby(keys).nunique()
    ranks = pd.DataFrame(np.where(known[:, None], shares, np.nan), columns=names).groupby(keys).rank()
    dose_ranks = pd.Series(np.where(known, doses, np.nan)).groupby(keys).rank()
    ranks -= ranks.groupby(keys).transform("mean")
    dose_ranks = dose_ranks - dose_ranks.groupby(keys).transform("mean")
    products = ranks.mul(dose_ranks, axis=0).groupby(keys).sum()
    norms = np.sqrt((ranks**2).groupby(keys).sum().mul((dose_ranks**2).groupby(keys).sum(), axis=0))
    rho = products / norms.where(norms > 0)
    rho[(n_doses < MIN_DOSES).reindex(rho.index)] = np.nan
    return rho, n_doses
