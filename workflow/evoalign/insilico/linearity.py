"""How much of a network's activations is linear in a generator's latents, layer by layer.

docs/methods.md section 8.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evoalign.analysis.encoding.folds import image_folds
from evoalign.analysis.encoding.nested import Plan
from evoalign.analysis.encoding.ridge import log_alphas, nested_cv
from evoalign.analysis.settings import Encoding
from evoalign.analysis.statistics.resampling import seeded
from evoalign.insilico.network import LayeredNetwork
from evoalign.insilico.session import RENDERED_TOGETHER
from evoalign.simulate.settings import Insilico
from evoalign.spaces.hessian import Eigenframe
from evoalign.spaces.interface import Space

UNIT_COLUMNS = ["network", "layer", "space"]


def linearity(
    network: LayeredNetwork,
    name: str,
    spaces: Mapping[str, tuple[Space, Eigenframe]],
    settings: Insilico,
    encoding: Encoding,
    seed: int,
) -> pd.DataFrame:
    """Held-out R2 of ridge regressions from latents to units, by layer and part of the latent.

    Parameters
    ----------
    network : LayeredNetwork
    name : {'trained', 'random', 'null'}
        Of 'null', each unit's activations are shuffled over images.
    spaces : mapping of str to (Space, Eigenframe)
    settings : Insilico
    encoding : Encoding
        Alphas and folds, as for recorded units.
    seed : int
        Of images, units, folds and shuffling.

    Returns
    -------
    pandas.DataFrame
        `INSILICO_LINEARITY`.
    """
    rows = []
    alphas = log_alphas(encoding.alpha_log10, encoding.n_alphas)
    for space_name, (space, frame) in spaces.items():
        rng = seeded(seed, name, space_name, "linearity")
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        latents = space.sample_initial(settings.linear_images, generator)
        with torch.no_grad():
            images = torch.cat([space.render(part) for part in latents.split(RENDERED_TOGETHER)])
        by_layer = network.centres(images, settings.layers)
        folds = image_folds(np.arange(len(latents)), np.zeros(len(latents)), encoding.n_folds, rng)
        plans = {
            part: (features.shape[1], Plan(features, folds, alphas))
            for part, features in latent_parts(space, frame, latents).items()
        }
        for layer, values in by_layer.items():
            varying = np.flatnonzero(values.std(0).numpy() > 0)
            channels = rng.permutation(varying)[: settings.linear_units]
            targets = values[:, torch.from_numpy(channels)].T.contiguous()
            if name == "null":
                targets = torch.stack([row[torch.from_numpy(rng.permutation(len(row)))] for row in targets])
            for part, (n_features, plan) in plans.items():
                r2 = nested_cv(plan, targets).r2.cpu().numpy()
                key = {"network": name, "layer": layer, "space": space_name, "projection": part}
                rows += [
                    key | {"n_features": n_features, "channel": int(channel), "r2": float(value)}
                    for channel, value in zip(channels, r2, strict=True)
                ]
    return pd.DataFrame(rows)


def latent_parts(space: Space, frame: Eigenframe, latents: Tensor) -> dict[str, Tensor]:
    """Predictors ``[image, feature]``: all latents, each block, and halves of them by the eigenframe.

    The study's 512 top and 512 flattest of 4,096 directions; at most a half of a smaller latent.
    """
    parts = {"full": latents}
    if len(space.blocks) > 1:
        parts |= {name: latents[:, block] for name, block in space.blocks.items()}
    k = min(512, space.latent_dim // 2)
    basis = torch.from_numpy(frame.basis)
    if k <= len(frame.values):
        parts["top"] = latents @ basis[:, :k]
    parts["bottom"] = latents @ basis[:, space.latent_dim - k :]
    return parts


def pooled_linearity(units: pd.DataFrame, n_draws: int, mass: float, seed: int) -> pd.DataFrame:
    """Mean R2 of a layer's units with its bootstrap interval over units.

    Parameters
    ----------
    units : pandas.DataFrame
        Of `linearity`.
    n_draws : int
    mass : float
        Of the interval.
    seed : int

    Returns
    -------
    pandas.DataFrame
        `INSILICO_LAYERS`.
    """
    rows = []
    keys = [*UNIT_COLUMNS, "projection", "n_features"]
    for key, of_layer in units.groupby(keys, sort=True):
        r2 = of_layer["r2"].to_numpy()
        rng = seeded(seed, *map(str, key))
        drawn = r2[rng.integers(len(r2), size=(n_draws, len(r2)))].mean(1)
        low, high = np.quantile(drawn, [(1 - mass) / 2, (1 + mass) / 2])
        values = {"n": len(r2), "r2": r2.mean(), "low": float(low), "high": float(high)}
        rows.append(dict(zip(keys, key, strict=True)) | values)
    return pd.DataFrame(rows)
