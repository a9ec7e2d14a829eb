"""
Dose response
=============

How much of a compound is needed, along the axis between the controls of a simulated screen. The truth of the
screen stands beside it.
"""

# %%
# A place between the controls
# ----------------------------
# Every well gets a score: 0 is the mean of the negative and 1 that of the positive controls. A control is
# scored along axes that were drawn on other plates.
import matplotlib.pyplot as plt

from archetypal_triplet import ScreenNormalizer
from archetypal_triplet.datasets import make_screen
from archetypal_triplet.plotting import DoseResponseDisplay
from archetypal_triplet.qc import compute_control_scores
from archetypal_triplet.screens import compute_dose_response

screen = make_screen(1, 3, n_doses=9, inactive_fraction=0.3, random_state=0)
profiles = screen.profiles
negative, positive = "Metadata_ControlType == 'negative'", "Metadata_ControlType == 'positive'"
normalizer = ScreenNormalizer(plate="Metadata_Plate", controls=negative).set_output(transform="pandas")
wells = profiles.filter(like="Metadata_").join(normalizer.fit_transform(profiles))
scores = compute_control_scores(
    wells, negative=negative, positive=positive, plate="Metadata_Plate", random_state=0
)
wells["Control score"] = scores["score"]

# %%
# All compounds at once
# ---------------------
# Where there is no EC50, a reason stands in its place. Compounds of the positive control's mechanism follow
# the axis; others go elsewhere, some of them partly along it.
options = {"concentration": "Metadata_Concentration_uM", "controls": negative, "plate": "Metadata_Plate"}
curves = compute_dose_response(wells, "Control score", **options)
mechanisms = screen.truth.groupby(profiles["Metadata_Compound"])["Truth_Mechanism"].first()
curves["mechanism"] = curves["Metadata_Compound"].map(mechanisms)
columns = ["Metadata_Compound", "mechanism", "ec50", "ec50_low", "ec50_high", "top", "r2", "reason"]
print(curves.sort_values("p_value")[columns].head(8).to_string(index=False))
print(curves["reason"].str.replace(r" \(.*", "", regex=True).value_counts())

# %%
# Two of them
# -----------
# The band shows what is known of the curve, the shade what is known of the EC50; squares are vehicle wells.
clearest = curves.sort_values("p_value")["Metadata_Compound"].iloc[0]
silent = curves.loc[curves["p_value"].idxmax(), "Metadata_Compound"]
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for ax, compound in zip(axes, (clearest, silent), strict=True):
    DoseResponseDisplay.from_table(wells, "Control score", compound=compound, **options, ax=ax)
plt.show()
