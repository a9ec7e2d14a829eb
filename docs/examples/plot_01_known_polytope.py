"""
Archetypes of a polytope whose corners are known
================================================

Points are drawn inside a polytope with five corners in twelve dimensions, with a little noise.
Archetypal analysis finds the corners; bi-cross-validation tells how many there are.
"""

# %%
# The data
# --------
# Every sample is a convex mixture of the corners, plus noise.
import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV

from archetypal_triplet import ArchetypalAnalysis, bicross_validated_variance, parsimonious
from archetypal_triplet.datasets import make_archetypes

data = make_archetypes(n_samples=400, n_features=12, n_archetypes=5, noise=0.3, random_state=0)

# %%
# Finding the corners
# -------------------
# ``archetypes_`` are the corners that were found. Each is made of a few noisy samples, so they come as
# near to the true corners as the noise allows (its length is 0.3 times the square root of 12, about 1).
model = ArchetypalAnalysis(n_archetypes=5, random_state=0).fit(data.X)
distance = cdist(data.archetypes, model.archetypes_)
print(f"explained variance {model.explained_variance_:.3f}, {model.n_iter_} iterations")
print("distance of each true corner to the nearest archetype:", distance.min(axis=1).round(2))
print(f"(the corners lie {np.median(cdist(data.archetypes, data.archetypes)):.1f} apart)")

pca = PCA(2).fit(data.archetypes)
fig, ax = plt.subplots(figsize=(5.5, 4.5), layout="constrained")
purity = model.coefficients_.max(axis=1)
points = ax.scatter(*pca.transform(data.X).T, c=purity, s=10, cmap="viridis")
ax.scatter(
    *pca.transform(data.archetypes).T, marker="s", s=110, facecolor="none", edgecolor="k", label="true corner"
)
ax.scatter(*pca.transform(model.archetypes_).T, marker="x", s=60, color="C3", label="archetype found")
fig.colorbar(points, label="largest coefficient")
ax.set(xlabel="component 1", ylabel="component 2", title="Corners, true and found")
ax.legend(loc="best")
plt.show()

# %%
# How many are there?
# -------------------
# The variance that archetypes explain on held-out rows keeps rising. Predicting columns that the
# coefficients have not seen stops, and ``parsimonious`` takes the smallest number that is as good as the
# best.
counts = list(range(2, 7))
search = GridSearchCV(
    ArchetypalAnalysis(random_state=0),
    {"n_archetypes": counts},
    scoring=bicross_validated_variance,
    refit=parsimonious("n_archetypes"),
)
search.fit(data.X)
print("chosen number:", search.best_params_["n_archetypes"])

train, test = data.X[::2], data.X[1::2]
held_out = []
for k in counts:
    fitted = ArchetypalAnalysis(k, random_state=0).fit(train)
    residual = test - fitted.inverse_transform(fitted.transform(test))
    held_out.append(1 - (residual**2).sum() / ((test - train.mean(axis=0)) ** 2).sum())

fig, ax = plt.subplots(figsize=(5.5, 3.5), layout="constrained")
ax.errorbar(
    counts,
    search.cv_results_["mean_test_score"],
    search.cv_results_["std_test_score"],
    marker="o",
    label="hidden columns of held-out rows",
)
ax.plot(counts, held_out, marker="s", color="0.6", label="held-out rows")
ax.axvline(search.best_params_["n_archetypes"], color="C3", linestyle=":", label="chosen")
ax.set(xlabel="number of archetypes", ylabel="share of variance predicted", xticks=counts)
ax.legend()
plt.show()
