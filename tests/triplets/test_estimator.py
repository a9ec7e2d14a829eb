"""TripletEmbedder's contract: sources of labels, seeds, state, devices, errors."""

import copy
import functools
import logging
import pickle
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import DBSCAN, KMeans
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from archetypal_triplet import TripletEmbedder
from archetypal_triplet._utils._exceptions import CollapseWarning, DataWarning


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(120, n_features=6, centers=4, cluster_std=2.0, random_state=0)


def make(*args, max_steps=25, random_state=0, **kwargs):
    return TripletEmbedder(*args, max_steps=max_steps, random_state=random_state, **kwargs)


def kmeans(k=4):
    return KMeans(k, n_init=1, random_state=0)


class ManyLabelings(BaseEstimator):
    def fit_predict(self, X, y=None):
        return np.stack([kmeans(k).fit_predict(X) for k in (3, 4, 5, 6)], axis=1)


class SeesInput(BaseEstimator):
    def fit(self, X, y=None):
        self.seen_, self.y_ = X, y
        return self

    def predict(self, X):
        return np.arange(len(X)) % 2


# --- the one source of labels ---


def test_a_labeler_wins_over_y_and_shuffled_y_changes_no_bit(blobs):
    X, y = blobs
    alone = make(kmeans()).fit_transform(X)
    rng = np.random.default_rng(0)
    for target in (y, rng.permutation(y), rng.normal(size=len(y))):
        np.testing.assert_array_equal(make(kmeans()).fit(X, target).transform(X), alone)


def test_y_is_used_only_where_there_is_no_other_source(blobs):
    X, y = blobs
    embedder = make().fit(X, y)
    np.testing.assert_array_equal(embedder.labels_, y)
    assert not hasattr(embedder, "labeler_")
    assert np.abs(embedder.transform(X) - make().fit(X, np.roll(y, 1)).transform(X)).max() > 0.1


def test_no_source_shows_the_cure_as_code(blobs):
    with pytest.raises(ValueError, match=r"(?s)target y is None.*TripletEmbedder\(labeler=Pipeline\(\["):
        make().fit(blobs[0])
    with pytest.raises(ValueError, match=r"TripletEmbedder\(label_column=-1\)"):
        make().fit(blobs[0])


def test_two_sources_are_refused(blobs):
    with pytest.raises(ValueError, match=r"label_column=0 are two sources of labels"):
        make(kmeans(), label_column=0).fit(blobs[0])


def test_the_labeler_is_cloned_and_gets_the_frame_as_passed(blobs):
    frame = pd.DataFrame(blobs[0]).add_prefix("f")
    labeler = SeesInput()
    embedder = make(labeler).fit(frame, blobs[1])
    assert embedder.labeler_.seen_ is frame
    assert embedder.labeler_.y_ is None
    assert not hasattr(labeler, "seen_")


def test_transform_never_calls_the_labeler(blobs):
    embedder = make(SeesInput()).fit(blobs[0])
    embedder.labeler_.predict = None
    assert embedder.transform(blobs[0]).shape == (120, 32)


def test_a_search_and_a_pipeline_are_labelers(blobs):
    X, _ = blobs
    search = GridSearchCV(kmeans(), {"n_clusters": [2, 3]}, error_score="raise", cv=2)
    assert make(search).fit(X).labeler_.best_params_["n_clusters"] in (2, 3)
    pipe = Pipeline([("scale", StandardScaler()), ("cluster", kmeans(3))])
    nested = GridSearchCV(
        Pipeline([("embed", make(pipe, max_steps=2))]),
        {"embed__labeler__cluster__n_clusters": [2, 3]},
        error_score="raise",
        cv=2,
    )
    assert nested.fit(X).best_score_ > 0.4


