"""Nested ridge against scikit-learn with the same folds, and against itself on other devices and chunks."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV

from evoalign.analysis.encoding import EncodingRidge, Folds, Plan, log_alphas, nested_cv
from evoalign.analysis.encoding.losses import EXACT
from evoalign.analysis.encoding.ridge import cross_validated_alphas, shortened
from evoalign.errors import InputError

ALPHAS = log_alphas((-3.0, 12.0), 100)
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.cuda,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
        ],
    ),
]


def problem(kind, n=90, targets=6, seed=0):
    """Predictors and responses: more rows, more columns, or columns of very different size."""
    rng = np.random.default_rng(seed)
    d = {"tall": 12, "wide": 200, "ill-conditioned": 30, "collinear": 20, "drifting": 150}[kind]
    x = rng.standard_normal((n, d))
    if kind == "ill-conditioned":
        x = x @ np.linalg.qr(rng.standard_normal((d, d)))[0] * np.logspace(4, -5, d)
    if kind == "collinear":
        x[:, 10:] = x[:, :10] @ rng.standard_normal((10, 10))
    if kind == "drifting":
        x += np.linspace(0, 20, n)[:, None] * rng.standard_normal(d)
    w = rng.standard_normal((d, targets)) / x.std(0)[:, None] / d**0.5
    y = x @ w * np.logspace(0, -1, targets) + rng.standard_normal((n, targets)) + 5
    folds = Folds(rng.permutation(np.arange(n) % 5))
    return x, y, folds


class CentredKernelRidge(KernelRidge):
    """KernelRidge with an intercept, by centring on the training set."""

    def fit(self, x, y):
        self.x_mean_, self.y_mean_ = x.mean(0), y.mean(0)
        return super().fit(x - self.x_mean_, y - self.y_mean_)

    def predict(self, x):
        return super().predict(x - self.x_mean_) + self.y_mean_


def by_scikit_learn(x, y, folds, model, alphas):
    """Held-out predictions and alphas of one target: GridSearchCV inside each outer fold."""
    predicted, chosen = np.empty_like(y), []
    for fold, (train, test) in enumerate(folds.split()):
        search = GridSearchCV(
            model, {"alpha": alphas.numpy()}, cv=folds.inner(fold), scoring="neg_mean_squared_error"
        )
        predicted[test] = search.fit(x[train], y[train]).predict(x[test])
        chosen.append(search.best_params_["alpha"])
    return predicted, chosen


@pytest.mark.parametrize("kind", ["tall", "wide", "ill-conditioned", "collinear", "drifting"])
def test_nested_r2_and_alphas_equal_grid_search(kind):
    x, y, folds = problem(kind, n=70, targets=1)
    alphas = log_alphas((-3.0, 12.0), 31)
    # At a condition number of 1e18 KernelRidge's own rounding shows in the fifth digit; Ridge's SVD has none.
    model = Ridge(solver="svd") if kind == "ill-conditioned" else CentredKernelRidge()
    found = nested_cv(Plan(shortened(torch.from_numpy(x)), folds, alphas), torch.from_numpy(y.T.copy()))
    for target in range(y.shape[1]):
        predicted, chosen = by_scikit_learn(x, y[:, target], folds, model, alphas)
        np.testing.assert_allclose(found.alphas[target].numpy(), chosen, rtol=1e-9)
        assert float(found.r2[target]) == pytest.approx(r2_score(y[:, target], predicted), abs=1e-5)
        assert float(found.r[target]) == pytest.approx(np.corrcoef(y[:, target], predicted)[0, 1], abs=1e-5)


@pytest.mark.parametrize("kind", ["tall", "wide", "ill-conditioned"])
def test_estimator_equals_ridge_cv(kind):
    x, y, folds = problem(kind, targets=3)
    alphas = log_alphas((-3.0, 12.0), 40).tolist()
    model = EncodingRidge(alphas=alphas).fit(x, y, folds=folds.label)
    fresh = x[np.random.default_rng(5).permutation(len(x))] * 1.1
    for target in range(y.shape[1]):
        peer = RidgeCV(alphas=alphas, cv=folds.split(), scoring="neg_mean_squared_error")
        peer.fit(x, y[:, target])
        assert model.alpha_[target] == pytest.approx(peer.alpha_)
        np.testing.assert_allclose(model.predict(fresh)[:, target], peer.predict(fresh), rtol=1e-5, atol=1e-5)
    assert model.score(x, y) == pytest.approx(r2_score(y, model.predict(x)), abs=1e-12)


def test_estimator_is_one_of_scikit_learn():
    x, y, folds = problem("tall")
    model = clone(EncodingRidge(alphas=(1.0, 10.0), seed=3))
    assert model.get_params()["alphas"] == (1.0, 10.0)
    one = model.fit(x, y[:, 0], folds=folds.label)
    assert one.predict(x).shape == (len(x),)
    peer = Ridge(alpha=one.alpha_).fit(x, y[:, 0])
    np.testing.assert_allclose(one.coef_, peer.coef_, rtol=1e-6)
    assert one.intercept_ == pytest.approx(peer.intercept_)


def test_images_never_sit_on_both_sides_of_a_fit():
    x, y, _ = problem("tall")
    images = np.repeat(np.arange(30), 3)
    with pytest.raises(InputError, match="3 images cannot make 5 folds"):
        EncodingRidge().fit(x, y, groups=np.repeat(np.arange(3), 30))
    assert EncodingRidge().fit(x, y, groups=images).alpha_.shape == (6,)


@pytest.mark.parametrize("kind", ["tall", "wide", "ill-conditioned", "drifting"])
def test_float32_permutations_agree_with_float64(kind):
    x, y, folds = problem(kind, n=200, targets=40)
    features = shortened(torch.from_numpy(x))
    rows = torch.from_numpy((y - y.mean(0)).T.copy())
    errors = []
    for dtype in (torch.float64, torch.float32):
        plan = Plan(features, folds, ALPHAS, dtype)
        errors.append(plan.squared_error(rows[:, plan.order].to(dtype)) / rows.square().sum(1))
    difference = (errors[0] - errors[1]).abs()
    # A near-tie of two alphas may fall otherwise; the R2 then moves by a hair.
    assert difference.max() < 1e-3
    assert (difference < 1e-5).double().mean() > 0.9


@pytest.mark.parametrize("kind", ["tall", "wide"])
@pytest.mark.parametrize("device", DEVICES)
def test_device_and_chunks_change_nothing(kind, device):
    x, y, folds = problem(kind, targets=17)
    features, targets = shortened(torch.from_numpy(x)), torch.from_numpy(y.T.copy())
    wanted = nested_cv(Plan(features, folds, ALPHAS), targets)
    plan = Plan(features.to(device), folds, ALPHAS.to(device))
    for rows in (1, 5, 1000):
        found = nested_cv(plan, targets.to(device), rows=rows)
        np.testing.assert_allclose(found.r2.cpu().numpy(), wanted.r2.numpy(), atol=1e-8)


def test_all_alphas_have_the_losses_of_direct_fits():
    x, y, folds = problem("wide", targets=3)
    features = shortened(torch.from_numpy(x))
    plan = Plan(features, folds, ALPHAS)
    rows = torch.from_numpy((y - y.mean(0)).T.copy())[:, plan.order]
    losses = plan.losses(plan.frame.shorten(rows))
    z, wanted = features.numpy(), np.zeros((y.shape[1], len(ALPHAS)))
    outer_train = np.flatnonzero(folds.label != 2)
    for train, test in folds.inner(2):
        a, b = outer_train[train], outer_train[test]
        for k, alpha in enumerate(ALPHAS.numpy()):
            fit = Ridge(alpha=alpha, solver="svd").fit(z[a], y[a])
            before = ((y[b] - y[a].mean(0)) ** 2).mean(0)
            wanted[:, k] += (((y[b] - fit.predict(z[b])) ** 2).mean(0) - before) / (folds.n_folds - 1)
    np.testing.assert_allclose(losses[2].numpy(), wanted, atol=1e-8)
    assert plan.losses.size < 40 and EXACT < 1e-10


def test_a_target_without_variance_has_no_r2():
    x, y, folds = problem("tall")
    y[:, 0] = 3.0
    found = nested_cv(Plan(torch.from_numpy(x), folds, ALPHAS), torch.from_numpy(y.T.copy()))
    assert found.r2[0].isnan() and found.r[0].isnan() and not found.r2[1:].isnan().any()


def test_constant_predictors_predict_the_mean():
    _, y, folds = problem("tall")
    found = nested_cv(
        Plan(torch.ones(len(y), 3, dtype=torch.float64), folds, ALPHAS), torch.from_numpy(y.T.copy())
    )
    for train, test in folds.split():
        np.testing.assert_allclose(found.predicted[:, test].T, np.tile(y[train].mean(0), (len(test), 1)))


def test_one_level_choice_of_alpha_equals_grid_search():
    x, y, folds = problem("wide", targets=2)
    alphas = log_alphas((-3.0, 12.0), 40)
    chosen = cross_validated_alphas(
        shortened(torch.from_numpy(x)), torch.from_numpy(y.T.copy()), folds, alphas
    )
    for target in range(2):
        peer = RidgeCV(alphas=alphas.numpy(), cv=folds.split(), scoring="neg_mean_squared_error")
        assert float(alphas[chosen[target]]) == pytest.approx(peer.fit(x, y[:, target]).alpha_)
