"""Gaussian mixtures against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from evoalign.sorting.mixtures import MAX_STEPS, REGULARISATION, STARTS, TOLERANCE, fit_mixture


def clouds(n_clouds: int, n_points: int, distance: float) -> np.ndarray:
    rng = np.random.default_rng([n_clouds, n_points])
    centres = distance * rng.standard_normal((n_clouds, 8))
    mixing = rng.standard_normal((n_clouds, 8, 8)) / 4 + np.eye(8)
    which = rng.integers(0, n_clouds, n_points)
    points = centres[which] + np.einsum("pij,pj->pi", mixing[which], rng.standard_normal((n_points, 8)))
    return np.asarray(points)


@pytest.mark.parametrize(("n_clouds", "n_points"), [(1, 60), (2, 400), (3, 3000), (5, 1500)])
@pytest.mark.parametrize("n", [1, 2, 4, 6])
def test_a_mixture_is_that_of_scikit_learn(n_clouds: int, n_points: int, n: int) -> None:
    points = clouds(n_clouds, n_points, 3.0)
    reference = GaussianMixture(
        n,
        reg_covar=REGULARISATION,
        n_init=STARTS,
        random_state=0,
        tol=TOLERANCE,
        max_iter=MAX_STEPS,
        init_params="k-means++",
    ).fit(points)
    mixture = fit_mixture(points, n)
    np.testing.assert_allclose(mixture.weights, reference.weights_, rtol=1e-7)
    np.testing.assert_allclose(mixture.means, reference.means_, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(mixture.covariances, reference.covariances_, rtol=1e-7, atol=1e-8)
    assert mixture.bic(points) == pytest.approx(reference.bic(points), rel=1e-10)
    np.testing.assert_array_equal(mixture.predict(points), reference.predict(points))


def test_a_point_far_from_all_clouds_has_a_cloud() -> None:
    points = clouds(3, 600, 4.0)
    mixture = fit_mixture(points, 3)
    far = points[:3] * 1e3
    assert set(mixture.predict(far)) <= {0, 1, 2}
    assert np.isfinite(mixture.bic(far))
