"""A whole screen with known truth, as images that are rendered when they are asked for."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sklearn.utils import Bunch

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.datasets._artifacts import apply_artifact, assign_artifacts, check_fractions
from archetypal_triplet.datasets._factors import make_generator_of
from archetypal_triplet.datasets._features import CHANNELS, NUISANCE
from archetypal_triplet.datasets._image_cells import (
    PARAMETERS,
    PHASES,
    TOXIC_SHIFT,
    Field,
    draw_cells,
    make_image_end_points,
)
from archetypal_triplet.datasets._nuisance import draw_heterogeneity
from archetypal_triplet.datasets._optics import compute_vignette, expose, focus
from archetypal_triplet.datasets._phenotypes import get_end_point_names
from archetypal_triplet.datasets._plan import get_nuisance_truth, make_tables
from archetypal_triplet.datasets._render import IMAGE_CHANNELS, label_nuclei, render_cells

_STAIN_SPREAD = 0.1  # SD of the log of the brightness that one unit of stain stands for
_FIELD_SPREAD = 0.25  # of the density between the fields of a well, in units of density
_BLUR = 0.9  # of the microscope in focus, in pixels
_WELL_SHIFT = 0.08  # of the table's harmless variation that moves all cells of a well
# what an incubation that differs over the plate does to cells
_TEMPERATURE = {"NucleusCytoplasmRatio": 0.15, "CytoplasmArea": 0.15, "TubulinSpread": 0.15}
_DEAD_KILL = 0.85
_POSITIVE_RESPONDERS = 0.95


class RenderedImages:
    """Images of a simulated screen: an array (n_fields, n_channels, height, width) that is never held.

    Every access renders the rows that it names, each from random numbers of its own: a row has the same
    pixels whichever rows were rendered before, and however many threads render.

    Parameters
    ----------
    table : dict of str to array
        Members of each row's Field.
    seeds : dict
        SeedSequence of each factor.
    end_points : ndarray
        Vehicle and end points, in units of the parameters' spreads.
    shape : tuple of int
        (n_fields, n_channels, height, width).
    noise : float
        Size of the sensor's noise.
    fields : DataFrame
        Metadata of the rows.
    names : list of str
        Vehicle and end points.
    n_jobs : int
        Threads that render several rows at once.
    """

    dtype = np.dtype(np.uint16)
    ndim = 4

    def __init__(self, table, seeds, end_points, shape, noise, fields, names, n_jobs=1):
        self._table, self._seeds, self._end_points = table, seeds, end_points
        self.shape, self._noise, self._fields, self._names = shape, noise, fields, names
        self.n_jobs = n_jobs

    def __len__(self):
        return self.shape[0]

    def __repr__(self):
        return f"<RenderedImages shape={self.shape} dtype={self.dtype}>"

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.take(np.arange(len(self))), dtype=dtype)

    def __getitem__(self, key):
        rest = ()
        if isinstance(key, tuple):
            key, *rest = key
        rows = np.arange(len(self))[key]
        if np.ndim(rows) == 0:
            return self._render(int(rows))[tuple(rest)]
        images = self.take(rows)
        return images[(slice(None), *rest)] if rest else images

    def take(self, rows):
        """Render rows by number.

        Parameters
        ----------
        rows : array-like of int
            Row numbers, in any order; negative ones count from the end.

        Returns
        -------
        images : ndarray of shape (len(rows), n_channels, height, width)
            Grey values, uint16.
        """
        rows = np.arange(len(self))[np.asarray(rows, dtype=int)]
        images = np.empty((len(rows), *self.shape[1:]), dtype=self.dtype)

        def render_into(i):
            images[i] = self._render(rows[i])

        if self.n_jobs > 1 and len(rows) > 1:
            with ThreadPoolExecutor(self.n_jobs) as pool:
                list(pool.map(render_into, range(len(rows))))
        else:
            for i in range(len(rows)):
                render_into(i)
        return images

    def get_recipe(self):
        """Return all that the pixels follow from, for a hash.

        Returns
        -------
        recipe : dict
            Arrays, numbers and seeds.
        """
        seeds = {name: (s.entropy, s.spawn_key) for name, s in self._seeds.items()}
        return {
            "table": self._table,
            "seeds": seeds,
            "end_points": self._end_points,
            "shape": self.shape,
            "noise": self._noise,
        }

    def _get_field(self, row):
        return Field(**{name: values[row] for name, values in self._table.items()}, size=self.shape[2])

    def _draw(self, row):
        field = self._get_field(row)
        return field, draw_cells(self._seeds, field, self._end_points)

    def _render(self, row):
        field, cells = self._draw(row)
        key, seeds = field.key, self._seeds
        rng = make_generator_of(seeds["cells"], *key, 2)
        light = render_cells(rng, cells, field.size, self.shape[1])
        rng = make_generator_of(seeds["artifacts"], *key)
        light = focus(light, field)
        light = apply_artifact(rng, light, field.artifact, field.strength, field.channel)
        light *= compute_vignette(field.size, field.vignette)
        return expose(make_generator_of(seeds["sensor"], *key), light, self._noise)

    def cells(self, row):
        """Tell the truth about the cells of one field, without rendering it.

        Parameters
        ----------
        row : int
            Number of the field.

        Returns
        -------
        cells : DataFrame
            One row per cell whose middle lies in the field: ``Metadata_Plate``, ``Metadata_Well``,
            ``Metadata_Site``, ``Metadata_Cell`` (its number in `nuclei`, as text), ``Truth_Y`` and
            ``Truth_X`` (pixels), number of nuclei, phase of the cell cycle, DNA content (2 to 4), radius of
            a nucleus and of the cell (pixels), ratio of the GFP in nucleus and cytoplasm,
            ``Truth_Mixture_*``, and ``Truth_Parameter_*`` (in spreads between cells of the vehicle).
        """
        pd = import_optional("pandas", extra="screens")
        row = int(np.arange(len(self))[row])
        _, cells = self._draw(row)
        size = self.shape[2]
        rows = np.flatnonzero((cells.y >= 0) & (cells.y < size) & (cells.x >= 0) & (cells.x < size))
        place = {name: self._fields[name].iloc[row] for name in self._fields.columns[:3]}
        return pd.DataFrame(
            {
                **{name: np.full(len(rows), value, dtype=object) for name, value in place.items()},
                "Metadata_Cell": (rows + 1).astype(str),
                "Truth_Y": cells.y[rows],
                "Truth_X": cells.x[rows],
                "Truth_NucleusCount": cells.n_nuclei[rows],
                "Truth_Phase": np.array(PHASES)[cells.phase[rows]],
                "Truth_DNA": cells.dna[rows],
                "Truth_NuclearRadius": cells.nuclear_radius[rows],
                "Truth_CellRadius": cells.cell_radius[rows],
                "Truth_NucleusCytoplasmRatio": cells.ratio[rows],
                **{f"Truth_Mixture_{n}": cells.mixture[rows, k] for k, n in enumerate(self._names)},
                **{f"Truth_Parameter_{n}": cells.parameters[rows, k] for k, n in enumerate(PARAMETERS)},
            }
        )

    def nuclei(self, row):
        """Label the nuclei of one field as they were drawn.

        Parameters
        ----------
        row : int
            Number of the field.

        Returns
        -------
        labels : ndarray of shape (height, width), uint16
            0 for the background, else the number of the cell (``Metadata_Cell`` of `cells`); all nuclei of
            one cell bear its number.
        """
        field, cells = self._draw(int(np.arange(len(self))[row]))
        return label_nuclei(make_generator_of(self._seeds["cells"], *field.key, 2), cells, field.size)


def _draw_log_normal(rng, spread, *shape):
    return np.exp(spread * rng.standard_normal(shape))


def _make_optics(rng, n_plates, n_batches, n_channels, effects):
    """What a microscope session does: background and vignette of batches and plates, blur of batches."""
    # drawn for all channels, so that fewer of them are the same ones
    every = len(IMAGE_CHANNELS)
    plate, batch = effects["plate"], effects["batch"]
    base = np.array([25.0, 45.0, 60.0, 50.0, 50.0])
    background = base * _draw_log_normal(rng, 0.35 * batch, n_batches, every)
    vignette = np.stack(
        [
            np.clip(0.22 + 0.08 * batch * rng.standard_normal((n_batches, every)), 0.0, 0.6),
            *(0.12 * batch * rng.standard_normal((2, n_batches, every))),
        ],
        axis=-1,
    )
    blur = _BLUR * _draw_log_normal(rng, 0.15 * batch, n_batches)
    plate_background = _draw_log_normal(rng, 0.2 * plate, n_plates, every)
    return background[:, :n_channels], vignette[:, :n_channels], blur, plate_background[:, :n_channels]


def _make_stains(rng, layout, nuisance, gain, n_channels, effects):
    """Brightness of every channel in every well, (n_wells, n_channels): the table's, and new channels."""
    plate, batch = layout["plate"].to_numpy(), layout["batch"].to_numpy()
    n_plates, n_batches, every = plate.max() + 1, batch.max() + 1, len(IMAGE_CHANNELS)
    log_gain = effects["plate"] * 0.15 * rng.standard_normal((n_plates, every))[plate]
    log_gain += effects["batch"] * 0.15 * rng.standard_normal((n_batches, every))[batch]
    stain = effects["well"] * 0.5 * rng.standard_normal((len(layout), every))
    common = nuisance[:, [NUISANCE.index(f"Stain_{name}") for name in CHANNELS]]
    position = common.mean(axis=1)  # edge wells and gradients brighten all channels
    out = np.empty((len(layout), n_channels))
    for c, name in enumerate(IMAGE_CHANNELS[:n_channels]):
        if name in CHANNELS:
            out[:, c] = gain[:, CHANNELS.index(name)] * np.exp(
                _STAIN_SPREAD * nuisance[:, NUISANCE.index(f"Stain_{name}")]
            )
        else:
            out[:, c] = np.exp(np.clip(log_gain[:, c], np.log(0.7), np.log(1.4)))
            out[:, c] *= np.exp(_STAIN_SPREAD * (position + stain[:, c]))
    return out


