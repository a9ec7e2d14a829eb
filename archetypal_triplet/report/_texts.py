"""What every section says of itself: its title, how to read it, and what it cannot show."""

from archetypal_triplet.report._parts import Section

_TEXTS = {
    "overview": (
        "Overview",
        (
            "Start with the table of the controls: a Z′ near 1 means that positive and negative controls "
            "can be told apart well by well, below 0 their distributions overlap; the interval says how "
            "sure that is."
        ),
        (
            "Numbers of wells that trained the map describe this map and are no estimate for the next "
            "plate, and well separated controls do not say that weaker phenotypes are found."
        ),
    ),
    "map": (
        "Map",
        (
            "Each point is one well, field or cell; points that lie together look alike to the network. "
            "Choose a color, rest on a point to see what it is, draw a lasso to get what lies within as a "
            "table, or search for a compound or a well."
        ),
        (
            "A plane cannot keep all distances of the embedding: groups that touch here may be apart "
            "there, and empty space between groups is no measure of how different they are."
        ),
    ),
    "archetypes": (
        "Archetypes",
        (
            "An archetype is an extreme look, and every well is a mixture of archetypes: its share says how "
            "much of it a well has, and its purest images or its strongest features say what it looks like. "
            "Stability (0 to 1), where it is known, says how well other labelings find it again."
        ),
        (
            "Extremes are often debris, empty wells or lost focus, so look at the images before believing "
            "in a phenotype; and a look that many wells share without being extreme has no archetype of "
            "its own."
        ),
    ),
    "plates": (
        "Plates",
        (
            "Controls are framed, and hatched wells were not measured; look for borders, rows and "
            "gradients that the layout does not explain. An effect of row, column or edge with p below "
            "0.05 on that plate is written at the side of its figure; by chance, one in 20 is."
        ),
        (
            "Where the layout puts controls or doses in columns, a column effect is what the screen was "
            "built to show; only randomized layouts can tell the two apart."
        ),
    ),
    "doses": (
        "Dose response",
        (
            "Each curve is a four-parameter fit to the wells of one compound; the EC50 is where half of "
            "the change is reached, with its 95 % interval. Where no EC50 is given, the table says why."
        ),
        (
            "A share or the control axis saturates as soon as a well looks like the extreme, which makes "
            "an EC50 too low; and responses were chosen by how they part the controls, so that the p of a "
            "compound that is a positive control too means little."
        ),
    ),
    "batches": (
        "Batches",
        (
            "Plates and batches should explain little of the variance of the negative controls, and the "
            "controls of different batches should lie mixed (1) and not apart (0)."
        ),
        (
            "Controls can mix while weak phenotypes still differ between batches, and a compound that was "
            "on one batch only cannot be told from that batch."
        ),
    ),
    "outliers": (
        "Outliers",
        (
            "A flagged field is unlike the other fields of its well, which a treatment cannot explain: "
            "look for dust, lost focus and empty places. Control wells far from the others of their plate "
            "deserve a look too."
        ),
        (
            "A fault that spoils a whole well has no good field to differ from and is not found here; and "
            "a strong phenotype is no outlier, however far it lies."
        ),
    ),
    "replicates": (
        "Replicates",
        (
            "A treatment is retrieved when its wells find each other among the negative controls of their "
            "plates more often than by chance; the share of such treatments is the share that shows "
            "anything."
        ),
        (
            "Replicates that always lie in the same well position find each other by their position too, "
            "and a treatment that does nothing cannot be retrieved."
        ),
    ),
    "provenance": (
        "Provenance",
        (
            "With the same input, versions, seed, threads and device the run gives the same results; the "
            "hashes tell whether the files that this page was made from are those that lie in the folder."
        ),
        "It cannot say whether the plate map was right, or whether the screen was a good one.",
    ),
}


WITHOUT_CONTROLS = (
    "Positive and negative controls are not both known, so that nothing here says how good the assay is: "
    "start with what stands out, and look at the map and the plates."
)


def make_section(name, parts, *, reading=None):
    """Make a section of its parts, with the words that belong to it.

    Parameters
    ----------
    name : str
        One of overview, map, archetypes, plates, doses, batches, outliers, replicates and provenance.
    parts : list
        What it consists of; None is left out.
    reading : str or None, default=None
        How to read it, where the usual words are wrong.

    Returns
    -------
    Section
        The section.
    """
    title, usual, limits = _TEXTS[name]
    return Section(name, title, reading or usual, limits, [part for part in parts if part is not None])
