"""Everything METHODS sections 3, 4 and 7 say of one session's preferred unit, as tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from evoalign import study, tables
from evoalign.analysis import success
from evoalign.analysis.experiment import Experiment
from evoalign.analysis.measured import Measured, as_array, by_thread, facts, long_table, measure
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.resampling import seeded
from evoalign.analysis.selection import selected_p
from evoalign.analysis.session_dynamics import (
    attribution_table,
    centres_table,
    late_tables,
    time_constants_table,
)
from evoalign.analysis.trajectories import best_image
from evoalign.analysis.tuning import shows_axes, shows_evolution, tune_session
from evoalign.responses import Responses


def analyse_session(
    responses: Responses, config: study.Config, unit: int | None = None, unstable: str = ""
) -> dict[str, pd.DataFrame]:
    """Analyse one session's preferred unit.

    Parameters
    ----------
    responses : Responses
    config : study.Config
    unit : int, optional
        Another unit than the preferred one.
    unstable : str
        Reason from the sample sheet to exclude the session; '' = stable.

    Returns
    -------
    dict of str to pandas.DataFrame
        Tables by the lower-case names of their contracts. Of an evolution:
        experiments, success, trajectories, psth, attribution, centres,
        time_constants, contrast, late_draws, crossover; where image names
        carry eigen-axes: those of `tune_session`; of a session with both, all.

    Raises
    ------
    InputError
        No such unit, or nothing to analyse.
    """
    tuned = tune_session(responses, config, unit) if shows_axes(responses) else {}
    if tuned and not shows_evolution(responses):
        return tuned
    device = resolve_device(config.device)
    experiment = experiment_from(responses, config.analysis, unit, unstable, device)
    return analyse_experiment(experiment, config.analysis, config.seed) | tuned


def resolve_device(device: str) -> str:
    """'cuda' for 'auto' where there is one, else 'cpu'."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def analyse_experiment(
    experiment: Experiment, settings: study.Analysis, seed: int
) -> dict[str, pd.DataFrame]:
    """Tables of one experiment; see `analyse_session`."""
    measured = measure(experiment, settings)
    comparisons = success.success_statistics(experiment, measured.rates[:, 0], measured.best)
    late = late_tables(measured, settings, seed)
    found = {
        "experiments": _experiments(measured, comparisons, settings),
        "success": _success(measured, comparisons, settings, seed),
        "trajectories": _trajectories(measured, settings),
        "psth": _psth(measured, settings),
        "attribution": attribution_table(measured, settings),
        "centres": centres_table(measured, settings),
        "time_constants": time_constants_table(measured, settings),
        **late,
    }
    return {name: tables.conform(frame, contract(name)) for name, frame in found.items()}


def contract(name: str) -> pa.Schema:
    """Contract of a table by its lower-case name."""
    found: pa.Schema = getattr(tables, name.upper())
    return found


def _experiments(
    measured: Measured, comparisons: list[success.Comparison], settings: study.Analysis
) -> pd.DataFrame:
    experiment = measured.experiment
    rises = [c.test for c in comparisons if c.statistic == "maxinit"]
    t, p = [float(test.t) for test in rises], [float(test.p) for test in rises]
    strict = [success.succeeds(t[i], p[i], settings.success_p) for i in (0, 1)]
    lenient = [success.succeeds(t[i], p[i], settings.both_succeed_p) for i in (0, 1)]
    reason = success.inclusion(experiment, measured.normaliser, settings)
    row = {
        **facts(experiment),
        "unit": experiment.unit,
        "n_blocks": experiment.n_blocks,
        "dropped_last": experiment.dropped_last,
        "n_presentations": len(experiment.block),
        "n_invalid": experiment.n_invalid,
        "normaliser_hz": measured.normaliser,
        "valid": reason == "",
        "reason": reason,
        "any_succeeds": any(lenient),
        "both_succeed": all(lenient),
    }
    for i in (0, 1):
        row |= {f"space_{i}": experiment.spaces[i], f"best_block_{i}": measured.best[i]}
        row[f"best_image_{i}"] = best_image(experiment, measured.rates[:, 0], i, measured.best[i])
        row |= {f"t_{i}": t[i], f"p_{i}": p[i], f"succeeds_{i}": strict[i]}
    return pd.DataFrame([row])


