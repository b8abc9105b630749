"""Tuning along axes: tests against statsmodels, planted curves, and shapes known in closed form."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.proportion import proportion_confint, proportions_ztest

from evoalign.analysis import tuning

DISTANCES = np.array([-0.40, -0.32, -0.24, -0.16, 0.0, 0.16, 0.24, 0.32, 0.40])


def presentations(curve, repeats=12, noise=2.0, seed=0):
    rng = np.random.default_rng(seed)
    at = np.repeat(DISTANCES, repeats)
    return at, curve(at) + noise * rng.standard_normal(len(at))


def test_the_origin_belongs_to_every_axis():
    images = [
        "class_eig0_lin0.16",
        "class_eig0_lin0.00",
        "noise_exp12_lin-0.40.bmp",
        "scene_nat",
        "class_eig0_lin0.0",
    ]
    points = tuning.axis_points(images, np.array([5.0, 1.0, 7.0, 9.0, 2.0]))
    by_axis = {key: own["rate"].tolist() for key, own in points.groupby(["subspace", "axis"])}
    assert by_axis == {("class", 0): [1.0, 2.0, 5.0], ("noise", 12): [7.0, 1.0, 2.0]}


def test_anova_is_statsmodels():
    at, rate = presentations(lambda d: 20 + 10 * d)
    f, p = tuning.axis_anova(at, rate)
    table = sm.stats.anova_lm(
        sm.OLS.from_formula("rate ~ C(at)", pd.DataFrame({"rate": rate, "at": at})).fit()
    )
    assert (f, p) == pytest.approx((table["F"].iloc[0], table["PR(>F)"].iloc[0]))
    assert all(np.isnan(tuning.axis_anova(at[:12], rate[:12])))


def test_line_is_linregress():
    at, rate = presentations(lambda d: 20 + 10 * d)
    found, expected = tuning.fit_line(at, rate), stats.linregress(at, rate)
    assert (found.parameters["slope"], found.parameters["intercept"]) == pytest.approx(
        (expected.slope, expected.intercept)
    )
    assert found.r2 == pytest.approx(expected.rvalue**2)


@pytest.mark.parametrize("mean", [-0.2, 0.05, 0.3])
def test_gaussian_finds_its_parameters(mean):
    planted = {"amplitude": 30.0, "mean": mean, "width": 0.12, "baseline": 10.0}
    at, rate = presentations(lambda d: tuning.gaussian(d, **planted), noise=0.0)
    found = tuning.fit_gaussian(at, rate)
    assert found.parameters == pytest.approx(planted, rel=1e-3, abs=1e-3) and found.r2 == pytest.approx(1)
    noisy = tuning.fit_gaussian(*presentations(lambda d: tuning.gaussian(d, **planted)))
    assert noisy.parameters["mean"] == pytest.approx(mean, abs=0.04)


def test_gaussian_keeps_its_bounds():
    at, rate = presentations(lambda d: 20 - 30 * np.exp(-((d / 0.1) ** 2)))
    found = tuning.fit_gaussian(at, rate).parameters
    assert found["amplitude"] >= 0 and -0.4 <= found["mean"] <= 0.4 and 0.08 <= found["width"] <= 0.8


@pytest.mark.parametrize(
    ("curve", "name"),
    [
        (np.linspace(0, 5, 100), "monotonic"),
        (np.linspace(5, 0, 100), "monotonic"),
        (np.zeros(100), "monotonic"),
        (np.linspace(0, 5, 100) + 0.004 * (-1.0) ** np.arange(100), "monotonic"),
        (np.exp(-(np.linspace(-2, 2, 100) ** 2)), "bell"),
        (np.exp(-(np.linspace(-1, 3, 100) ** 2)), "bell"),
        (np.sin(np.linspace(0, 12, 100)), "other"),
        (-np.exp(-(np.linspace(-2, 2, 100) ** 2)), "other"),
    ],
)
def test_shapes(curve, name):
    assert tuning.shape(curve) == name


@pytest.mark.parametrize(
    ("at", "centre"),
    [(0.0, 0.0), (0.08, 0.0), (-0.08, 0.0), (0.081, 0.16), (-0.25, -0.24), (0.39, 0.4), (-0.4, -0.4)],
)
def test_peak_bins(at, centre):
    assert tuning.peak_bin(at) == centre


def test_fractions_are_statsmodels():
    assert tuning.wilson_interval(7, 30) == pytest.approx(proportion_confint(7, 30, method="wilson"))
    z, p = tuning.two_proportion_z(18, 30, 9, 28)
    assert (z, p) == pytest.approx(proportions_ztest([18, 9], [30, 28], alternative="larger"))
    assert np.isnan(tuning.wilson_interval(0, 0)[0])
    assert np.isnan(tuning.two_proportion_z(0, 5, 0, 6)[1]) and np.isnan(
        tuning.two_proportion_z(1, 5, 0, 0)[1]
    )


def test_a_session_of_planted_axes():
    curves = {
        ("class", 0): (lambda d: 30 + 60 * d, "monotonic", 0.4),
        ("class", 3): (lambda d: tuning.gaussian(d, 20, 0.0, 0.15, 10), "bell", 0.0),
        ("noise", 1): (lambda d: 30 + 0 * d, None, None),
    }
    images, rates = [], []
    for seed, ((subspace, axis), (curve, *_)) in enumerate(curves.items()):
        at, rate = presentations(curve, seed=seed)
        off = at != 0
        images += [f"{subspace}_eig{axis}_lin{d:.2f}" for d in at[off]]
        rates += rate[off].tolist()
    # All axes share the origin, where each of the curves is 30.
    images += ["class_eig0_lin0.00"] * 12
    rates += (30 + 2 * np.random.default_rng(9).standard_normal(12)).tolist()
    found = tuning.tune(tuning.axis_points(images, np.array(rates))).set_index(["subspace", "axis"])
    assert found["common"].all() and (found["n"] == 9 * 12).all()
    for key, (_, name, peak) in curves.items():
        if name is None:
            assert found.loc[key, "p"] > 1e-6
            continue
        assert found.loc[key, "p"] < 0.01
        assert (found.loc[key, "shape"], found.loc[key, "peak_bin"]) == (name, peak)