def test_in_line_labels_give_the_nested_embedding(blobs):
    X, _ = blobs
    labels = kmeans().fit_predict(X)
    nested = make(kmeans()).fit_transform(X)
    table = np.column_stack([X, labels])
    inline = make(label_column=-1).fit(table)
    np.testing.assert_array_equal(inline.transform(table), nested)
    assert inline.n_features_in_ == 7
    assert inline.in_shape_ == (6,)
    frame = pd.DataFrame(X).add_prefix("f").assign(pseudolabel=labels)
    named = make(label_column="pseudolabel").fit(frame)
    np.testing.assert_array_equal(named.transform(frame), nested)
    assert named.feature_names_in_[-1] == "pseudolabel"
    # what the column says does not matter for transform
    np.testing.assert_array_equal(named.transform(frame.assign(pseudolabel=-1)), nested)


def test_a_feature_taken_for_the_label_column_is_refused(blobs):
    with pytest.raises(ValueError, match=r"label_column=2 is not integral: 120 of 120 values"):
        make(label_column=2).fit(blobs[0])


def test_samples_without_label_are_never_trained_on(blobs):
    X, y = blobs
    y = np.where(np.arange(len(y)) % 3 == 0, -1, y)
    with_them = make(input_noise=0.0).fit(X, y)
    rows = []
    embedder = make(augment=lambda inputs, generator: rows.append(inputs) or inputs, input_noise=0.0)
    embedder.fit(X, y)
    seen = torch.cat(rows).numpy()
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    unlabeled = Z[y == -1].astype(np.float32)
    assert np.abs(seen[:, None] - unlabeled[None]).max(axis=2).min() > 1e-4
    np.testing.assert_array_equal(embedder.transform(X), with_them.transform(X))
    assert embedder.classes_.tolist() == [0, 1, 2, 3]


def test_several_labelings(blobs):
    X, _ = blobs
    embedder = make(ManyLabelings()).fit(X)
    assert embedder.labels_.shape == (120, 4)
    assert [len(c) for c in embedder.classes_] == [3, 4, 5, 6]
    assert embedder.net_.criterion_.keep_weight == 0
    assert make(kmeans()).fit(X).net_.criterion_.keep_weight == 1
    assert make(kmeans(), keep_weight=0.5).fit(X).net_.criterion_.keep_weight == 0.5


@pytest.mark.parametrize(
    ("labeler", "message"),
    [
        (KMeans(1, n_init=1), r"1 class is left to train on"),
        (DBSCAN(eps=1e-9), r"every label is -1 \(unlabeled\): 120 of 120"),
    ],
)
def test_labelers_that_leave_nothing_to_train_on(blobs, labeler, message):
    with pytest.raises(ValueError, match=message):
        make(labeler).fit(blobs[0])


def test_a_labeler_of_the_wrong_length_is_named(blobs):
    class Short(SeesInput):
        def predict(self, X):
            return np.zeros(3)

    with pytest.raises(ValueError, match=r"labeler=Short returned 3 labels for 120 samples"):
        make(Short()).fit(blobs[0])
    with pytest.raises(ValueError, match=r"y has 5 rows and X has 120"):
        make().fit(blobs[0], np.zeros(5))


def test_a_labeler_that_is_a_class_is_refused(blobs):
    with pytest.raises(TypeError, match=r"labeler=KMeans is a class; pass an instance, .*KMeans\(\)"):
        make(KMeans).fit(blobs[0])


@pytest.mark.parametrize("labels", [["a", "b", "c"] * 40, pd.Categorical(["a", "b", "c"] * 40)])
def test_a_label_column_of_text_is_named(blobs, labels):
    table = pd.DataFrame(blobs[0], columns=[f"f{i}" for i in range(blobs[0].shape[1])]).assign(kind=labels)
    for column in ("kind", -1):
        with pytest.raises(ValueError, match=r"label_column=.* \(first value: 'a'\)\. Number the labels"):
            make(label_column=column).fit(table)


