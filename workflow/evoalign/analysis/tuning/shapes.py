"""Shapes and peaks of tuning curves (docs/methods.md section 7)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def shape_flags(curve: Floats, tolerance: float = 0.01) -> dict[str, bool]:
    """Tell whether a curve is monotonic, unimodal and bell-shaped (docs/methods.md section 7).

    Monotonic: all differences >= -tolerance, or all <= tolerance. Unimodal:
    non-decreasing up to the maximum and non-increasing after it, by the same
    tolerance. Bell-shaped: unimodal, with a maximum that is not at an end.

    Parameters
    ----------
    curve : numpy.ndarray, float64 [point]
        Spikes/s.
    tolerance : float
        Spikes/s.

    Returns
    -------
    dict of str to bool
        ``monotonic``, ``unimodal``, ``bell``.
    """
    steps = np.diff(curve)
    top = int(np.argmax(curve))
    unimodal = bool((steps[:top] >= -tolerance).all() and (steps[top:] <= tolerance).all())
    return {
        "monotonic": bool((steps >= -tolerance).all() or (steps <= tolerance).all()),
        "unimodal": unimodal,
        "bell": unimodal and 0 < top < len(curve) - 1,
    }


def shape(flags: dict[str, bool]) -> str:
    """Name one shape for a curve: 'monotonic', else 'bell', else 'unimodal', else 'other'."""
    return next((name for name in ("monotonic", "bell", "unimodal") if flags[name]), "other")


def peak_bin(at: float, centres: Sequence[float], centre: float) -> float:
    """Centre of the peak-location bin of a distance (docs/methods.md section 7).

    Parameters
    ----------
    at : float
        Distance of the peak.
    centres : sequence of float
        Of the bins; 0 is one of them.
    centre : float
        Distances up to this count as 0.

    Returns
    -------
    float
        0, or the nearest of the other centres.
    """
    if abs(at) <= centre:
        return 0.0
    outer = np.array([distance for distance in centres if distance])
    return float(outer[np.argmin(np.abs(outer - at))])


def reaches(distance: Floats, reach: float) -> bool:
    """Tell whether an axis is sampled at both +reach and -reach: a common axis.

    Defined in docs/methods.md section 7.
    """
    return bool(np.isclose(distance, reach).any() and np.isclose(distance, -reach).any())