def _spread_over_fields(seeds, layout, n_fields, wells):
    """Repeat what is known of wells for their fields, and vary density and focus a little between these."""
    n_wells = len(layout)
    well = np.repeat(np.arange(n_wells), n_fields)
    site = np.tile(np.arange(n_fields), n_wells)
    vary = np.array(
        [
            make_generator_of(seeds["fields"], w, s, 0).standard_normal(2)
            for w, s in zip(well, site, strict=True)
        ]
    )
    table = {name: values[well] for name, values in wells.items()}
    table["density"] = table["density"] + _FIELD_SPREAD * vary[:, 0]
    table["blur"] = table["blur"] * np.exp(0.06 * vary[:, 1])
    table["key"] = list(zip(well.tolist(), site.tolist(), strict=True))
    return well, site, table


def _add_artifacts(seeds, layout, n_fields, outlier_fraction, n_channels, table):
    """Choose artifacts, and change what the cells of those fields are drawn from."""
    rng = make_generator_of(seeds["outliers"], 0)
    fractions = check_fractions(outlier_fraction)
    plate, column = layout["plate"].to_numpy(), layout["column"].to_numpy()
    kind = assign_artifacts(rng, plate, column, n_fields, fractions)
    strength, channel = rng.random(len(kind)), rng.integers(n_channels, size=len(kind))
    table |= {"artifact": kind, "strength": strength, "channel": channel}
    table["density"] = np.select(
        [kind == "empty", kind == "overconfluent", kind == "dispensing_stripe"],
        [-1e3, table["density"] + 3.0 + strength, table["density"] - 2.0 - 2.0 * strength],
        table["density"],
    )
    dead = kind == "dead"
    table["kill"] = np.where(dead, _DEAD_KILL, table["kill"])
    table["shift"] = table["shift"] + 1.2 * dead[:, None] * TOXIC_SHIFT
    stripe = (kind == "dispensing_stripe")[:, None]
    table["stain"] = np.where(stripe, 0.65 * table["stain"], table["stain"])