def test_divergence_is_told_from_the_learning_rate(blobs):
    with pytest.raises(ValueError, match=r"Training has diverged at step \d+: .* Lower lr=1e\+30"):
        make(lr=1e30).fit(*blobs)
    with pytest.raises(ValueError, match=r"diverged .* whether its values are finite"):
        make(criterion=lambda embedding, labels: embedding.sum() * float("nan")).fit(*blobs)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"callbacks": [1]}, r"callbacks holds 1, which is no skorch callback"),
        ({"callbacks": [("a", 5)]}, r"callbacks holds \('a', 5\), .* pairs \(name, callback\)"),
        ({"criterion": int}, r"criterion=<class 'int'> made a int, which cannot be called"),
        (
            {"criterion": lambda embedding, labels: embedding.sum(dim=1)},
            r"criterion returned a tensor of shape \(\d+,\); .* take the mean",
        ),
        ({"criterion": lambda embedding, labels: 0.5}, r"criterion returned 0\.5; it must return a tensor"),
        (
            {"validation_fraction": 0.99},
            r"validation_fraction=0\.99 leaves 1 of 120 samples to train on: lower it\. 0 classes are left",
        ),
    ],
)
def test_parts_from_outside_that_do_not_fit_are_named(blobs, parameters, message):
    with pytest.raises(ValueError, match=message):
        make(**parameters).fit(*blobs)


def test_single_samples_are_dropped_with_a_warning(blobs):
    X, y = blobs
    with pytest.warns(DataWarning, match=r"1 label\(s\) have a single sample \(first: 99\)"):
        make().fit(X, np.where(np.arange(120) == 7, 99, y))


# --- the embedding ---


def test_embedding_separates_labels_on_the_unit_sphere(blobs):
    X, y = blobs
    embedder = make(max_steps=60).fit(X, y)
    embedding = embedder.transform(X)
    assert embedding.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-6)
    assert embedder.score(X, y) > 0.97
    assert embedder.spread_ == pytest.approx(
        float(np.sqrt(np.square(embedding - embedding.mean(axis=0)).sum(axis=1).mean())), abs=1e-5
    )


@pytest.mark.parametrize("mining", ["batch_hard", "easy_positive", "random", "semihard"])
def test_every_mining_rule_learns(blobs, mining):
    X, y = blobs
    assert make(mining=mining, max_steps=60).fit(X, y).score(X, y) > 0.95


def test_scaling_and_shifting_columns_changes_nothing(blobs):
    X, y = blobs
    moved = X * 2.0 ** np.arange(-3, 3) + np.arange(6)
    np.testing.assert_allclose(
        make().fit(X, y).transform(X), make().fit(moved, y).transform(moved), atol=1e-3
    )


def test_a_constant_column_changes_nothing_and_stays_ignored(blobs):
    X, y = blobs
    table = np.column_stack([X, np.full(len(X), 7.0)])
    embedder = make().fit(table, y)
    embedding = embedder.transform(table)
    assert np.isfinite(embedding).all()
    table[:, -1] = 1e6
    np.testing.assert_array_equal(embedder.transform(table), embedding)


def test_a_sample_is_embedded_the_same_in_any_company(blobs):
    X, y = blobs
    embedder = make().fit(X, y)
    many = np.concatenate([X] * 5)
    together = embedder.transform(many)
    np.testing.assert_array_equal(together[:120], together[480:])
    np.testing.assert_allclose(embedder.transform(X[:1]), together[:1], atol=1e-7)


def test_names_out_and_pandas_output(blobs):
    X, y = blobs
    embedder = make(embedding_dim=3).set_output(transform="pandas").fit(X, y)
    assert embedder.get_feature_names_out().tolist() == [f"tripletembedder{i}" for i in range(3)]
    assert list(embedder.transform(X).columns) == [f"tripletembedder{i}" for i in range(3)]


