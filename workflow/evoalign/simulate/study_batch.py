"""Many small studies at once, as the arrays that pooling starts from, to test the statistics.

Each study has a separate area, so that one call of a pooled panel
tests them all. Block means are drawn as Poisson sums over the block's
presentations, and no presentation is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from evoalign.analysis.population.experiments import LABELS, SPACES, Study
from evoalign.analysis.session import dynamics, trajectories
from evoalign.analysis.session.block_statistics import bin_widths
from evoalign.analysis.session.dynamics_tables import CURVES, LEVELS
from evoalign.analysis.settings import Analysis
from evoalign.simulate.study_rates import Floats, rates_of

THREADS = (0, 1)
Variables = dict[str, tuple[tuple[str, ...], Any]]
_CONSTANTS = ("theta", "level", "experiment", "kind")


@dataclass(frozen=True)
class Batch:
    """Small studies, stacked.

    Attributes
    ----------
    study : Study
        Trajectories, attribution, centres, time constants and contrast; all threads succeed.
    expected : Tensor, float64 [experiment, thread, block, ms]
        The planted rates, spikes/s.
    normalization_rate : Tensor, float64 [experiment]
        As measured.
    """

    study: Study
    expected: Tensor
    normalization_rate: Tensor


def draw_batch(
    n_studies: int,
    n_experiments: int,
    settings: Analysis,
    *,
    area: str = "IT",
    images: tuple[int, int] = (40, 25),
    n_blocks: int = 16,
    null: bool = False,
    seed: int = 0,
) -> Batch:
    """Draw small studies of experiments of one area.

    Parameters
    ----------
    n_studies, n_experiments : int
        Studies, and experiments in each.
    settings : Analysis
    area : {'V1', 'V4', 'IT'}
        Whose law the experiments follow.
    images : tuple of int
        Generated images a block, of thread 0 and 1.
    n_blocks : int
    null : bool
        Plant no difference between the threads.
    seed : int
    """
    rng = np.random.default_rng([seed, 200])
    n = n_studies * n_experiments
    first, last = settings.window_ms
    expected = np.stack([rates_of(area, n_blocks, (first, last), rng, null=null).rates for _ in range(n)])
    n_images = np.asarray(images, dtype=np.float64)[:, None, None]
    sums = rng.poisson(expected * n_images / 1000)
    psth = torch.from_numpy(sums / n_images * 1000)
    errors = torch.from_numpy(np.sqrt(sums) / n_images * 1000)
    experiments = pd.DataFrame(
        {
            "session": [f"s{row:06d}" for row in range(n)],
            "subject": np.tile(["A", "B"], n)[:n],
            "area": [f"study{row // n_experiments:05d}" for row in range(n)],
            "site": [f"s{row:06d}" for row in range(n)],
            "n_blocks": n_blocks,
        }
    )
    success = ("any_succeeds", "both_succeed", "succeeds_texture", "succeeds_object")
    experiments = experiments.assign(**dict.fromkeys(success, True))
    evoked = trajectories.windowed(psth, first, [settings.evoked_ms])[..., 0]
    normalization_rate = evoked.amax((1, 2))
    data = xr.Dataset(
        _trajectories(psth, errors, normalization_rate, settings)
        | _attribution(psth, evoked, settings)
        | {"centres_centre_ms": (("experiment", "kind", "curve"), _centres(psth, evoked, settings))}
        | {"time_constants_first_above": (_CONSTANTS, _time_constants(evoked, settings))}
        | _contrast(psth, errors, normalization_rate, settings),
        {"kind": list(SPACES), "curve": list(CURVES), "level": list(LEVELS)}
        | {"theta": [settings.time_constant_theta]},
    )
    data = data.set_coords([name for name in LABELS if name in data])
    study = Study(experiments, data, pd.DataFrame(), settings, seed)
    return Batch(study, torch.from_numpy(expected), normalization_rate)


def _windows(settings: Analysis) -> list[tuple[str, int, int]]:
    tiles = trajectories.tiles(settings.figure_bin_ms, settings.window_ms)
    return [("evoked", *settings.evoked_ms), *(("binned", *tile) for tile in tiles)]


def _windowed(
    values: Tensor, errors: Tensor, settings: Analysis
) -> tuple[list[tuple[str, int, int]], Tensor, Tensor]:
    """Windows, means and errors of the means: bins of a Poisson train are independent."""
    windows = _windows(settings)
    spans = [(start, stop) for _, start, stop in windows]
    widths = torch.tensor([stop - start for start, stop in spans], dtype=torch.float64)
    first = settings.window_ms[0]
    squares = trajectories.windowed(errors.square(), first, spans)
    return windows, trajectories.windowed(values, first, spans), (squares / widths).sqrt()


def _labels(windows: list[tuple[str, int, int]], axis: str, prefix: str = "") -> Variables:
    names, starts, stops = zip(*windows, strict=True)
    labels = {"window": list(names), "start_ms": list(starts), "stop_ms": list(stops)}
    return {f"{prefix}{name}": ((axis,), values) for name, values in labels.items()}


def _trajectories(psth: Tensor, errors: Tensor, normalization_rate: Tensor, settings: Analysis) -> Variables:
    windows, means, spread = _windowed(psth, errors, settings)
    divided = normalization_rate[:, None, None, None]
    axes = ("experiment", "kind", "block", "window")
    return {
        "trajectories_normalised": (axes, (means / divided).numpy()),
        "trajectories_normalised_sem": (axes, (spread / divided).numpy()),
        **_labels(windows, "window"),
    }


def _attribution(psth: Tensor, evoked: Tensor, settings: Analysis) -> Variables:
    best = evoked.argmax(-1)
    shares, tiles = [], []
    for width in bin_widths(settings):
        of_threads = [
            torch.stack([dynamics.attribution(psth[row, t], int(best[row, t]), width)[1] for t in THREADS])
            for row in range(len(psth))
        ]
        shares.append(torch.stack(of_threads))
        tiles += [("binned", *tile) for tile in trajectories.tiles(width, settings.window_ms)]
    share = torch.cat(shares, -1).numpy()
    return {
        "attribution_share": (("experiment", "kind", "bin"), share),
        **_labels(tiles, "bin", "attribution_"),
    }


def _centres(psth: Tensor, evoked: Tensor, settings: Analysis) -> Floats:
    best = evoked.argmax(-1)[..., None, None].expand(-1, -1, 1, psth.shape[-1])
    first, top, last = psth[:, :, 0], psth.gather(2, best)[:, :, 0], psth[:, :, -1]
    curves = torch.stack([first, top, last, top - first], 2)
    return dynamics.centre_of_mass(curves, settings.window_ms[0], settings.attribution_from_ms).numpy()


def _time_constants(evoked: Tensor, settings: Analysis) -> Floats:
    """Of the levels 'bslinit' and 'zero'; the third, 'bsl', needs a baseline, which is not drawn."""
    theta = settings.time_constant_theta
    levels = torch.stack(
        [evoked[..., 0], torch.full_like(evoked[..., 0], torch.nan), torch.zeros_like(evoked[..., 0])]
    )
    constants = trajectories.time_constants(evoked.expand(len(levels), *evoked.shape), levels, theta)
    return constants.first_above[None]


def _contrast(psth: Tensor, errors: Tensor, normalization_rate: Tensor, settings: Analysis) -> Variables:
    first_late_block = dynamics.late_blocks(psth.shape[2], settings.late_fraction)
    windows, means, spread = _windowed(
        psth[:, :, first_late_block:], errors[:, :, first_late_block:], settings
    )
    late_means = means.mean(2)
    error = (spread.square().mean(2) / spread.shape[2]).sum(1).sqrt()
    divided, axes = normalization_rate[:, None], ("experiment", "late_window")
    return {
        "contrast_difference": (axes, ((late_means[:, 1] - late_means[:, 0]) / divided).numpy()),
        "contrast_sem": (axes, (error / divided).numpy()),
        **_labels(windows, "late_window", "contrast_"),
    }


def expected_contrast(batch: Batch, settings: Analysis) -> Floats:
    """Return the planted late difference of each study, object minus texture, [study, window].

    Windows: evoked, then the bins of the figures. Divided by the measured
    normalization rates, as the analysis divides.
    """
    first_late_block = dynamics.late_blocks(batch.expected.shape[2], settings.late_fraction)
    spans = [(start, stop) for _, start, stop in _windows(settings)]
    late_means = trajectories.windowed(
        batch.expected[:, :, first_late_block:].mean(2), settings.window_ms[0], spans
    )
    difference = (late_means[:, 1] - late_means[:, 0]) / batch.normalization_rate[:, None]
    n_studies = batch.study.experiments["area"].nunique()
    return difference.reshape(n_studies, -1, len(spans)).mean(1).numpy()