def _make_field_truth(table, channels):
    pd = import_optional("pandas", extra="screens")
    kind = table["artifact"]
    with_channel = np.isin(kind, ("saturated", "swapped_channels", "missing_channel", "shifted_channel"))
    channel = np.where(with_channel, table["channel"], -1)
    return pd.DataFrame(
        {
            "Truth_Artifact": kind,
            "Truth_ArtifactStrength": np.where(kind == "none", 0.0, table["strength"]),
            "Truth_ArtifactChannel": np.array([*channels, ""], dtype=object)[channel].astype(str),
            "Truth_Density": table["density"],
            "Truth_Blur": table["blur"],
        }
    )


def _make_wells(seeds, rngs, plan, n_channels, effects):
    """What the fields of every well are drawn from, by name of the Field's member."""
    plate, batch = plan.layout["plate"].to_numpy(), plan.layout["batch"].to_numpy()
    rng = make_generator_of(seeds["optics"])
    nuisance = plan.nuisance
    stain = _make_stains(rng, plan.layout, nuisance, plan.gain, n_channels, effects)
    background, vignette, blur, plate_background = _make_optics(
        rng, plate.max() + 1, batch.max() + 1, n_channels, effects
    )
    temperature = nuisance[:, [NUISANCE.index("Temperature")]]
    shift = _WELL_SHIFT * effects["well"] * draw_heterogeneity(rngs["wells"], len(plan.layout))
    compound, kind = plan.layout["compound"].to_numpy(), plan.layout["kind"].to_numpy()
    responders = np.where(kind == "positive", _POSITIVE_RESPONDERS, 1.0)
    treated = compound >= 0
    responders[treated] = plan.compounds["saturation"].to_numpy()[compound[treated]]
    return {
        "density": nuisance[:, 0],
        "kill": plan.kill,
        "mixture": plan.mixtures,
        "responders": np.maximum(responders, plan.mixtures[:, 1:].sum(axis=1)),
        "shift": shift + temperature * [_TEMPERATURE.get(p, 0.0) for p in PARAMETERS],
        "cycle": nuisance[:, NUISANCE.index("CellCycle")],
        "stain": stain,
        "background": background[batch] * plate_background[plate],
        "blur": np.hypot(blur[batch], 0.45 * nuisance[:, NUISANCE.index("Focus")]),
        "vignette": vignette[batch],
    }


