"""The specification: slow, obvious versions of what the package computes fast.

One section a room. Nothing here is clever, and nothing here imports the package.
"""

import numpy as np
from scipy import stats
from scipy.optimize import brentq, least_squares

# --- labels ---------------------------------------------------------------------------------------------


def naive_pseudo_labels(mixtures, threshold, per_label=None, exclude=()):
    """Label each sample by its largest coefficient, where that is large enough."""
    n_samples, n_labels = mixtures.shape
    candidates = [int(np.argmax(row)) for row in mixtures]
    labels = np.full(n_samples, -1)
    for label in range(n_labels):
        if label in exclude:
            continue
        own = sorted(
            (float(mixtures[i, label]) for i in range(n_samples) if candidates[i] == label), reverse=True
        )
        cut = threshold if per_label is None or len(own) <= per_label else max(threshold, own[per_label - 1])
        for i in range(n_samples):
            if candidates[i] == label and mixtures[i, label] >= cut:
                labels[i] = label
    return labels


# --- triplets -------------------------------------------------------------------------------------------


def naive_distance(x, y):
    """Euclidean distance of two points."""
    return float(sum((float(a) - float(b)) ** 2 for a, b in zip(x, y, strict=True)) ** 0.5)


def naive_candidates(labels, groups, anchor):
    """Rows that may be the anchor's positive (of another group where there are such), and its negatives."""
    positives = [i for i in range(len(labels)) if i != anchor and labels[i] == labels[anchor]]
    if groups is not None:
        across = [i for i in positives if groups[i] != groups[anchor]]
        positives = across or positives
    return positives, [i for i in range(len(labels)) if labels[i] != labels[anchor]]


def naive_semihard_negative(embedding, anchor, positive, negatives):
    """The nearest negative that is farther away than the positive; where there is none, the farthest."""
    limit = naive_distance(embedding[anchor], embedding[positive])
    beyond = [i for i in negatives if naive_distance(embedding[anchor], embedding[i]) > limit]
    if beyond:
        return min(beyond, key=lambda i: naive_distance(embedding[anchor], embedding[i]))
    return max(negatives, key=lambda i: naive_distance(embedding[anchor], embedding[i]))


def naive_hardest(embedding, anchor, positives, negatives):
    """The farthest positive and the nearest negative."""
    return (
        max(positives, key=lambda i: naive_distance(embedding[anchor], embedding[i])),
        min(negatives, key=lambda i: naive_distance(embedding[anchor], embedding[i])),
    )


def naive_triplet_losses(embedding, triplets, margin):
    """What the negative of each triplet lacks to be farther than the positive by the margin."""
    return [
        max(
            0.0,
            naive_distance(embedding[a], embedding[p]) - naive_distance(embedding[a], embedding[n]) + margin,
        )
        for a, p, n in triplets
    ]


def naive_cosine(x, y):
    """Cosine of the angle between two vectors; 0 if one of them is zero."""
    norms = naive_distance(x, np.zeros(len(x))) * naive_distance(y, np.zeros(len(y)))
    return 0.0 if norms == 0 else float(np.dot(x, y)) / norms


def naive_keep_loss(embedding, inputs):
    """Mean squared difference of the cosines of embedding and input over all ordered pairs."""
    n = len(embedding)
    terms = [
        (naive_cosine(embedding[i], embedding[j]) - naive_cosine(inputs[i], inputs[j])) ** 2
        for i in range(n)
        for j in range(n)
        if i != j
    ]
    return sum(terms) / len(terms)


def naive_spread(embedding):
    """Root mean square distance to the mean point."""
    center = [sum(column) / len(embedding) for column in np.transpose(embedding)]
    return (sum(naive_distance(row, center) ** 2 for row in embedding) / len(embedding)) ** 0.5


def naive_standardize(X):
    """Subtract column means, divide by column standard deviations; constant columns become zero."""
    out = np.zeros(X.shape)
    for j in range(X.shape[1]):
        column = [float(v) for v in X[:, j]]
        if max(column) == min(column):
            continue
        mean = sum(column) / len(column)
        deviation = (sum((v - mean) ** 2 for v in column) / len(column)) ** 0.5
        for i, v in enumerate(column):
            out[i, j] = (v - mean) / deviation
    return out


def naive_triplet_accuracy(embedding, triplets):
    """Share of triplets whose positive is nearer than the negative, ties counting half."""
    hits = 0.0
    for a, p, n in triplets:
        near, far = naive_distance(embedding[a], embedding[p]), naive_distance(embedding[a], embedding[n])
        hits += 0.5 if near == far else float(near < far)
    return hits / len(triplets)


