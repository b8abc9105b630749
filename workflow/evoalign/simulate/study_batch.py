"""Many small studies at once, as the tables that pooling starts from, to test the statistics.

Each study has a separate area, so that one call of a pooled panel
tests them all. Block means are drawn as Poisson sums over the block's
presentations, and no presentation is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evoalign.analysis.frames import long_table
from evoalign.analysis.population.experiments import Study
from evoalign.analysis.session import dynamics, trajectories
from evoalign.analysis.session.block_statistics import bin_widths
from evoalign.analysis.settings import Analysis
from evoalign.simulate.study_rates import Floats, rates_of

THREADS = (0, 1)


@dataclass(frozen=True)
class Batch:
    """Small studies, stacked.

    Attributes
    ----------
    study : Study
        Tables `experiments`, `trajectories`, `attribution`, `centres`,
        `time_constants`, `contrast`; all threads succeed.
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
    tables = {
        "experiments": experiments,
        "trajectories": _trajectories(psth, errors, normalization_rate, settings),
        "attribution": _attribution(psth, evoked, settings),
        "centres": _centres(psth, evoked, settings),
        "time_constants": _time_constants(evoked, settings),
        "contrast": _contrast(psth, errors, normalization_rate, settings),
    }
    for name, frame in tables.items():
        if name != "experiments":
            frame["session"] = experiments["session"].to_numpy()[frame.pop("row").to_numpy()]
    return Batch(Study(tables, settings, seed), torch.from_numpy(expected), normalization_rate)


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


def _label(frame: pd.DataFrame, windows: list[tuple[str, int, int]]) -> pd.DataFrame:
    names, starts, stops = (np.asarray(column) for column in zip(*windows, strict=True))
    at = frame.pop("at").to_numpy()
    return frame.assign(window=names[at], start_ms=starts[at], stop_ms=stops[at])


def _trajectories(
    psth: Tensor, errors: Tensor, normalization_rate: Tensor, settings: Analysis
) -> pd.DataFrame:
    windows, means, spread = _windowed(psth, errors, settings)
    divided = normalization_rate[:, None, None, None]
    n, _, n_blocks, n_windows = means.shape
    axes = {"row": range(n), "kind": THREADS, "block_index": range(n_blocks), "at": range(n_windows)}
    values = {"normalised": means / divided, "normalised_sem": spread / divided}
    return _label(long_table(axes, values), windows)


def _attribution(psth: Tensor, evoked: Tensor, settings: Analysis) -> pd.DataFrame:
    best = evoked.argmax(-1)
    width_tables = []
    for width in bin_widths(settings):
        share = torch.stack(
            [
                torch.stack(
                    [dynamics.attribution(psth[row, t], int(best[row, t]), width)[1] for t in THREADS]
                )
                for row in range(len(psth))
            ]
        )
        starts = [start for start, _ in trajectories.tiles(width, settings.window_ms)]
        axes = {"row": range(len(psth)), "kind": THREADS, "start_ms": starts}
        frame = long_table(axes, {"share": share})
        width_tables.append(frame.assign(stop_ms=frame["start_ms"] + width))
    return pd.concat(width_tables, ignore_index=True)


def _centres(psth: Tensor, evoked: Tensor, settings: Analysis) -> pd.DataFrame:
    best = evoked.argmax(-1)[..., None, None].expand(-1, -1, 1, psth.shape[-1])
    top = psth.gather(2, best)[:, :, 0]
    curves = {"first": psth[:, :, 0], "best": top, "last": psth[:, :, -1], "attribution": top - psth[:, :, 0]}
    centre = [
        dynamics.centre_of_mass(curve, settings.window_ms[0], settings.attribution_from_ms)
        for curve in curves.values()
    ]
    axes = {"row": range(len(psth)), "kind": THREADS, "curve": list(curves)}
    return long_table(axes, {"centre_ms": torch.stack(centre, -1)})


def _time_constants(evoked: Tensor, settings: Analysis) -> pd.DataFrame:
    level_tables = []
    for name, level in (("bslinit", evoked[..., 0]), ("zero", torch.zeros_like(evoked[..., 0]))):
        time_constants = trajectories.time_constants(evoked, level, settings.time_constant_theta)
        axes = {"row": range(len(evoked)), "kind": THREADS}
        level_tables.append(long_table(axes, {"first_above": time_constants.first_above}).assign(level=name))
    return pd.concat(level_tables, ignore_index=True).assign(theta=settings.time_constant_theta)


def _contrast(psth: Tensor, errors: Tensor, normalization_rate: Tensor, settings: Analysis) -> pd.DataFrame:
    first_late_block = dynamics.late_blocks(psth.shape[2], settings.late_fraction)
    windows, means, spread = _windowed(
        psth[:, :, first_late_block:], errors[:, :, first_late_block:], settings
    )
    late_means = means.mean(2)
    error = (spread.square().mean(2) / spread.shape[2]).sum(1).sqrt()
    axes = {"row": range(len(psth)), "at": range(len(windows))}
    divided = normalization_rate[:, None]
    values = {"difference": (late_means[:, 1] - late_means[:, 0]) / divided, "sem": error / divided}
    return _label(long_table(axes, values), windows)


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
