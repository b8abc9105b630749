"""Axes on which tests of tuning agree: the study's distances, and a real axis with what the study printed."""

import numpy as np

DISTANCES = np.array([-0.40, -0.32, -0.24, -0.16, 0.0, 0.16, 0.24, 0.32, 0.40])

# Noise axis 0 of a recording, single presentations in spikes/s, from the authors' public notebook.
REAL_AXIS = {
    -0.40: [19.9795, 0, 13.3197, 0, 0, 6.65984, 0, 0, 0, 0],
    -0.32: [0, 0, 0, 0, 6.65984, 6.65984, 0, 0, 0],
    -0.24: [19.7264, 0, 0, 6.65984, 6.65984, 0, 0, 0, 6.65984],
    -0.16: [45.1274, 6.65984, 13.3197, 33.226, 0, 6.65984, 19.9795, 13.3197, 13.3197],
    0.00: [13.3929, 19.9795, 0, 26.3714, 2.66502, 13.3197, 20.0527, 33.2844, 6.65984, 0],
    0.16: [19.7263, 14.0046, 0, 13.3197, 0, 6.65984, 0, 0, 0],
    0.24: [13.3197, 6.65984, 13.3197, 6.65984, 0, 0, 0, 6.65984, 0, 6.65984],
    0.32: [25.0747, 6.65984, 6.65984, 13.3197, 19.9795, 19.9795, 0, 6.65984, 13.3197, 0, 0],
    0.40: [0, 15.9847, 6.65984, 0, 6.40667, 0, 0, 0, 13.3197, 6.65984, 0],
}


def real_axis():
    """Distance and rate of each presentation of the real axis."""
    distance = np.repeat(list(REAL_AXIS), [len(rates) for rates in REAL_AXIS.values()])
    return distance, np.concatenate([np.array(rates, dtype=float) for rates in REAL_AXIS.values()])


def counted_axis(seed):
    """Distances and rates of Poisson counts: flat, bell, slope or trough, about 1 to 60 spikes/s."""
    rng = np.random.default_rng(seed)
    curve = (
        np.zeros(9),
        np.exp(-0.5 * ((DISTANCES - rng.uniform(-0.3, 0.3)) / 0.15) ** 2),
        DISTANCES,
        -np.exp(-0.5 * (DISTANCES / 0.2) ** 2),
    )[seed % 4]
    hz = (1, 4, 10, 28, 60)[seed % 5] * (1 + 0.8 * curve)
    n = rng.integers(2, 13, 9) if seed % 3 else np.full(9, 10)
    return np.repeat(DISTANCES, n), rng.poisson(np.repeat(hz, n) * 0.15) / 0.15