def _success(
    measured: Measured, comparisons: list[success.Comparison], settings: study.Analysis, seed: int
) -> pd.DataFrame:
    corrected = _corrected(measured, comparisons, settings, seed)
    rows = [
        {
            "thread": c.thread,
            "statistic": c.statistic,
            "t": float(c.test.t),
            "df": float(c.test.df),
            "p": float(c.test.p),
            "mean_1": float(c.first.mean),
            "mean_2": float(c.second.mean),
            "n_1": int(c.first.n),
            "n_2": int(c.second.n),
            "p_selected": corrected.get((c.thread, c.statistic), float("nan")),
        }
        for c in comparisons
    ]
    return by_thread(measured.experiment, pd.DataFrame(rows), settings)


def _corrected(
    measured: Measured, comparisons: list[success.Comparison], settings: study.Analysis, seed: int
) -> dict[tuple[int, str], float]:
    """P values of both threads' peaks that allow for the choice of the best block."""
    generator = seeded(seed, measured.experiment.session, "selected")
    found: dict[tuple[int, str], float] = {}
    for thread in (0, 1):
        shown = as_array(measured.generated.n[thread, :, 0]).astype(np.int64)
        peaks = {
            c.statistic: float(c.test.t)
            for c in comparisons
            if c.thread == thread and c.statistic in ("maxinit", "maxend")
        }
        corrected = selected_p(shown, peaks, settings.n_permutations, generator)
        found |= {(thread, name): p for name, p in corrected.items()}
    return found


def _trajectories(measured: Measured, settings: study.Analysis) -> pd.DataFrame:
    blocks = measured.experiment.block_numbers
    parts = []
    for stimuli, found in (("generated", measured.generated), ("reference", measured.reference)):
        # Time bins are told of generated images only.
        n_windows = len(measured.windows) if stimuli == "generated" else 2
        axes = {"thread": [0, 1], "block_index": range(len(blocks)), "at": range(n_windows)}
        mean, sem = found.mean[..., :n_windows], found.sem[..., :n_windows]
        values = {
            "mean_hz": mean,
            "sem_hz": sem,
            "n": found.n.to(torch.int64),
            "normalised": mean / measured.normaliser,
            "normalised_sem": sem / measured.normaliser,
        }
        parts.append(long_table(axes, values).assign(stimuli=stimuli))
    frame = pd.concat(parts, ignore_index=True)
    names, starts, stops = (np.asarray(column) for column in zip(*measured.windows, strict=True))
    at = frame.pop("at").to_numpy()
    frame = frame.assign(window=names[at], start_ms=starts[at], stop_ms=stops[at])
    frame["block"] = np.asarray(blocks)[frame["block_index"].to_numpy()]
    return by_thread(measured.experiment, frame, settings)


def _psth(measured: Measured, settings: study.Analysis) -> pd.DataFrame:
    experiment = measured.experiment
    parts = []
    for stimuli, found in (("generated", measured.psth), ("reference", measured.psth_reference)):
        axes = {
            "thread": [0, 1],
            "block_index": range(experiment.n_blocks),
            "time_ms": np.arange(found.mean.shape[-1]) + experiment.start_ms,
        }
        values = {"mean_hz": found.mean, "sem_hz": found.sem, "n": found.n.to(torch.int64)}
        frame = long_table(axes, values).assign(stimuli=stimuli)
        parts.append(frame[frame["n"] > 0])
    frame = pd.concat(parts, ignore_index=True)
    frame["block"] = np.asarray(experiment.block_numbers)[frame["block_index"].to_numpy()]
    return by_thread(experiment, frame, settings)
