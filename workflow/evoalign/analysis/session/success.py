"""Did an evolution raise the unit's rate: the t-tests, inclusion and success of docs/methods.md section 3."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evoalign.analysis.experiment import Experiment
from evoalign.analysis.settings import Analysis
from evoalign.analysis.statistics.tests import Moments, Test, moments, two_sample_t


@dataclass(frozen=True)
class Comparison:
    """One success statistic.

    Attributes
    ----------
    statistic : str
        'endinit', 'maxinit', 'maxend', 'init_01', 'max_01' or 'end_01'.
    thread : int
        0 or 1; -1 for a comparison across threads.
    test : Test
        t > 0 where the first group is larger.
    first, second : Moments
        Of the single presentations that were compared.
    """

    statistic: str
    thread: int
    test: Test
    first: Moments
    second: Moments


def peak_pair(best: int, n_blocks: int) -> list[int]:
    """Blocks (b*, b*+1), with b* moved back to n_blocks - 3 when it exceeds that.

    Indices from 0, as everywhere here; with fewer than three blocks b* is 0.
    """
    start = max(min(best, n_blocks - 3), 0)
    return [start, start + 1]


def success_statistics(experiment: Experiment, evoked: Tensor, best: list[int]) -> list[Comparison]:
    """Two-sample t-tests on single presentations of generated images (docs/methods.md section 3).

    Parameters
    ----------
    experiment : Experiment
    evoked : torch.Tensor, float64 [presentation]
        Evoked rates.
    best : list of int
        Block index b* of each thread.

    Returns
    -------
    list of Comparison
        ``endinit``, ``maxinit``, ``maxend`` of both threads, then ``init_01``,
        ``max_01``, ``end_01`` (thread 0 minus thread 1). With fewer than four
        blocks the groups overlap and every test is NaN.
    """
    n = experiment.n_blocks
    enough = n >= 4
    stages = [{"init": [0, 1], "max": peak_pair(best[thread], n), "end": [n - 2, n - 1]} for thread in (0, 1)]

    def group(thread: int, stage: str) -> Moments:
        blocks = stages[thread][stage] if enough else []
        keep = torch.isin(experiment.block, torch.tensor(blocks, device=evoked.device, dtype=torch.int64))
        return moments(evoked[keep & ~experiment.reference & (experiment.thread == thread)])

    groups = [{stage: group(thread, stage) for stage in stages[thread]} for thread in (0, 1)]
    comparisons = []
    for thread, thread_groups in enumerate(groups):
        for first, second in (("end", "init"), ("max", "init"), ("max", "end")):
            comparisons.append(_compare(first + second, thread, thread_groups[first], thread_groups[second]))
    for stage in ("init", "max", "end"):
        comparisons.append(_compare(f"{stage}_01", -1, groups[0][stage], groups[1][stage]))
    return comparisons


def _compare(statistic: str, thread: int, first: Moments, second: Moments) -> Comparison:
    return Comparison(statistic, thread, two_sample_t(first, second), first, second)


def succeeds(t: float, p: float, threshold: float) -> bool:
    """Success of a thread: p(maxinit) below the threshold with t > 0."""
    return bool(p < threshold and t > 0)


def inclusion(experiment: Experiment, normalization_rate: float, settings: Analysis) -> str:
    """Why an experiment is not valid, '' when it is (docs/methods.md section 3).

    Valid: more than 14 blocks (`settings.min_blocks`, counted after a short
    last block is dropped), a thread of a texture space and one of an object
    space, told by `settings.texture_spaces` and `settings.object_spaces`
    whatever their numbers, a stable baseline; a unit of the kind that the
    study analyses (`settings.unit_kind`), unless `settings.pool_kinds`; and one that
    responded at all, for without it there is no normalization rate.
    """
    reasons = []
    if experiment.n_blocks < settings.min_blocks:
        reasons.append(f"{experiment.n_blocks} blocks, fewer than {settings.min_blocks}")
    if set(experiment.kinds(settings)) != {"texture", "object"}:
        named = ", ".join(space or "unknown" for space in experiment.spaces)
        reasons.append(f"spaces {named} are not texture and object")
    if experiment.unstable:
        reasons.append(f"unstable baseline: {experiment.unstable}")
    if experiment.unit_kind not in ("", settings.unit_kind) and not settings.pool_kinds:
        reasons.append(
            f"its unit is of kind {experiment.unit_kind}, the study's are {settings.unit_kind} "
            "(analysis.pool_kinds)"
        )
    if not normalization_rate > 0:
        reasons.append("no evoked response in any block")
    return "; ".join(reasons)
