"""One paired evolution as tensors: the rates of its preferred unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evoalign.analysis.settings import Analysis

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("texture", "object")


@dataclass(frozen=True)
class Experiment:
    """Single-presentation rates of one unit in a paired evolution (docs/methods.md section 1).

    Attributes
    ----------
    session, subject, area : str
        Where the unit was recorded; `area` '' when unknown.
    unit : int
        Number of the unit in its session.
    spaces : tuple of str
        Names of the spaces of thread 0 and thread 1.
    rates : torch.Tensor, float64 [presentation, ms]
        Smoothed rates in spikes/s.
    start_ms : int
        Left edge of the first ms bin, from image onset.
    block, thread : torch.Tensor, int64 [presentation]
        Block as an index into `block_numbers`; thread 0 or 1.
    reference : torch.Tensor, bool [presentation]
        The image is a natural reference, not a generated image.
    block_numbers : tuple of int
        Block numbers as in the stimulus log, rising.
    unstable : str
        Why the baseline is unstable; '' when stable.
    n_invalid : int
        Presentations left out because they may not be analysed.
    n_unrecorded : int
        Others left out because the unit was not recorded.
    dropped_last : bool
        The last block was too short and is left out.
    site : str
        Recording site: animal, array, channel and unit; '' when unknown, and then the session's own.
    images : ndarray, str [presentation] or None
        Names of the images; None when unknown.
    optimisers : tuple of str
        Of thread 0 and thread 1; '' when unknown.
    unit_kind : str
        'sorted', 'multiunit', 'online' or 'envelope'; '' when unknown.
    """

    session: str
    subject: str
    area: str
    unit: int
    spaces: tuple[str, str]
    rates: Tensor
    start_ms: int
    block: Tensor
    thread: Tensor
    reference: Tensor
    block_numbers: tuple[int, ...]
    unstable: str = ""
    n_invalid: int = 0
    n_unrecorded: int = 0
    dropped_last: bool = False
    images: NDArray[np.str_] | None = None
    site: str = ""
    optimisers: tuple[str, str] = ("", "")
    unit_kind: str = ""

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.block_numbers)

    def kinds(self, settings: Analysis) -> tuple[str, str]:
        """'texture', 'object' or '' for the space of each thread."""
        first, second = (space_kind(space, settings) for space in self.spaces)
        return first, second

    def by_kind(self, settings: Analysis) -> tuple[int, int]:
        """Threads in the order texture, object; as they are numbered where there is not one of each."""
        return by_kind(self.kinds(settings))

    def select(self, keep: Tensor) -> Experiment:
        """Keep the presentations where `keep` (bool [presentation]) is true."""
        parts = {name: getattr(self, name)[keep] for name in ("rates", "block", "thread", "reference")}
        if self.images is not None:
            parts["images"] = self.images[keep.cpu().numpy()]
        return replace(self, **parts)


def space_kind(space: str, settings: Analysis) -> str:
    """Say whether a space counts as 'texture' or 'object'; '' when as neither."""
    if space in settings.texture_spaces:
        return "texture"
    return "object" if space in settings.object_spaces else ""


def by_kind(kinds: Sequence[str]) -> tuple[int, int]:
    """Threads of these kinds in the order texture, object; as they are numbered where not one of each."""
    return (1, 0) if tuple(kinds) == ("object", "texture") else (0, 1)


def drop_short_last_block(experiment: Experiment, minimum: int) -> Experiment:
    """Leave out the last block when either thread has fewer than `minimum` generated images.

    docs/methods.md section 3: in both threads, and once (the block before it stays
    whatever its size).
    """
    last = experiment.n_blocks - 1
    generated = ~experiment.reference & (experiment.block == last)
    n_generated = [int((generated & (experiment.thread == thread)).sum()) for thread in (0, 1)]
    if min(n_generated) >= minimum:
        return experiment
    without_last = experiment.select(experiment.block != last)
    return replace(without_last, block_numbers=experiment.block_numbers[:-1], dropped_last=True)
