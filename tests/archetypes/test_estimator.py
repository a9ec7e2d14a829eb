"""The public contract of ArchetypalAnalysis."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import Nystroem
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from archetypal_triplet import ArchetypalAnalysis, bicross_validated_variance, parsimonious


def make_mixtures(n=120, d=6, k=4, seed=0, noise=0.0):
    rng = np.random.default_rng(seed)
    corners = rng.normal(size=(k, d))
    return rng.dirichlet(np.ones(k), size=n) @ corners + noise * rng.normal(size=(n, d)), corners


# two of the checks have four distinct samples, which the default of eight archetypes rightly refuses
@parametrize_with_checks(
    [
        ArchetypalAnalysis(4),
        ArchetypalAnalysis(4, passthrough=True),
        ArchetypalAnalysis(n_archetypes=3, init="random", n_init=2),
    ]
)
def test_scikit_learn_checks(estimator, check):
    if getattr(check, "func", check).__name__ == "check_array_api_input":
        pytest.skip("needs SCIPY_ARRAY_API, which is set before the first import or never")
    check(estimator)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_attributes_describe_the_model(dtype):
    X = make_mixtures(noise=0.1)[0].astype(dtype)
    model = ArchetypalAnalysis(4).fit(X)
    A, B, Z = model.coefficients_, model.archetype_weights_, model.archetypes_
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    assert A.shape == (120, 4)
    assert B.shape == (4, 120)
    assert Z.shape == (4, 6)
    assert A.dtype == B.dtype == Z.dtype == dtype
    assert isinstance(B, sparse.csr_matrix)
    assert A.min() >= 0
    assert B.data.min() > 0
    assert_allclose(A.sum(axis=1), 1, rtol=tolerance)
    assert_allclose(np.asarray(B.sum(axis=1)).ravel(), 1, rtol=tolerance)
    assert_allclose(B @ X, Z, atol=tolerance)
    assert_allclose(((X - A @ Z) ** 2).sum(), model.reconstruction_err_, rtol=1e-4)
    assert_allclose(model.explained_variance_, model.score(X), rtol=1e-4)
    assert_allclose(model.inverse_transform(A), A @ Z)
    assert_allclose(model.transform(X), A, atol=tolerance)
    assert model.n_iter_ == len(model.loss_curve_)
    assert np.all(np.diff(model.loss_curve_) <= 0)
    assert model.duality_gap_ <= model.tol


def test_recovers_the_corners_of_a_polytope():
    X, corners = make_mixtures()
    X = np.vstack([X, corners])
    Z = ArchetypalAnalysis(4, tol=1e-12).fit(X).archetypes_
    distance = np.linalg.norm(Z[:, None] - corners[None], axis=2).min(axis=0)
    assert distance.max() < 1e-6


def test_passthrough_puts_the_input_first():
    X = make_mixtures()[0]
    plain = ArchetypalAnalysis(3).fit(X)
    model = ArchetypalAnalysis(3, passthrough=True).fit(X)
    out = model.transform(X)
    assert_array_equal(out[:, :6], X)
    assert_array_equal(out[:, 6:], plain.transform(X))
    assert list(model.get_feature_names_out())[5:7] == ["x5", "archetypalanalysis0"]
    assert_allclose(model.inverse_transform(out), plain.inverse_transform(plain.transform(X)))


def test_pandas_output_names_every_column():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(make_mixtures()[0], columns=list("abcdef"))
    model = ArchetypalAnalysis(2, passthrough=True).set_output(transform="pandas")
    assert list(model.fit_transform(X).columns) == [*"abcdef", "archetypalanalysis0", "archetypalanalysis1"]


def test_clone_pickle_and_refit_give_the_same_fit():
    X = make_mixtures(noise=0.2)[0]
    model = ArchetypalAnalysis(5, init="random", random_state=3).fit(X)
    expected = model.archetypes_.copy()
    assert_array_equal(pickle.loads(pickle.dumps(model)).transform(X), model.transform(X))
    assert_array_equal(clone(model).fit(X).archetypes_, expected)
    model.fit(make_mixtures(seed=1)[0])
    assert_array_equal(model.fit(X).archetypes_, expected)


def test_zero_weight_is_absence():
    X = make_mixtures(noise=0.2)[0]
    outlier = np.vstack([X, 100 * np.ones((1, 6))])
    weight = np.ones(121)
    weight[-1] = 0
    model = ArchetypalAnalysis(4).fit(outlier, sample_weight=weight)
    assert_allclose(model.archetypes_, ArchetypalAnalysis(4).fit(X).archetypes_)
    assert model.coefficients_.shape == (121, 4)
    assert model.archetype_weights_.shape == (4, 121)
    assert model.archetype_weights_[:, -1].nnz == 0


def test_init_by_row_indices():
    X = make_mixtures(noise=0.1)[0]
    model = ArchetypalAnalysis(3, init=[1, 5, 9]).fit(X)
    assert model.duality_gap_ <= model.tol
    with pytest.raises(ValueError, match="init must name 3 different samples"):
        ArchetypalAnalysis(3, init=[1, 1, 9]).fit(X)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.ones((3, 2)), ValueError, "n_archetypes=8 exceeds .* n_samples=3"),
        (np.ones((3, 1, 4, 4)), ValueError, "put an image-feature step before it"),
        (sparse.csr_matrix(np.eye(9)), TypeError, "does not accept sparse X.*TruncatedSVD"),
        (
            np.where(np.eye(9) > 0, np.nan, 1.0),
            ValueError,
            r"NaN or infinity .9 values in 9 .*SimpleImputer",
        ),
    ],
)
def test_what_cannot_be_fitted_is_explained(X, error, message):
    with pytest.raises(error, match=message):
        ArchetypalAnalysis().fit(X)


def test_all_weights_zero():
    with pytest.raises(ValueError, match="sample_weight is zero for every sample"):
        ArchetypalAnalysis(1).fit(np.eye(3), sample_weight=np.zeros(3))


@pytest.mark.parametrize("init", ["furthest_sum", "aa++", "greedy_residual", "random"])
def test_more_archetypes_than_distinct_samples_are_refused(init):
    X = np.repeat(np.eye(3), 5, axis=0)
    with pytest.raises(ValueError, match=r"n_archetypes=5 exceeds the 3 distinct sample\(s\) of X: 15 rows"):
        ArchetypalAnalysis(5, init=init, random_state=0).fit(X)
    model = ArchetypalAnalysis(3, init=init, random_state=0).fit(X)
    assert model.reconstruction_err_ == pytest.approx(0, abs=1e-12)


def test_unfinished_fit_warns_with_the_gap():
    X = make_mixtures(noise=0.3)[0]
    with pytest.warns(ConvergenceWarning, match=r"max_iter=2. at a relative duality gap of .* above tol"):
        ArchetypalAnalysis(4, max_iter=2, exchange=False).fit(X)


def test_grid_search_over_the_number_of_archetypes():
    X = make_mixtures(n=150, d=20, k=4, noise=0.02)[0]
    pipeline = Pipeline([("scale", StandardScaler()), ("archetypes", ArchetypalAnalysis())])
    search = GridSearchCV(
        pipeline,
        {"archetypes__n_archetypes": [2, 3, 4, 5, 6]},
        scoring=bicross_validated_variance,
        refit=parsimonious("archetypes__n_archetypes"),
        error_score="raise",
        n_jobs=2,
    ).fit(X)
    assert search.best_params_ == {"archetypes__n_archetypes": 4}


def test_kernel_archetypes_are_a_pipeline():
    angle = np.linspace(0, 2 * np.pi, 90)
    X = np.column_stack([np.cos(angle), np.sin(angle)])
    kernel = Nystroem(kernel="rbf", n_components=30, random_state=0)
    pipeline = make_pipeline(kernel, ArchetypalAnalysis(4, random_state=0)).fit(X)
    labels = pipeline.transform(X).argmax(axis=1)
    assert np.bincount(labels).min() > 10


def test_import_loads_no_heavy_package():
    code = (
        "import sys, sklearn.base, sklearn.utils; before = set(sys.modules);"
        "from archetypal_triplet import ArchetypalAnalysis; ArchetypalAnalysis(2).fit([[0.], [1.], [2.]]);"
        "new = {m.partition('.')[0] for m in set(sys.modules) - before};"
        "print(sorted(new & {'torch', 'pandas', 'matplotlib', 'skorch', 'pyarrow'}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