def test_collapse_is_told():
    X = np.random.default_rng(0).normal(size=(100, 3))
    X[:, :] = X[:1]
    with pytest.warns(CollapseWarning, match=r"spread is 0\.000 .* loss is 0\.200 \(margin 0\.2\)"):
        make().fit(X, np.arange(100) % 4)


# --- seeds and state ---


def test_refits_are_identical_and_global_generators_untouched(blobs):
    X, y = blobs
    embedder = make()
    torch_before, numpy_before = torch.get_rng_state(), np.append(*np.random.get_state()[1:3])  # noqa: NPY002
    first = embedder.fit(X, y).transform(X)
    second = embedder.fit(X, y).transform(X)
    np.testing.assert_array_equal(first, second)
    assert torch.equal(torch_before, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_before, np.append(*np.random.get_state()[1:3]))  # noqa: NPY002
    other = clone(embedder).set_params(random_state=1).fit(X, y)
    assert np.abs(other.transform(X) - first).max() > 0.01


def test_foreign_modules_that_draw_are_reproducible_and_leave_no_trace(blobs):
    X, y = blobs
    before = torch.get_rng_state()
    runs = [make(module=Dropping).fit(X, y).transform(X) for _ in range(2)]
    np.testing.assert_array_equal(*runs)
    assert torch.equal(before, torch.get_rng_state())


def test_random_states_are_advanced_and_none_differs(blobs):
    X, y = blobs
    state = np.random.RandomState(0)
    embedder = make(random_state=state)
    first, second = (embedder.fit(X, y).transform(X) for _ in range(2))
    assert np.abs(first - second).max() > 0.01
    anew = make(random_state=np.random.RandomState(0)).fit(X, y).transform(X)
    np.testing.assert_array_equal(anew, first)


def test_fits_in_threads_do_not_disturb_each_other(blobs):
    X, y = blobs
    alone = {seed: make(random_state=seed).fit(X, y).transform(X) for seed in range(4)}
    before = torch.get_rng_state()
    found = {}

    def work(seed):
        found[seed] = make(random_state=seed).fit(X, y).transform(X)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, embedding in alone.items():
        np.testing.assert_array_equal(found[seed], embedding)
    assert torch.equal(before, torch.get_rng_state())


def test_pickle_and_deepcopy_keep_the_embedding(blobs):
    X, _ = blobs
    embedder = make(kmeans()).fit(X)
    for twin in (pickle.loads(pickle.dumps(embedder)), copy.deepcopy(embedder)):
        np.testing.assert_array_equal(twin.transform(X), embedder.transform(X))
        assert twin.device_ == "cpu"
        twin.set_params(warm_start=True).fit(X)
        assert twin.n_steps_ == 50


def test_warm_start_goes_on_and_refuses_other_shapes(blobs):
    X, y = blobs
    embedder = make(warm_start=True, max_steps=30).fit(X, y)
    weights = {k: v.clone() for k, v in embedder.net_.module_.state_dict().items()}
    embedder.set_params(lr=1e-12, weight_decay=0.0).fit(X, y)
    assert embedder.n_steps_ == 60
    assert [r["step"] for r in embedder.history_] == [20, 30, 50, 60]
    for name, value in embedder.net_.module_.named_parameters():
        torch.testing.assert_close(value.detach(), weights[name], atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match=r"from \(6,\) to 32 dimensions, and is now asked for \(5,\) to 32"):
        embedder.fit(X[:, :5], y)
    other = copy.deepcopy(embedder).set_params(module_kwargs={"hidden": (16,)})
    with pytest.raises(ValueError, match=r"module_kwargs now make another one: set warm_start=False"):
        other.fit(X, y)
    assert embedder.set_params(warm_start=False).fit(X, y).n_steps_ == 30


