"""Tuning along axes: tests against statsmodels and scipy, shapes known in closed form."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from sklearn.metrics import explained_variance_score
from tuning_axes import DISTANCES, counted_axis, real_axis

from evoalign.analysis.settings import Tuning
from evoalign.analysis.tuning import fits as tuning_fits
from evoalign.analysis.tuning import session as tuning
from evoalign.analysis.tuning import shapes as tuning_shapes


def presentations(curve, repeats=12, noise=2.0, seed=0):
    rng = np.random.default_rng(seed)
    at = np.repeat(DISTANCES, repeats)
    return at, curve(at) + noise * rng.standard_normal(len(at))


def test_the_origin_belongs_to_every_axis():
    images = [
        "class_eig0_lin0.16",
        "class_eig0_lin0.00",
        "noise_exp12_lin-0.40",
        "scene_nat",
        "class_eig0_lin0.0",
    ]
    shown = pd.DataFrame({"image": images, "presentation": [3, 5, 6, 7, 9]})
    points = tuning.axis_points(shown, np.array([5.0, 1.0, 7.0, 9.0, 2.0]))
    by_axis = {key: own["rate_hz"].tolist() for key, own in points.groupby(["subspace", "axis"])}
    assert by_axis == {("class", 0): [1.0, 2.0, 5.0], ("noise", 12): [7.0, 1.0, 2.0]}
    assert points["presentation"].tolist() == [5, 9, 3, 6, 5, 9]
    curves = tuning.curves(points).set_index(["subspace", "axis", "distance"])
    assert curves.loc[("class", 0, 0.0)].tolist() == [2, 1.5, pytest.approx(np.std([1, 2], ddof=1) / 2**0.5)]


def test_presentations_without_a_rate_are_left_out():
    images = ["class_eig0_lin0.16", "class_eig0_lin0.00", "class_eig0_lin0.00"]
    shown = pd.DataFrame({"image": images, "presentation": [0, 1, 2]})
    points = tuning.axis_points(shown, np.array([5.0, np.nan, 2.0]))
    assert points["presentation"].tolist() == [2, 0]


def test_anova_is_statsmodels():
    at, rate = presentations(lambda d: 20 + 10 * d)
    f, p = tuning.axis_anova(at, rate)
    model = sm.OLS.from_formula("rate ~ C(at)", pd.DataFrame({"rate": rate, "at": at})).fit()
    table = sm.stats.anova_lm(model)
    assert (f, p) == pytest.approx((table["F"].iloc[0], table["PR(>F)"].iloc[0]))
    assert all(np.isnan(tuning.axis_anova(at[:12], rate[:12])))
    assert all(np.isnan(tuning.axis_anova(at, np.zeros(len(at)))))


def test_line_is_linregress():
    at, rate = presentations(lambda d: 20 + 10 * d)
    found, expected = tuning_fits.fit_line(at, rate), stats.linregress(at, rate)
    assert found.parameters == pytest.approx({"slope": expected.slope, "intercept": expected.intercept})
    assert found.r2 == pytest.approx(expected.rvalue**2)


@pytest.mark.parametrize("mean", [-0.2, 0.05, 0.3])
def test_gaussian_finds_its_parameters(mean):
    planted = {"amplitude": 30.0, "mean": mean, "width": 0.12, "baseline": 10.0}
    at, rate = presentations(lambda d: tuning_fits.gaussian(d, **planted), noise=0.0)
    found = tuning_fits.fit_gaussian(at, rate)
    assert found.parameters == pytest.approx(planted, rel=1e-3, abs=1e-3) and found.r2 == pytest.approx(1)
    noisy = tuning_fits.fit_gaussian(*presentations(lambda d: tuning_fits.gaussian(d, **planted)))
    assert noisy.parameters["mean"] == pytest.approx(mean, abs=0.04)


def test_gaussian_of_the_means_is_that_of_single_presentations():
    at, rate = presentations(lambda d: tuning_fits.gaussian(d, 20, 0.1, 0.15, 10))
    rate, at = rate[7:], at[7:]  # unequal numbers at the distances
    found = tuning_fits.fit_gaussian(at, rate)
    start = (20, 0.1, 0.15, 10)
    expected, _ = optimize.curve_fit(tuning_fits.gaussian, at, rate, p0=start)
    assert list(found.parameters.values()) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def study_gaussian(at, rate):
    """The study's own fit: scipy's curve_fit on single presentations, started at the largest mean."""
    means = pd.Series(rate).groupby(at).mean()
    top, span = means.max(), np.ptp(at)
    start = [top - means.min(), means.idxmax(), span / 4, means.min()]
    bounds = ([0, at.min(), 0.01, 0], [1.25 * top, at.max(), 2 * span, top])
    return optimize.curve_fit(tuning_fits.gaussian, at, rate, p0=start, bounds=bounds, maxfev=10_000)[0]


@pytest.mark.parametrize("seed", range(20))
def test_gaussian_is_the_studys_or_fits_better(seed):
    at, rate = counted_axis(seed)
    found, expected = tuning_fits.fit_gaussian(at, rate), study_gaussian(at, rate)
    ours, theirs = (
        ((rate - tuning_fits.gaussian(at, *x)) ** 2).sum() for x in (found.parameters.values(), expected)
    )
    assert ours <= theirs * (1 + 1e-6)
    predicted = tuning_fits.gaussian(at, **found.parameters)
    assert found.r2 == pytest.approx(explained_variance_score(rate, predicted))


@pytest.mark.parametrize("seed", range(20))
def test_gaussian_keeps_the_studys_bounds(seed):
    at, rate = counted_axis(seed)
    top = max(rate[at == one].mean() for one in DISTANCES)
    found = tuning_fits.fit_gaussian(at, rate).parameters
    assert 0 <= found["amplitude"] <= 1.25 * top and 0 <= found["baseline"] <= top
    assert at.min() <= found["mean"] <= at.max() and 0.01 <= found["width"] <= 2 * np.ptp(at)


def test_gaussian_of_a_silent_unit_is_none():
    found = tuning_fits.fit_gaussian(DISTANCES, np.zeros(9))
    assert all(np.isnan(value) for value in found.parameters.values()) and np.isnan(found.r2)


def test_the_real_axis_gives_the_printed_values():
    at, rate = real_axis()
    assert f"{tuning.axis_anova(at, rate)[0]:.6f}" == "3.465323"
    assert f"{tuning.axis_anova(at, rate)[1]:.7f}" == "0.0017937"
    line = tuning_fits.fit_line(at, rate)
    assert f"{line.parameters['slope']:.5f}" == "1.90985"
    assert f"{line.parameters['intercept']:.5f}" == "7.33579"
    assert f"{line.r2:.8f}" == "0.00339979"
    bell = tuning_fits.fit_gaussian(at, rate)
    printed = {"amplitude": "21.057", "mean": "-0.08745", "width": "0.06340", "baseline": "5.198"}
    for name, value in printed.items():
        assert f"{bell.parameters[name]:.{len(value.split('.')[1])}f}" == value
    assert f"{bell.r2:.5f}" == "0.19788"


def test_the_real_axis_is_tuned_with_its_peak_at_the_largest_mean():
    at, rate = real_axis()
    points = pd.DataFrame({"subspace": "noise", "axis": 0, "distance": at, "rate_hz": rate})
    axes, fits = tuning.fit_axes(points, Tuning(), seed=0)
    row = axes.iloc[0]
    assert row["tuned"] and row["common"] and row["n"] == 88
    assert (row["peak"], row["peak_bin"]) == (-0.16, -0.16)
    assert -0.16 < fits["distance"][fits["process_hz"].idxmax()] < 0
    assert f"{row['length']:.2f}" == "0.14" and f"{row['process_r2']:.5f}" == "0.22594"


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
    assert tuning_shapes.shape(tuning_shapes.shape_flags(curve)) == name


@given(st.lists(st.floats(-50, 50), min_size=3, max_size=30))
def test_shapes_follow_their_definitions(values):
    curve = np.array(values)
    flags, mirrored = tuning_shapes.shape_flags(curve), tuning_shapes.shape_flags(curve[::-1])
    assert flags["monotonic"] == mirrored["monotonic"]
    assert not flags["bell"] or flags["unimodal"]
    rising = np.sort(curve)
    assert tuning_shapes.shape_flags(rising)["monotonic"] and tuning_shapes.shape_flags(rising)["unimodal"]


@pytest.mark.parametrize(
    ("at", "centre"),
    [(0.0, 0.0), (0.08, 0.0), (-0.08, 0.0), (0.081, 0.16), (-0.25, -0.24), (0.39, 0.4), (-0.4, -0.4)],
)
def test_peak_bins(at, centre):
    settings = Tuning()
    assert tuning_shapes.peak_bin(at, settings.peak_centres, settings.centre) == centre


def test_common_axes_reach_both_ends():
    assert tuning_shapes.reaches(DISTANCES, 0.4)
    assert not tuning_shapes.reaches(DISTANCES[1:], 0.4) and not tuning_shapes.reaches(DISTANCES[:-1], 0.4)