# --- screens --------------------------------------------------------------------------------------------


def naive_plate_step(X, plates, is_control, clip):
    """Subtract each plate's control mean, divide by the controls' spread within plates, clip."""
    centered = np.array(X, dtype=float)
    for plate in set(plates):
        rows = [i for i in range(len(X)) if plates[i] == plate]
        own = [i for i in rows if is_control[i]]
        center = sum(X[i] for i in own) / len(own)
        for i in rows:
            centered[i] = X[i] - center
    controls = [i for i in range(len(X)) if is_control[i]]
    n_plates = len({plates[i] for i in controls})
    spread = np.sqrt(sum(centered[i] ** 2 for i in controls) / (len(controls) - n_plates))
    return np.minimum(np.maximum(centered / spread, -clip), clip)


def naive_whitening(scores, groups, ridge):
    """Multiply by (C + ridge I)^-1/2 with C the covariance within groups, scaled to mean eigenvalue 1."""
    n_components = scores.shape[1]
    covariance = np.zeros((n_components, n_components))
    for group in set(groups) - {-1}:
        rows = [i for i in range(len(scores)) if groups[i] == group]
        mean = sum(scores[i] for i in rows) / len(rows)
        for i in rows:
            covariance += np.outer(scores[i] - mean, scores[i] - mean)
    covariance = covariance / (np.trace(covariance) / n_components)
    return scores @ naive_inverse_root(covariance + ridge * np.eye(n_components))


def naive_nested_whitening(scores, wells, plates, is_control, ridge):
    """Whiten by two covariances: cells about their well, and means of control wells about their plate's."""
    n_components = scores.shape[1]
    within, between = np.zeros((2, n_components, n_components))
    for well in set(wells):
        own = scores[[w == well for w in wells]]
        for x in own:
            within += np.outer(x - own.mean(axis=0), x - own.mean(axis=0))
    for plate in set(plates):
        here = {w for w, p, c in zip(wells, plates, is_control, strict=True) if p == plate and c}
        means = [scores[[w == well for w in wells]].mean(axis=0) for well in here]
        for mean in means:
            between += np.outer(mean - np.mean(means, axis=0), mean - np.mean(means, axis=0))
    covariance = sum(c / np.trace(c) * n_components for c in (within, between)) / 2
    return scores @ naive_inverse_root(covariance + ridge * np.eye(n_components))


def naive_inverse_root(matrix):
    """Invert the square root of a symmetric matrix by the coupled Newton iteration of Denman and Beavers."""
    root, inverse = matrix, np.eye(len(matrix))
    for _ in range(60):
        root, inverse = (root + np.linalg.inv(inverse)) / 2, (inverse + np.linalg.inv(root)) / 2
    return inverse


def naive_soft_length(scores, reference, soft_length):
    """Divide each row by the root of its squared length plus that of a typical length."""
    constant = soft_length * float(np.median([np.sqrt(sum(v * v for v in scores[i])) for i in reference]))
    return np.array([row / np.sqrt(sum(v * v for v in row) + constant**2) for row in scores])


def naive_neighbor_mean(rows, X, n_neighbors):
    """Average the training rows nearest to each row."""
    means = []
    for row in X:
        nearest = sorted(range(len(rows)), key=lambda j: sum((row - rows[j]) ** 2))[:n_neighbors]
        means.append(sum(rows[j] for j in nearest) / len(nearest))
    return np.array(means)


# --- archetypes -----------------------------------------------------------------------------------------


def naive_mixture(x, Z):
    """The point of the hull of the rows of `Z` nearest to `x`: try every subset of rows, keep the best."""
    best, best_distance = None, np.inf
    for code in range(1, 2 ** len(Z)):
        members = [j for j in range(len(Z)) if code >> j & 1]
        # minimize |x - a Z|^2 with the sum of a equal to one, by its optimality conditions
        size = len(members)
        system = np.zeros((size + 1, size + 1))
        system[:size, :size] = Z[members] @ Z[members].T
        system[:size, size] = system[size, :size] = 1.0
        solution = np.linalg.lstsq(system, np.append(Z[members] @ x, 1.0), rcond=None)[0][:size]
        if solution.min() < -1e-12 or abs(solution.sum() - 1.0) > 1e-9:
            continue
        distance = float(np.sum((x - solution @ Z[members]) ** 2))
        if distance < best_distance - 1e-14:
            best, best_distance = np.zeros(len(Z)), distance
            best[members] = np.maximum(solution, 0.0)
    return best


def naive_coefficients(X, Z):
    """The mixtures of all rows, one after the other."""
    return np.array([naive_mixture(x, Z) for x in X])


