"""
From a simulated screen to a map and a number
=============================================

A screen of two batches with three plates each is simulated: controls, doses, inactive compounds in the
majority, edge and plate effects. The method never sees which compound does what; the truth only colors
the map.
"""

# %%
# The screen
# ----------
# ``profiles`` is what a real screen would give, one row a well. ``truth`` stands beside it.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from archetypal_triplet import make_archetypal_triplet
from archetypal_triplet.datasets import make_screen
from archetypal_triplet.plotting import EmbeddingMapDisplay
from archetypal_triplet.qc import compute_control_separability

screen = make_screen(n_batches=2, n_plates=3, random_state=0)
profiles = screen.profiles
metadata = profiles.filter(like="Metadata_")
print(f"{len(profiles)} wells, {profiles.shape[1] - metadata.shape[1]} features")
print(profiles["Metadata_ControlType"].value_counts().to_string())

# %%
# The embedding
# -------------
# Plates and negative controls are all that the pipeline is told.
negative = "Metadata_ControlType == 'negative'"
pipe = make_archetypal_triplet(plate="Metadata_Plate", controls=negative, random_state=0)
embedding = pipe.fit(profiles).transform(profiles)
columns = [f"Embedding_{i}" for i in range(embedding.shape[1])]
table = pd.concat([metadata, pd.DataFrame(embedding, columns=columns, index=profiles.index)], axis=1)

# %%
# The map
# -------
# Left the plain features, right the embedding; colored by the mechanism that each well shows in truth.
# Wells whose effect is weak count as "None", as the vehicle wells do. The two halves on the left are the
# two batches.
strong = screen.truth["Truth_Effect"] > 0.5
mechanism = np.where(strong, screen.truth["Truth_Mechanism"], "None")
features = StandardScaler().fit_transform(profiles.drop(columns=metadata.columns))
plain = pd.concat([metadata, pd.DataFrame(PCA(30).fit_transform(features), index=profiles.index)], axis=1)
plain.columns = [*metadata.columns, *(f"Embedding_{i}" for i in range(30))]

fig, axes = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
EmbeddingMapDisplay.from_table(plain, color=mechanism, ax=axes[0], legend=False)
EmbeddingMapDisplay.from_table(table, color=mechanism, ax=axes[1])
axes[0].set_title("Standardized features")
axes[1].set_title("Embedding")
plt.show()

# %%
# Can the controls be told apart?
# -------------------------------
# The axis is drawn from the other plates, and measured on one that had no part in it. The wells have
# trained the embedding, without labels: the number describes this map and is no estimate for the next
# plate. An axis that is drawn for one strong control finds it in the plain features just as well; what the
# embedding adds is a map on which nobody had to say what to look for.
positive = "Metadata_ControlType == 'positive'"
rows = {}
for name, what in {"standardized features": plain, "embedding": table}.items():
    result = compute_control_separability(
        what, negative=negative, positive=positive, plate="Metadata_Plate", random_state=0
    )
    pooled = result[result["scope"] == "pooled"].set_index("metric").loc[["z_prime", "auc"]]
    rows[name] = [f"{m.value:.2f} ({m.low:.2f} to {m.high:.2f})" for m in pooled.itertuples()]
print(pd.DataFrame(rows, index=["Z'", "AUC"]).T.to_string())