def make_images(seeds, rngs, plan, effects, options):
    """Show a planned screen as lazily rendered images: the Bunch of ``make_screen(images=True)``."""
    pd = import_optional("pandas", extra="screens")
    n_fields, n_channels, size = options["n_fields"], options["n_channels"], options["image_size"]
    n_end_points = plan.mixtures.shape[1] - 1
    names = ["Vehicle", *get_end_point_names(n_end_points)]
    end_points = effects["phenotype"] * make_image_end_points(rngs["end_points"], n_end_points) + 0.0  # no -0
    wells = _make_wells(seeds, rngs, plan, n_channels, effects)
    well, site, table = _spread_over_fields(seeds, plan.layout, n_fields, wells)
    _add_artifacts(seeds, plan.layout, n_fields, options["outlier_fraction"], n_channels, table)
    channels = list(IMAGE_CHANNELS[:n_channels])
    extra = {"Truth_Responders": wells["responders"], **get_nuisance_truth(plan), "Truth_Blur": wells["blur"]}
    extra |= {f"Truth_Brightness_{name}": wells["stain"][:, c] for c, name in enumerate(channels)}
    metadata, truth = make_tables(plan, extra)
    fields = metadata.iloc[well].reset_index(drop=True)
    fields.insert(2, "Metadata_Site", (site + 1).astype(str))
    shape = (len(fields), n_channels, size, size)
    return Bunch(
        images=RenderedImages(table, seeds, end_points, shape, effects["noise"], fields, names),
        fields=fields,
        channels=channels,
        wells=metadata,
        truth=truth,
        field_truth=_make_field_truth(table, channels),
        archetypes=pd.DataFrame(end_points, index=names, columns=list(PARAMETERS)),
    )
