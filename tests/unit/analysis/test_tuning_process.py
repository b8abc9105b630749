"""The Gaussian process of an axis: scikit-learn's on single presentations, and the study's printed values."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.metrics import explained_variance_score
from threadpoolctl import threadpool_limits
from tuning_axes import DISTANCES, counted_axis, real_axis

from evoalign import study
from evoalign.analysis.tuning import fits as tuning_fits
from evoalign.analysis.tuning import gaussian_process as tuning_process
from evoalign.analysis.tuning import shapes as tuning_shapes
from evoalign.analysis.tuning.session import tune_session
from evoalign.simulate.tuning import TuningDesign, planted_kinds, simulate_tuning_responses


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """As in a job of the pipeline: threads only cost, in matrices of nine rows."""
    with threadpool_limits(1):
        yield


def to_the_maximum(loss, start, bounds):
    """A search for scikit-learn that goes on until rounding; its own stops some digits short."""
    how = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000}
    found = optimize.minimize(loss, start, method="L-BFGS-B", jac=True, bounds=bounds, options=how)
    return found.x, found.fun


def regressor(at, rate, seed, optimizer="fmin_l_bfgs_b"):
    """The study's regressor (docs/methods.md section 7), on single presentations."""
    within = pd.Series(rate).groupby(at).var().mean()
    kernel = ConstantKernel(rate.var(), (rate.var() * 1e-2, rate.var() * 1e2)) * RBF(
        np.ptp(at) / 10, (0.01, 100)
    ) + WhiteKernel(0.1 * within, (within * 1e-2, within * 10))
    model = GaussianProcessRegressor(
        kernel, alpha=0, n_restarts_optimizer=10, random_state=seed, optimizer=optimizer
    )
    return model.fit(at[:, None], rate)


def test_the_real_axis_gives_the_printed_values():
    found = tuning_process.fit_process(*real_axis())
    assert f"{found.length:.2f}" == "0.14" and f"{found.r2:.5f}" == "0.22594"


AXES = {"real": real_axis(), **{f"counted {seed}": counted_axis(seed) for seed in range(1, 17)}}


@pytest.mark.parametrize("name", AXES)
def test_the_process_is_scikit_learns_on_single_presentations(name):
    at, rate = AXES[name]
    model = regressor(at, rate, seed=3, optimizer=to_the_maximum)
    found = tuning_process.fit_process(at, rate, n_restarts=10, seed=3)
    assert found.likelihood == pytest.approx(model.log_marginal_likelihood_value_, rel=1e-12)
    mean, sd = model.predict(found.distance[:, None], return_std=True)
    np.testing.assert_allclose(found.mean, mean, atol=1e-6 * np.abs(mean).max())
    np.testing.assert_allclose(found.sd, sd, rtol=1e-6)
    assert found.length == pytest.approx(model.kernel_.k1.k2.length_scale, rel=1e-4)
    assert found.r2 == pytest.approx(explained_variance_score(rate, model.predict(at[:, None])), abs=1e-6)
    flags = tuning_shapes.shape_flags(found.mean)
    assert flags == tuning_shapes.shape_flags(mean)


@pytest.mark.parametrize("seed", range(20, 45))
def test_no_other_restarts_of_scikit_learn_find_a_larger_likelihood(seed):
    at, rate = counted_axis(seed)
    found = tuning_process.fit_process(at, rate, n_restarts=10, seed=0)
    model = regressor(at, rate, seed=1000 + seed)
    assert found.likelihood >= model.log_marginal_likelihood_value_ - 1e-7


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 10_000), st.tuples(st.floats(-3, 8), st.floats(-4, 4), st.floats(-3, 8)))
def test_likelihood_and_gradient_are_scikit_learns_everywhere(seed, theta):
    at, rate = counted_axis(seed)
    kernel = ConstantKernel() * RBF() + WhiteKernel()
    model = GaussianProcessRegressor(kernel, alpha=0, optimizer=None).fit(at[:, None], rate)
    expected = model.log_marginal_likelihood(np.array(theta), eval_gradient=True)
    found = tuning_process.log_likelihood(tuning_fits.means_of(at, rate), np.array(theta))
    assert found[0] == pytest.approx(expected[0], rel=1e-6)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-4 * np.abs(expected[1]).max())


def test_search_limits_are_the_studys():
    at, rate = real_axis()
    start, bounds = tuning_process.search_limits(tuning_fits.means_of(at, rate), rate)
    within = np.mean([np.var(rate[at == one], ddof=1) for one in DISTANCES])
    np.testing.assert_allclose(np.exp(start), [np.var(rate), 0.08, 0.1 * within])
    expected = [np.var(rate) * np.array([0.01, 100]), [0.01, 100], within * np.array([0.01, 10])]
    np.testing.assert_allclose(np.exp(bounds), expected)


def test_without_scatter_within_distances_the_variance_of_all_stands_for_it():
    for repeats in (1, 3):
        at, rate = np.repeat(DISTANCES, repeats), np.repeat(20 + 10 * DISTANCES, repeats) + 0.1
        _, bounds = tuning_process.search_limits(tuning_fits.means_of(at, rate), rate)
        np.testing.assert_allclose(np.exp(bounds[2]), rate.var() * np.array([0.01, 10]))
        assert np.isfinite(tuning_process.fit_process(at, rate).mean).all()


def test_rates_that_do_not_vary_give_a_flat_curve():
    found = tuning_process.fit_process(DISTANCES, np.full(9, 3.0))
    assert (found.mean == 3).all() and (found.sd == 0).all() and np.isnan(found.length)
    assert tuning_shapes.shape(tuning_shapes.shape_flags(found.mean)) == "monotonic"


@pytest.mark.slow
def test_planted_bells_of_28_spikes_a_second_are_found():
    """The study's process finds 95 of 98: 0.90 is more than three binomial deviations below that."""
    start = dt.datetime(2026, 3, 20, 10, 0, tzinfo=dt.UTC)
    config = study.Config(device="cpu")
    bells, slopes = [], []
    for seed in range(500, 509):
        design = TuningDesign(f"s{seed}", "A", "IT", "6a", 6, start, seed, origin_hz=28, depth_hz=28)
        axes = tune_session(simulate_tuning_responses(design, -50, 250), config)["tuning_axes"]
        both = axes.merge(planted_kinds(design), on=["subspace", "axis"])
        bells += both[both["kind"].isin(["centred", "shifted"])]["bell"].tolist()
        slopes += both[both["kind"].isin(["rising", "falling"])]["monotonic"].tolist()
    assert len(bells) >= 98 and len(slopes) >= 30
    assert np.mean(bells) >= 0.90 and np.mean(slopes) >= 0.85
