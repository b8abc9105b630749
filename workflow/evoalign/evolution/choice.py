"""Optimisers by the names that settings give them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from evoalign.errors import InputError
from evoalign.evolution.cholesky import UPDATE_EVERY, CholeskyCmaEs
from evoalign.evolution.concatenated import ConcatenatedCmaEs
from evoalign.evolution.eigenframe_cma import EigenframeCmaEs
from evoalign.evolution.gradient import GradientClimber, Response
from evoalign.evolution.optimisers import CmaEs, Optimiser, RandomSearch
from evoalign.evolution.separable import TWO_POINT_FROM, SeparableCmaEs
from evoalign.evolution.zoha import HESSIAN_EVERY, LEARNING_RATE, ZohaSphere
from evoalign.spaces.hessian import Eigenframe

SLOW_LATENTS = 1024  # of the full CMA-ES, which takes an eigendecomposition a block: at 4,096 about a minute


@dataclass(frozen=True)
class Start:
    """Where a search starts, and what it may use.

    Attributes
    ----------
    founders : ndarray
        float64 ``[image, latent]``, the first generation.
    sigma : float
        First step, in units of the latents.
    seed : int
        Of the optimiser's own random numbers.
    blocks : mapping of str to slice
        Of the latent, for `concatenated`; none = one block.
    frame : Eigenframe, optional
        Of the space, for `eigenframe`.
    response : callable, optional
        Latents to responses, for `gradient`.
    """

    founders: np.ndarray
    sigma: float
    seed: int
    blocks: Mapping[str, slice] = field(default_factory=dict)
    frame: Eigenframe | None = None
    response: Response | None = None


def _full(start: Start) -> Optimiser:
    if np.shape(start.founders)[1] > SLOW_LATENTS:
        logging.warning(
            "a full CMA-ES of %d latents takes an eigendecomposition a block; not so 'separable', 'cholesky'",
            np.shape(start.founders)[1],
        )
    return CmaEs(start.founders, start.sigma, start.seed, shortened=True)


def _eigenframe(start: Start) -> Optimiser:
    if start.frame is None:
        raise InputError("the optimiser 'eigenframe' needs a frame", "threads", "name a file in `eigenframe`")
    return EigenframeCmaEs(start.founders, start.sigma, start.seed, start.frame)


def _concatenated(start: Start) -> Optimiser:
    blocks = start.blocks or {"latent": slice(0, np.shape(start.founders)[1])}
    return ConcatenatedCmaEs(start.founders, start.sigma, start.seed, blocks)


def _gradient(start: Start) -> Optimiser:
    if start.response is None:
        raise InputError(
            "the optimiser 'gradient' needs a subject that can be differentiated",
            "threads",
            "say `model: {kind: network, ..}`, or choose another optimiser",
        )
    return GradientClimber(start.founders, start.sigma, start.seed, start.response)


OPTIMISERS: Mapping[str, Callable[[Start], Optimiser]] = {
    "cma": _full,
    "separable": lambda start: SeparableCmaEs(start.founders, start.sigma, start.seed),
    "cholesky": lambda start: CholeskyCmaEs(start.founders, start.sigma, start.seed),
    "eigenframe": _eigenframe,
    "concatenated": _concatenated,
    "zoha": lambda start: ZohaSphere(start.founders, start.sigma, start.seed),
    "gradient": _gradient,
    "random": lambda start: RandomSearch(start.founders, start.sigma, start.seed),
}


def described(name: str, start: Start) -> dict[str, str]:
    """Return an optimiser's name and settings, for the session's files.

    Parameters
    ----------
    name : str
        Of `OPTIMISERS`.
    start : Start
        What it starts with.
    """
    n_images, n_latents = np.shape(start.founders)
    common = {
        "name": name,
        "images": str(n_images),
        "latents": str(n_latents),
        "first_step": repr(float(start.sigma)),
        "seed": str(start.seed),
    }
    of_this_kind: dict[str, str] = {}
    if name == "separable":
        of_this_kind = {"step_size": "two points" if n_latents >= TWO_POINT_FROM else "path length"}
    elif name == "cma":
        of_this_kind = {"package": f"cmaes {importlib.metadata.version('cmaes')}"}
    elif name in ("cholesky", "eigenframe", "concatenated"):
        of_this_kind = {"factor_updated_every": f"{UPDATE_EVERY} generations"}
    elif name == "zoha":
        of_this_kind = {
            "hessian_every": f"{HESSIAN_EVERY} generations",
            "learning_rate": f"{LEARNING_RATE:g}",
        }
    if name == "eigenframe" and start.frame is not None:
        digest = hashlib.sha256(start.frame.values.tobytes() + start.frame.vectors.tobytes()).hexdigest()
        of_this_kind |= {"directions": str(len(start.frame.values)), "frame_sha256": digest}
    if name == "concatenated":
        of_this_kind["blocks"] = ", ".join(
            f"{key} {part.start}:{part.stop}" for key, part in start.blocks.items()
        )
    return common | of_this_kind
