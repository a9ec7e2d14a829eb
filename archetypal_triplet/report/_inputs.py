"""What a report is made from: the tables of a results folder, with those of assay quality."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from archetypal_triplet._utils._columns import (
    ARCHETYPE_PREFIX,
    CELL_COUNT,
    COMPOUND,
    CONTROL_TYPE,
    WELL,
    is_metadata,
    is_quantity,
    split_words,
)
from archetypal_triplet._utils._frames import select_rows
from archetypal_triplet._utils._names import natural_key
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import is_numeric
from archetypal_triplet._utils._tags import check_tags
from archetypal_triplet.qc import compute_control_scores
from archetypal_triplet.report._axis import AXIS
from archetypal_triplet.runs import assess_run
from archetypal_triplet.runs._assay import QC_FILE
from archetypal_triplet.runs._read import read_json, read_results, read_run_info, well_columns
from archetypal_triplet.screens import read_tags

_ROLES = ("plate", "well", "controls", "positive_controls", "replicates", "batch", "order")
_DOSE_WORDS = ("concentration", "dose")
_UNIT = "Metadata_Unit"
# what the report cannot do without; older runs may lack the rest
_NEEDED = {
    "started_utc": str, "seconds": dict, "seed": int, "device": str, "versions": dict, "input": list,
    "trained_on": dict, "embedding": dict,
}  # fmt: skip


@dataclass
class ReportInputs:
    """What is known of one run.

    Attributes
    ----------
    folder : Path
        The results folder.
    info : dict
        The content of run.json.
    rows : DataFrame
        embedding.parquet: a row for each well, field or cell.
    wells : DataFrame
        Embedding and shares, a row a well.
    archetypes : DataFrame
        archetypes.parquet.
    roles : dict
        plate, well, controls, positive_controls, replicates, batch, order, compound, dose, unit; None where
        unknown.
    assay : dict of str to DataFrame
        Tables of assay quality, by name.
    impossible : dict of str to str
        Why a table of assay quality is not there.
    notes : list of str
        What assay quality has left out.
    assumed : list of str
        What nobody has said, and the report takes for granted.
    tags : DataFrame or None
        What a person has said of the archetypes.
    quality, history : DataFrame or None
        Separation of the controls by the run itself, course of the training.
    features : DataFrame or None
        Measured features, a row a well.
    assay_info : dict
        The content of qc.json.
    """

    folder: Path
    info: dict
    rows: object
    wells: object
    archetypes: object
    roles: dict
    assay: dict = field(default_factory=dict)
    impossible: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)
    assumed: list = field(default_factory=list)
    tags: object = None
    quality: object = None
    history: object = None
    features: object = None
    assay_info: dict = field(default_factory=dict)

    @property
    def level(self):
        """What a row is: well, field or cell."""
        return self.info["parameters"].get("level") or "well"

    @property
    def shares(self):
        """Columns of the shares of archetypes."""
        return [str(c) for c in self.wells if str(c).startswith(ARCHETYPE_PREFIX)]

    @property
    def plates(self):
        """Plate of each well as text; empty where no column names it."""
        plate = self.roles["plate"]
        if plate is None:
            return import_optional("pandas", extra="report").Series("", index=self.wells.index)
        return self.wells[plate].astype(str)

    @property
    def plate_names(self):
        """Names of the plates in natural order."""
        return sorted(self.plates.unique(), key=natural_key)

    @property
    def is_treated(self):
        """Tell of each well whether it is called neither a negative control nor untreated."""
        if CONTROL_TYPE not in self.wells:
            return np.ones(len(self.wells), dtype=bool)
        return ~self.wells[CONTROL_TYPE].astype(str).isin(["negative", "untreated"]).to_numpy()

    def select(self, role):
        """Tell of each well whether it is a control of this role; None where nobody has said which are."""
        query = self.roles[role]
        return None if query is None else select_rows(self.wells, query, allow_empty=True)

    def reason(self, name):
        """Say why a table of assay quality is not there."""
        return self.impossible.get(name, "the results do not allow it")


def read_inputs(results, *, tags=None, random_state=0):
    """Read what a report is made from.

    The tables of assay quality are those in the folder ``qc`` of the results. Where there are none they are
    computed, with batches and replicates as the names of the columns suggest; ``assumed`` says so.

    Parameters
    ----------
    results : str or Path
        Results folder of a run.
    tags : DataFrame, str, Path or None, default=None
        What a person says the archetypes are; None takes the tags that assay quality was computed with.
    random_state : int, default=0
        Seed of assay quality, where it is computed here.

    Returns
    -------
    ReportInputs
        Tables, roles and reasons.

    Raises
    ------
    ValueError
        If `results` is no results folder, or a tag is unknown or belongs to no archetype.
    FileNotFoundError
        If it does not exist.
    """
    folder = Path(results).expanduser().resolve()
    info = read_run_info(folder)
    _check_info(folder, info)
    rows, archetypes = _read_table(folder / "embedding.parquet"), _read_table(folder / "archetypes.parquet")
    if tags is not None:
        tags = check_tags(
            tags if hasattr(tags, "columns") else read_tags(tags), archetypes["Archetype"].tolist()
        )
    kept, stale = _read_kept_assay(folder, info)
    named, assumed = _find_roles(kept, info, rows)
    source = read_results(folder, info["parameters"], named)
    assay = kept or _compute_assay(folder, named, random_state)
    roles = {**source.roles, **_find_doses(rows)}
    wells = _with_counts(source.wells, source.counts, well_columns(roles))
    scores, why_none = _score_wells(wells, roles, random_state)
    if tags is None and assay["info"]["parameters"].get("tags"):
        tags = _tags_of(assay["info"]["parameters"]["tags"])
    return ReportInputs(
        folder=folder,
        info=info,
        rows=rows,
        wells=wells if scores is None else wells.assign(**{AXIS: scores}),
        archetypes=archetypes,
        roles=roles,
        assay=assay["tables"],
        impossible={**assay["info"]["impossible"], **why_none},
        notes=assay["info"]["notes"],
        assumed=[*stale, *assumed, *_say_doses(roles)],
        tags=tags,
        quality=source.run_quality,
        history=_read_history(folder / "training.csv"),
        features=source.features,
        assay_info=assay["info"],
    )


def _check_info(folder, info):
    wrong = [name for name, kind in _NEEDED.items() if not isinstance(info.get(name), kind)]
    if wrong:
        raise ValueError(
            f"results={str(folder)!r}: run.json lacks {', '.join(wrong)}, or holds something else there. It "
            "was changed by hand, or comes from a version too old for this report. Make the results again."
        )


def _read_table(path):
    pd = import_optional("pandas", extra="report")
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{str(path)!r} cannot be read ({error}). Copy the results again, or make them again."
        ) from error


def _read_history(path):
    return import_optional("pandas", extra="report").read_csv(path) if path.is_file() else None


def _find_roles(kept, info, rows):
    """Take the roles of an assessment that is there, else guess batches and replicates."""
    if kept is not None:
        return {name: kept["info"]["named"].get(name) for name in _ROLES}, []
    named, assumed = dict.fromkeys(_ROLES), []
    batches = [c for c in rows if split_words(c) == ["batch"] and is_metadata(c)]
    if batches and rows[batches[0]].nunique() > 1:
        named["batch"] = batches[0]
        assumed.append(f"batches are those of {batches[0]}")
    replicates = _guess_replicates(rows, info["parameters"])
    if replicates:
        named["replicates"] = replicates
        assumed.append(f"replicates are wells of equal {' and '.join(replicates)}")
    return named, assumed


def _guess_replicates(rows, parameters):
    plate, dose = parameters.get("plate"), _find_doses(rows)["dose"]
    keys = [name for name in (COMPOUND, dose) if name is not None and name in rows]
    if COMPOUND not in keys or WELL not in rows:
        return None
    places = [name for name in (plate, WELL) if name]
    wells = rows.drop_duplicates(places)
    sizes = wells.groupby(keys, observed=True).size()
    return keys if (sizes > 1).sum() >= 5 else None


def _find_doses(table):
    """Find the columns of compound, dose and unit."""
    columns = [str(c) for c in table]
    doses = [
        c for c in columns
        if is_quantity(c) and set(split_words(c)) & set(_DOSE_WORDS) and is_numeric(table[c].dtype)
    ]  # fmt: skip
    return {
        "compound": COMPOUND if COMPOUND in columns else None,
        "dose": doses[0] if doses else None,
        "unit": _UNIT if _UNIT in columns else None,
    }


def _say_doses(roles):
    return [f"doses are those of {roles['dose']}"] if roles["dose"] and roles["compound"] else []


def _tags_of(tags):
    """Tags as qc.json keeps them: their rows, or the path of a file that may be gone."""
    pd = import_optional("pandas", extra="report")
    if isinstance(tags, list):
        return check_tags(pd.DataFrame(tags))
    return read_tags(tags) if Path(tags).is_file() else None


def _read_kept_assay(folder, info):
    """Read the tables of assay quality in the results; those of another run are no use, which is said."""
    place = folder / "qc"
    if not (place / QC_FILE).is_file():
        return None, []
    try:
        kept = read_json(place / QC_FILE)
        made_for = kept["run"]["started_utc"]
        names = [Path(name).stem for name in kept["files"] if name.endswith(".parquet")]
        is_whole = all(isinstance(kept[name], dict) for name in ("named", "impossible", "parameters"))
        if not is_whole or not all(isinstance(kept[name], list) for name in ("notes", "thresholds")):
            raise TypeError("it is not that of an assessment")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{str(place / QC_FILE)!r} cannot be used ({error!r}). Make it again: archetypal-triplet qc "
            f"{folder} --force; or remove the folder qc."
        ) from error
    if made_for != info["started_utc"]:
        said = f"assay quality was computed anew, as the folder qc is of another run ({made_for})"
        return None, [f"{said}; archetypal-triplet qc --force renews that folder"]
    return {"info": kept, "tables": {name: _read_table(place / f"{name}.parquet") for name in names}}, []


def _compute_assay(folder, named, random_state):
    with tempfile.TemporaryDirectory() as place:
        options = {name: named[name] for name in ("replicates", "batch")}
        found = assess_run(folder, **options, out=Path(place) / "qc", random_state=random_state)
        return {"info": read_json(found.folder / QC_FILE), "tables": found.tables}


def _score_wells(wells, roles, random_state):
    """Place every well on the axis between the controls, or say why that cannot be done."""
    negative, positive = roles["controls"], roles["positive_controls"]
    for query, cure in (
        (negative, "negative controls (--controls)"),
        (positive, "positive controls (--positive-controls)"),
    ):
        if query is None:
            return None, {AXIS: f"no {cure} are known"}
    try:
        found = compute_control_scores(
            wells, negative=negative, positive=positive, plate=roles["plate"], random_state=random_state
        )
    except ValueError as error:
        return None, {AXIS: str(error)}
    if found["score"].isna().all():
        return None, {AXIS: found["reason"].iloc[0]}
    return found["score"], {}


def _with_counts(wells, counts, keys):
    """Add the number of cells to the wells, where it is known; `keys` name a well in both tables."""
    if counts is None or CELL_COUNT in wells or not keys or not {*keys} <= {*counts} & {*wells}:
        return wells
    return wells.merge(counts[[*keys, CELL_COUNT]].drop_duplicates(keys), on=keys, how="left")