def naive_loss(X, A, Z, weight):
    """The weighted residual sum of squares."""
    return float(sum(w * np.sum((x - a @ Z) ** 2) for x, a, w in zip(X, A, weight, strict=True)))


def naive_gap(X, A, Z, weight):
    """Both Frank-Wolfe gaps added: what changing A alone or Z alone within the hull could gain at most."""
    gap = 0.0
    for x, a, w in zip(X, A, weight, strict=True):
        gradient = 2 * w * (a @ Z - x) @ Z.T
        gap += a @ gradient - gradient.min()
    for archetype, mass in zip(Z, A.T, strict=True):
        slope = sum(2 * w * m * (a @ Z - x) for x, a, w, m in zip(X, A, weight, mass, strict=True))
        gap += slope @ archetype - min(slope @ x for x in X)
    return float(gap)


def naive_furthest_sum(X, n_archetypes, n_exchanges=10):
    """Start from the centroid; always take the row with the largest sum of distances to those taken."""
    chosen = [int(np.argmax([np.linalg.norm(x - X.mean(axis=0)) for x in X]))]
    for turn in range(1, n_archetypes + (n_exchanges if n_archetypes > 1 else 0)):
        if turn >= n_archetypes:
            chosen.pop(0)
        sums = []
        for x in X:
            distances = [np.linalg.norm(x - X[c]) for c in chosen]
            sums.append(sum(distances) if min(distances) > 0 else -np.inf)
        chosen.append(int(np.argmax(sums)))
    return chosen


def naive_aggregate(groups, X, how):
    """Mean or median of the rows of each group, by the group's values, as they first occur."""
    rows = {}
    for group, x in zip(groups, X, strict=True):
        rows.setdefault(tuple(group), []).append(x)
    reduce = {"mean": np.mean, "median": np.median}[how]
    return {group: reduce(own, axis=0) for group, own in rows.items()}


# --- dose response --------------------------------------------------------------------------------------


def naive_curve(dose, bottom, top, ec50, hill):
    """Response of one well."""
    return bottom + (top - bottom) / (1.0 + (ec50 / dose) ** hill)


def naive_curve_fit(doses, responses, vehicle=None, vehicle_weight=0.0, fixed_ec50=None):
    """Least squares over all four parameters by a general solver from many starts.

    Returns bottom, top, EC50, Hill slope, and the residual sum of squares.
    """
    doses, responses = np.asarray(doses, dtype=float), np.asarray(responses, dtype=float)

    def unpack(values):
        log_ec50 = np.log10(fixed_ec50) if fixed_ec50 is not None else values[3]
        return values[0], values[1], 10**log_ec50, 10 ** values[2]

    def residuals(values):
        bottom, top, ec50, hill = unpack(values)
        found = [naive_curve(d, bottom, top, ec50, hill) - r for d, r in zip(doses, responses, strict=True)]
        if vehicle_weight:
            found.append(np.sqrt(vehicle_weight) * (bottom - vehicle))
        return np.array(found)

    low, high = np.log10(doses.min()) - 1, np.log10(doses.max()) + 1
    lower, upper = [-np.inf, -np.inf, np.log10(0.25)], [np.inf, np.inf, 1.0]
    if fixed_ec50 is None:
        lower, upper = [*lower, low], [*upper, high]
    best = None
    for log_hill in (-0.2, 0.2, 0.6):
        for log_ec50 in np.linspace(low, high, 9)[1:-1] if fixed_ec50 is None else (None,):
            start = [responses.min(), responses.max(), log_hill]
            for ends in (start, [start[1], start[0], log_hill]):
                x = [*ends, log_ec50] if log_ec50 is not None else ends
                found = least_squares(residuals, x, bounds=(lower, upper), xtol=1e-12, ftol=1e-12)
                if best is None or found.cost < best.cost:
                    best = found
    return (*unpack(best.x), 2 * best.cost)


def naive_ec50_interval(doses, responses, confidence_level):
    """Where the best curve through a given EC50 becomes too bad, on both sides; 0, inf: not where tested."""
    *_, ec50, _, rss = naive_curve_fit(doses, responses)
    df = len(doses) - 4
    allowed = rss * (1 + stats.f.ppf(confidence_level, 1, df) / df)

    def excess(log_ec50):
        return naive_curve_fit(doses, responses, fixed_ec50=10**log_ec50)[-1] - allowed

    ends = []
    for limit, beyond in ((min(doses), 0.0), (max(doses), np.inf)):
        if excess(np.log10(limit)) <= 0:
            ends.append(beyond)
        else:
            ends.append(10 ** brentq(excess, np.log10(ec50), np.log10(limit), xtol=1e-6))
    return tuple(ends)
