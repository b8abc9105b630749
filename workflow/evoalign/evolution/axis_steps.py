"""How far to go along an axis of a latent space until the image has changed by a given distance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import elementwise

from evoalign.spaces.interface import Space
from evoalign.spaces.metrics import Metric

Floats = NDArray[np.float64]
DistanceAt = Callable[[NDArray[np.int64], Floats], Floats]  # half-lines and steps -> distances

GROWTH = 1.2  # from one step of the search's grid to the next
RENDERED = 32  # images in memory at a time
TOLERANCE = 1e-4  # of a reached distance
FIRST, LAST = 0.1, 100.0  # the grid, in steps that the eigenvalue predicts for the distance


def steps_to_distances(
    space: Space, centre: Floats, lines: list, directions: Floats, distances: Floats, metric: Metric
) -> Floats:
    """Find the first step along each half-line at which an image distance is reached.

    Parameters
    ----------
    space : Space
    centre : ndarray ``[latent]``
        Where the half-lines start.
    lines : list of (str, int, int, float)
        Subspace, rank, sign and eigenvalue of each.
    directions : ndarray ``[line, latent]``
        Of length 1.
    distances : ndarray ``[distance]``
        Rising, from the image of the centre.
    metric : Metric

    Returns
    -------
    ndarray, float64 ``[line, distance]``
        NaN where the distance is not reached.
    """
    origin = rendered(space, centre[None])

    def distance_at(line: NDArray[np.int64], step: Floats) -> Floats:
        distances_there = np.empty(len(line))
        for at in range(0, len(line), RENDERED):
            part = slice(at, at + RENDERED)
            images = rendered(space, centre + step[part, None] * directions[line[part]])
            with torch.no_grad():
                distances_there[part] = metric(origin.expand_as(images), images).double().cpu().numpy()
        return distances_there

    below, above = _brackets(lines, distances, distance_at)
    steps = np.full((len(lines), len(distances)), np.nan)
    at = np.argwhere(np.isfinite(above))
    if not len(at):
        return steps
    targets = distances[at[:, 1]]

    def excess(step: Floats, *of_line: Any) -> Floats:
        step, line, distance = np.broadcast_arrays(step, *of_line)
        reached = distance_at(line.ravel().astype(np.int64), step.ravel())
        return (reached - distance.ravel()).reshape(step.shape)

    ends = (below[at[:, 0], at[:, 1]], above[at[:, 0], at[:, 1]])
    roots = elementwise.find_root(
        excess,
        ends,
        args=(at[:, 0].astype(float), targets),
        tolerances={"xatol": 0.0, "xrtol": 1e-6, "fatol": TOLERANCE * float(targets.min())},
    )
    steps[at[:, 0], at[:, 1]] = roots.x
    return steps


def _brackets(lines: list, distances: Floats, distance_at: DistanceAt) -> tuple[Floats, Floats]:
    """Last step before, and first beyond, each distance, on a growing grid; infinite where none is."""
    values = np.array([max(value, 0.0) for *_, value in lines])
    # Near the centre the distance is half the eigenvalue times the square of the step.
    smallest = values[values > 0].min() if (values > 0).any() else 1.0
    scale = np.sqrt(2 * distances[0] / np.maximum(values, smallest))
    last_scale = np.sqrt(2 * distances[-1] / np.maximum(values, smallest))
    below = np.zeros((len(lines), len(distances)))
    above = np.full_like(below, np.inf)
    step, previous = FIRST * scale, np.zeros(len(lines))
    open_lines = np.arange(len(lines))
    while len(open_lines):
        reached = distance_at(open_lines, step[open_lines])
        for row, line in enumerate(open_lines):
            crossed = (reached[row] >= distances) & np.isinf(above[line])
            below[line, crossed], above[line, crossed] = previous[line], step[line]
        previous[open_lines] = step[open_lines]
        step[open_lines] *= GROWTH
        more = np.isinf(above[open_lines, -1]) & (step[open_lines] <= LAST * last_scale[open_lines])
        open_lines = open_lines[more]
    return below, above


def rendered(space: Space, latents: Floats) -> torch.Tensor:
    """Return the images ``[n, 3, H, W]`` of latents ``[n, latent]``, without gradients."""
    with torch.no_grad():
        return space.render(torch.from_numpy(latents))