def test_history_counts_steps(blobs):
    X, y = blobs
    embedder = make(max_steps=45).fit(X, y)
    assert [record["step"] for record in embedder.history_] == [20, 40, 45]
    assert embedder.n_steps_ == 45
    for record in embedder.history_:
        assert 0 <= record["active"] <= 1
        assert 0 < record["spread"] <= 1
        assert 1 <= record["effective_rank"] <= 32
    assert embedder.history_[0]["loss"] > embedder.history_[-1]["loss"]


def test_verbose_logs(blobs, caplog):
    with caplog.at_level(logging.INFO, logger="archetypal_triplet.triplets"):
        make(verbose=1).fit(*blobs)
        make(verbose=0).fit(*blobs)
    assert [r.message.split(":")[0] for r in caplog.records] == ["step 20", "step 25"]


# --- options ---


def test_early_stopping_keeps_the_best_weights(blobs):
    X, y = blobs
    embedder = make(validation_fraction=0.3, patience=2, max_steps=400).fit(X, y)
    scores = [record["valid_score"] for record in embedder.history_]
    assert embedder.n_steps_ < 400
    assert embedder.n_steps_ == embedder.history_[-1]["step"]
    assert max(scores) == max(scores[:-2])
    stopped_at_best = make(validation_fraction=0.3, patience=50, max_steps=400).fit(X, y)
    assert stopped_at_best.n_steps_ == 400
    with pytest.raises(ValueError, match=r"validation_fraction=0\.01 holds out 1 of 120 samples"):
        make(validation_fraction=0.01).fit(X, y)


def test_skorch_callbacks_see_rounds_and_may_stop(blobs):
    class Count(Callback):
        n_rounds = 0

        def on_epoch_end(self, net, **kwargs):
            type(self).n_rounds += 1
            assert net.history[-1, "spread"] > 0

    make(callbacks=[Count()], max_steps=60).fit(*blobs)
    assert Count.n_rounds == 3
    stop = EarlyStopping(monitor="train_batch_count", patience=2, sink=lambda text: None)
    assert make(callbacks=[stop], max_steps=400).fit(*blobs).n_steps_ < 400


def test_a_persons_interrupt_is_passed_on(blobs):
    def interrupt(inputs, generator):
        raise KeyboardInterrupt

    embedder = make(augment=interrupt)
    with pytest.raises(KeyboardInterrupt):
        embedder.fit(*blobs)
    assert not hasattr(embedder, "net_")


def test_a_checkpoint_knows_its_groups(blobs, tmp_path):
    X, y = blobs
    tables = [np.column_stack([X, np.arange(len(X)) % k]) for k in (2, 3)]
    fit = make(groups_column=-1, checkpoint_path=tmp_path / "fit.ckpt").fit(tables[0], y)
    np.testing.assert_array_equal(clone(fit).fit(tables[0], y).transform(tables[0]), fit.transform(tables[0]))
    with pytest.raises(ValueError, match="written by a fit with other data, labels or parameters"):
        clone(fit).fit(tables[1], y)


def test_groups_prefer_positives_from_elsewhere(blobs):
    X, y = blobs
    plates = np.array(["p1", "p2"])[np.arange(len(X)) % 2]
    frame = pd.DataFrame(X).add_prefix("f").assign(Metadata_Plate=plates)
    embedder = make(groups_column="Metadata_Plate").fit(frame, y)
    assert embedder.in_shape_ == (6,)
    assert embedder.transform(frame).shape == (120, 32)
    numbers = make(groups_column=-1).fit(np.column_stack([X, np.arange(len(X)) % 2]), y)
    np.testing.assert_array_equal(
        numbers.transform(np.column_stack([X, np.zeros(len(X))])), embedder.transform(frame)
    )
    assert np.abs(make().fit(X, y).transform(X) - embedder.transform(frame)).max() > 1e-3


class Dropping(nn.Sequential):
    def __init__(self, in_shape, embedding_dim, width=16):
        super().__init__(nn.Linear(in_shape[0], width), nn.Dropout(0.5), nn.Linear(width, embedding_dim))


