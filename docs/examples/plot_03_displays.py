"""
Figures of a screen
===================

The displays of ``archetypal_triplet.plotting`` on two simulated screens: which number of archetypes, samples
between archetypes, plates, images of archetypes, and how the training went. Each is made by ``from_table``,
``from_estimator`` or ``from_images``, draws into axes that it is given (or a figure of its own), and never
shows it.
"""

# %%
# How many archetypes
# -------------------
# The score predicts columns that the coefficients have not seen. The smallest number above the dashed line
# is as good as the best, and taken.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV

from archetypal_triplet import (
    ArchetypalAnalysis,
    ImageFeatures,
    ScreenNormalizer,
    bicross_validated_variance,
    make_archetypal_triplet,
    parsimonious,
)
from archetypal_triplet.datasets import make_screen
from archetypal_triplet.plotting import (
    ArchetypeCountDisplay,
    ArchetypeGalleryDisplay,
    PlateHeatmapDisplay,
    SimplexDisplay,
    TrainingDisplay,
)
from archetypal_triplet.qc import compute_position_effects

screen = make_screen(n_batches=1, n_plates=3, edge_effect=2.0, random_state=0)
profiles = screen.profiles
negative = "Metadata_ControlType == 'negative'"
normalizer = ScreenNormalizer(plate="Metadata_Plate", controls=negative)
components = np.asarray(normalizer.fit_transform(profiles))
search = GridSearchCV(
    ArchetypalAnalysis(random_state=0),
    {"n_archetypes": [2, 3, 4, 5, 6, 7, 8, 10]},
    scoring=bicross_validated_variance,
    refit=parsimonious("n_archetypes"),
    cv=5,
)
search.fit(components)
ArchetypeCountDisplay.from_estimator(search)
plt.show()

# %%
# Samples between archetypes
# --------------------------
# Each corner is an archetype, and a sample lies where its mixture puts it. Vehicle wells and compounds that
# do nothing are spread among several corners, since their harmless variation has extremes as well; the
# positive controls crowd in one.
shares = pd.DataFrame(search.best_estimator_.transform(components), index=profiles.index)
wells = pd.concat([profiles.filter(like="Metadata_"), shares.add_prefix("Archetype_")], axis=1)
strong = screen.truth["Truth_Effect"] > 0.5
mechanism = screen.truth["Truth_Mechanism"].where(strong, "none")
mechanism.name = "Mechanism"
SimplexDisplay.from_table(wells, color=mechanism)
plt.show()

# %%
# Plates
# ------
# Left the share of the archetype that the negative controls have, right the number of cells with what the
# test of position says about it: this screen has more cells inside than at the edge.
of_controls = wells[wells["Metadata_ControlType"] == "negative"].filter(like="Archetype_").mean().idxmax()
samples = "Metadata_ControlType == 'sample'"
effects = compute_position_effects(
    wells, rows=samples, features=["Metadata_Count_Cells"], by_column=True, random_state=0
)
fig, axes = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained")
PlateHeatmapDisplay.from_table(wells, of_controls, plate="Plate01", ax=axes[0])
PlateHeatmapDisplay.from_table(
    wells, "Metadata_Count_Cells", plate="Plate01", effects=effects, ax=axes[1], cmap="cividis"
)
plt.show()

# %%
# Images of archetypes
# --------------------
# A second screen, of images this time: 96 wells with one small field each. Of each archetype those fields
# are shown that have the largest share of it, in the same contrast for all: actin, GFP and DNA in red,
# green and blue.
images = make_screen(
    1, 1, images=True, n_replicates=1, plate_format=96, n_fields=1, image_size=256, random_state=0
)
features = ImageFeatures(n_jobs=2).set_output(transform="pandas").fit_transform(images.images)
fields = images.fields
table = pd.concat([fields.reset_index(drop=True), features.reset_index(drop=True)], axis=1)
normalizer = ScreenNormalizer(plate="Metadata_Plate", controls=negative, n_components=7)
field_components = np.asarray(normalizer.fit_transform(table))
field_shares = ArchetypalAnalysis(4, random_state=0).fit_transform(field_components)
pixels = np.asarray(images.images, dtype=np.float32)
low, high = np.percentile(pixels, [1, 99.7], axis=(0, 2, 3), keepdims=True)
colors = (255 * np.clip((pixels - low) / (high - low), 0, 1)).astype(np.uint8)[:, [2, 1, 0]]
purest = np.argsort(-field_shares, axis=0)[:6].T
ArchetypeGalleryDisplay.from_images(
    [[np.moveaxis(colors[i], 0, -1) for i in rows] for rows in purest],
    captions=[list(fields["Metadata_Well"].iloc[rows]) for rows in purest],
    subtitles=[f"mean share {share:.2f}" for share in field_shares.mean(axis=0)],
)
plt.show()

# %%
# The training
# ------------
# The loss stays below what it would be in one point, and the embedding stays spread out: it has not
# collapsed.
pipe = make_archetypal_triplet(plate="Metadata_Plate", controls=negative, random_state=0).fit(profiles)
TrainingDisplay.from_estimator(pipe)
plt.show()
