"""How well a search climbs a landscape whose coordinates are warped, by depth and dimension.

docs/methods.md section 8. The landscape is a round hill in the coordinates
that a random RealNVP flow (Dinh et al. 2017; the package zuko) makes of the
latents: one maximum of 1, at a place that is known, however deep the flow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
import zuko
from scipy import stats
from torch import Tensor

from evoalign.analysis.statistics.resampling import seeded
from evoalign.evolution.optimisers import CmaEs, default_population
from evoalign.simulate.settings import Insilico

WIDTH = 0.5  # variance of the hill, relative to that of the founders in each dimension
HIDDEN = (32, 32)  # units of the networks inside the flow
GAIN = 3.0  # of these networks' last layers: at 1, random ones hardly warp
N_SCALED = 2_000  # founders by which the flow's output is brought to median 0 and a robust SD of 1
CMA_SIGMA = 0.8  # first step, in SDs of the founders, as in the procedural texture space
ADAM_RATE = 0.02
TOP = 0.999  # a search that is there ends
OPTIMISERS = ("CMA-ES", "Adam", "random")
MASS = 0.95  # of the interval over repeats


@dataclass(frozen=True)
class WarpedLandscape:
    """A hill in warped coordinates.

    Attributes
    ----------
    warp : callable
        Latents to coordinates ``[n, dimension]``, invertible and differentiable.
    optimum : torch.Tensor ``[dimension]``
        The latent where the score is 1.
    """

    warp: Callable[[Tensor], Tensor]
    optimum: Tensor

    @classmethod
    def draw(cls, dimension: int, depth: int, rng: np.random.Generator) -> WarpedLandscape:
        """Draw a flow of `depth` coupling layers, 0 for none, and an optimum among the founders."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        optimum, *founders = torch.randn(1 + N_SCALED, dimension, generator=generator, dtype=torch.float64)
        if depth == 0:
            return cls(lambda latents: latents, optimum)
        transform = random_flow(dimension, depth, int(rng.integers(2**31)))
        with torch.no_grad():
            coordinates = transform(torch.stack(founders))
        middle = coordinates.median(0).values
        # Robust: the flow's tails are heavy, and their SD would bring all founders near the top.
        spread = 1.4826 * (coordinates - middle).abs().median(0).values
        return cls(lambda latents: (transform(latents) - middle) / spread, optimum)

    @cached_property
    def _peak(self) -> Tensor:
        """Coordinates of the optimum, ``[1, dimension]``."""
        return self.warp(self.optimum[None])

    def score(self, latents: Tensor) -> Tensor:
        """Return the height of the hill ``[n]`` at latents ``[n, dimension]``, 0 to 1."""
        away = self.warp(latents) - self._peak
        return torch.exp(-away.square().mean(1) / (2 * WIDTH))


def random_flow(dimension: int, depth: int, seed: int) -> torch.distributions.Transform:
    """RealNVP of `depth` affine coupling layers with random weights, float64, masks at random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        flow = zuko.flows.RealNVP(dimension, transforms=depth, randmask=True, hidden_features=HIDDEN)
    flow = flow.double().requires_grad_(False)
    for layer in flow.transform.transforms:
        layer.hyper[-1].weight.mul_(GAIN)
    return flow().transform


def climb(landscape: WarpedLandscape, optimiser: str, evaluations: int, rng: np.random.Generator) -> float:
    """Search a landscape, and return the best score that was evaluated.

    Parameters
    ----------
    landscape : WarpedLandscape
    optimiser : {'CMA-ES', 'Adam', 'random'}
        CMA-ES starts at the mean of its founders, Adam from the best of as many
        and knows the gradient; random draws founders alone.
    evaluations : int
        Of the score; that of the gradient is not counted.
    rng : numpy.random.Generator
    """
    dimension = len(landscape.optimum)
    founders = rng.standard_normal((default_population(dimension), dimension))
    if optimiser == "CMA-ES":
        return _cma_es(landscape, founders, evaluations, int(rng.integers(2**31)))
    if optimiser == "Adam":
        return _adam(landscape, founders, evaluations)
    drawn = rng.standard_normal((evaluations, dimension))
    return float(landscape.score(torch.from_numpy(drawn)).max())


def _cma_es(landscape: WarpedLandscape, founders: np.ndarray, evaluations: int, seed: int) -> float:
    search, best = CmaEs(founders, CMA_SIGMA, seed), 0.0
    for _ in range(evaluations // len(founders)):
        codes = search.ask()
        score = landscape.score(torch.from_numpy(codes)).numpy()
        best = max(best, float(score.max()))
        if best > TOP:
            break
        search.tell(codes, score)
    return best


def _adam(landscape: WarpedLandscape, founders: np.ndarray, evaluations: int) -> float:
    scores = landscape.score(torch.from_numpy(founders))
    best = float(scores.max())
    latent = torch.from_numpy(founders[[int(scores.argmax())]]).requires_grad_(True)
    steps = torch.optim.Adam([latent], lr=ADAM_RATE)
    for _ in range(evaluations - len(founders)):
        steps.zero_grad()
        # The logarithm climbs the same hill, and is not flat far from it.
        score = landscape.score(latent)[0]
        (-torch.log(score + 1e-300)).backward()
        best = max(best, float(score.detach()))
        if best > TOP:
            break
        steps.step()
    return best


def warped_scores(settings: Insilico, seed: int) -> pd.DataFrame:
    """Scores of each optimiser on landscapes of each depth and dimension.

    Parameters
    ----------
    settings : Insilico
        `warped_depths`, `warped_dimensions`, `warped_evaluations` and `warped_repeats`.
    seed : int
        Of landscapes, founders and searches; all optimisers climb the same landscapes.

    Returns
    -------
    pandas.DataFrame
        `INSILICO_WARPED`.
    """
    rows = []
    for dimension in settings.warped_dimensions:
        for depth in settings.warped_depths:
            for repeat in range(settings.warped_repeats):
                names = ("warped", str(dimension), str(depth), str(repeat))
                landscape = WarpedLandscape.draw(dimension, depth, seeded(seed, *names))
                rows += [
                    {"optimiser": name, "dimension": dimension, "depth": depth, "repeat": repeat}
                    | {
                        "score": climb(
                            landscape, name, settings.warped_evaluations, seeded(seed, *names, name)
                        )
                    }
                    for name in OPTIMISERS
                ]
    return pd.DataFrame(rows)


def pooled_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean score over repeats with its interval (Student's t), `INSILICO_WARPED_MEANS`.

    Parameters
    ----------
    scores : pandas.DataFrame
        Of `warped_scores`.
    """
    groups = scores.groupby(["optimiser", "dimension", "depth"])["score"]
    pooled = groups.agg(n="size", score="mean", sd="std").reset_index()
    half = stats.t.ppf((1 + MASS) / 2, pooled["n"] - 1) * pooled.pop("sd") / np.sqrt(pooled["n"])
    return pooled.assign(low=pooled["score"] - half, high=pooled["score"] + half)