def make_convolution(in_shape, embedding_dim):
    return nn.Sequential(
        nn.Conv2d(in_shape[0], 4, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, embedding_dim),
    )


def test_modules_get_what_their_signature_names(blobs):
    X, y = blobs
    assert make(module=Dropping, module_kwargs={"width": 5}).fit(X, y).net_.module_.body[0].out_features == 5
    plain = make(module=nn.Linear, module_kwargs={"in_features": 6, "out_features": 32}).fit(X, y)
    assert isinstance(plain.net_.module_.body, nn.Linear)
    images = np.random.default_rng(0).normal(size=(30, 2, 8, 8)) + np.arange(30).reshape(-1, 1, 1, 1) % 3
    embedder = make(module=make_convolution, embedding_dim=5, max_steps=20).fit(images, np.arange(30) % 3)
    assert embedder.in_shape_ == (2, 8, 8)
    np.testing.assert_allclose(np.linalg.norm(embedder.transform(images), axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("module", "kwargs", "message"),
    [
        (nn.Linear(6, 32), None, r"module=Linear\(\.\.\.\) is an instance; pass the class"),
        (lambda in_shape: 3, None, r"returned a int; it must return a torch\.nn\.Module"),
        (nn.Linear, {"in_features": 6, "out_features": 7}, r"module=Linear maps two samples .* to \(2, 7\)"),
    ],
)
def test_wrong_modules_are_refused(blobs, module, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(module=module, module_kwargs=kwargs).fit(*blobs)


def test_other_criteria_plug_in(blobs):
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    X, y = blobs

    def loss(embedding, labels):
        same = (labels[:, None] == labels).float()
        return (embedding @ embedding.T - same).square().mean()

    for criterion in (loss, losses.SupConLoss, losses.TripletMarginLoss(margin=0.1)):
        assert make(criterion=criterion, max_steps=60).fit(X, y).score(X, y) > 0.95
    proxies = functools.partial(losses.ProxyAnchorLoss, num_classes=18, embedding_size=32)
    embedder = make(ManyLabelings(), criterion=proxies).fit(X)
    assert {n for n, _ in embedder.net_.criterion_.named_parameters()} == {"criterion.proxies"}


def test_a_criterion_given_as_an_instance_is_not_changed(blobs):
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    instance = losses.ProxyAnchorLoss(num_classes=4, embedding_size=32)
    before = instance.proxies.detach().clone()
    make(criterion=instance).fit(*blobs)
    assert torch.equal(instance.proxies, before)


def test_augment_must_keep_the_shape(blobs):
    with pytest.raises(ValueError, match=r"turned a batch of shape \(32, 6\) into \(32, 3\)"):
        make(augment=lambda inputs, generator: inputs[:, :3]).fit(*blobs)


def test_bf16_and_deterministic_train(blobs):
    X, y = blobs
    assert make(precision="bf16", max_steps=60).fit(X, y).score(X, y) > 0.95
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        make(deterministic=True, max_steps=1).fit(X, y)
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(before)
    embedding = make(deterministic=True).fit(X, y).transform(X)
    assert torch.are_deterministic_algorithms_enabled() == before
    np.testing.assert_array_equal(embedding, make().fit(X, y).transform(X))


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", r"device='gpu' is not a device"),
        ("meta", r"device='meta' is asked for and cannot be used here; use device='auto' or 'cpu'"),
        ("cuda:99", r"device='cuda:99' is asked for, and torch .* sees \d+ CUDA device"),
    ],
)
def test_devices_that_do_not_exist_are_refused(blobs, device, message):
    with pytest.raises(ValueError, match=message):
        make(device=device).fit(*blobs)


@pytest.mark.parametrize(
    "params",
    [
        {"labeler": 3},
        {"label_column": 1.5},
        {"mining": "hard"},
        {"margin": 0},
        {"embedding_dim": 0},
        {"labels_per_batch": 1},
        {"samples_per_label": 1},
        {"max_steps": 0},
        {"lr": 0},
        {"weight_decay": -1},
        {"input_noise": -0.1},
        {"keep_weight": -1},
        {"validation_fraction": 1.0},
        {"patience": 0},
        {"precision": "fp8"},
        {"module": "resnet"},
        {"compile": "yes"},
    ],
)
def test_parameters_are_judged_by_fit(blobs, params):
    with pytest.raises(ValueError, match=f"The '{next(iter(params))}' parameter of TripletEmbedder must be"):
        TripletEmbedder(**params).fit(*blobs)


# --- score ---


def test_score_uses_the_source_of_labels(blobs):
    X, y = blobs
    for embedder in (make(kmeans()), make(ManyLabelings())):
        embedder.fit(X)
        if hasattr(embedder.labeler_, "predict"):
            assert embedder.score(X) == embedder.score(X, y)
        else:
            with pytest.raises(ValueError, match=r"labeler=ManyLabelings has no predict"):
                embedder.score(X)
    table = np.column_stack([X, y])
    assert make(label_column=6).fit(table).score(table) == make().fit(X, y).score(X, y)
    with pytest.raises(ValueError, match=r"score requires y to be passed"):
        make().fit(X, y).score(X)
    with pytest.raises(ValueError, match=r"y has 3 rows and X has 120"):
        make().fit(X, y).score(X, y[:3])


# --- checkpoints ---


class StopAt(Callback):
    """Interrupt as a person would: not through skorch's way to stop."""

    def on_epoch_begin(self, net, **kwargs):
        if net.loop_.batches.step >= 40:
            raise RuntimeError("power cut")


@pytest.mark.parametrize("params", [{}, {"validation_fraction": 0.3}, {"module": Dropping}])
def test_an_interrupted_fit_ends_as_if_it_had_not_been(blobs, tmp_path, params):
    X, y = blobs
    # callbacks make a fit borrow torch's generator, so both runs have some
    params = {"max_steps": 90, **params}
    whole = make(callbacks=[Callback()], **params).fit(X, y)
    path = tmp_path / "fit.ckpt"
    with pytest.raises(RuntimeError, match="power cut"):
        make(checkpoint_path=path, callbacks=[StopAt()], **params).fit(X, y)
    resumed = make(checkpoint_path=path, callbacks=[Callback()], **params).fit(X, y)
    np.testing.assert_array_equal(resumed.transform(X), whole.transform(X))
    assert resumed.history_ == whole.history_
    again = make(checkpoint_path=str(path), callbacks=[Callback()], **params).fit(X, y)
    np.testing.assert_array_equal(again.transform(X), whole.transform(X))
    assert [p.name for p in tmp_path.iterdir()] == ["fit.ckpt"]


def test_checkpoints_of_other_fits_are_refused(blobs, tmp_path):
    X, y = blobs
    path = tmp_path / "fit.ckpt"
    make(checkpoint_path=path).fit(X, y)
    make(checkpoint_path=path, random_state=np.int64(0)).fit(X, y)
    for other, data in ((make(checkpoint_path=path, margin=0.3), X), (make(checkpoint_path=path), X + X**2)):
        with pytest.raises(ValueError, match="written by a fit with other data, labels or parameters"):
            other.fit(data, y)
    state = torch.load(path)
    torch.save(state | {"device": "cuda"}, path)
    with pytest.raises(ValueError, match=r"by a fit on 'cuda', and 'cpu' draws other .* Set device='cuda'"):
        make(checkpoint_path=path).fit(X, y)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="is not a checkpoint of a fit"):
        make(checkpoint_path=path).fit(X, y)
    with pytest.raises(ValueError, match="lies in a folder that does not exist"):
        make(checkpoint_path=tmp_path / "none" / "fit.ckpt").fit(X, y)
