"""What the encoding of a session is made of: its settings, and the results of each thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from evoalign.analysis.encoding.design import Thread, Windows
from evoalign.analysis.encoding.distribution import ShareDistribution
from evoalign.analysis.encoding.order import OrderDependence
from evoalign.analysis.encoding.ridge import Nested
from evoalign.analysis.encoding.stream import Checkpoint
from evoalign.analysis.settings import AnalysisConfig, Encoding
from evoalign.analysis.statistics.noise_ceiling import Ceiling
from evoalign.responses.session_responses import SessionResponses
from evoalign.spaces.hessian import Eigenframe

Floats = NDArray[np.float64]
Frames = Mapping[str, Eigenframe]


@dataclass(frozen=True)
class EncodingJob:
    """What all fits of a session share."""

    responses: SessionResponses
    config: AnalysisConfig
    units: NDArray[np.int64]
    windows: Windows
    alphas: Tensor
    device: str
    checkpoint: Checkpoint
    frames: Frames

    @property
    def settings(self) -> Encoding:
        """The section of the configuration."""
        return self.config.encoding

    @property
    def shape(self) -> tuple[int, int]:
        """Units and windows."""
        return len(self.units), len(self.windows.starts_ms)


@dataclass(frozen=True)
class Fitted:
    """One thread's results for one fold scheme and projection; arrays [unit, window].

    p values are None when the responses were not permuted. `thread` holds the
    presentations that were fitted.
    """

    thread: Thread
    kind: str
    scheme: str
    projection: str
    n_features: int
    nested: Nested
    test: dict[str, NDArray] | None


@dataclass(frozen=True)
class Shares:
    """Linear shares of one thread for one projection.

    Attributes
    ----------
    projection : str
    n_features : int
        Directions of the projection.
    estimate, low, high : numpy.ndarray, float64 [unit, window]
        Share of the variance within blocks, and its interval.
    distribution : ShareDistribution
        Of the estimate, for each true share.
    correlation : numpy.ndarray, float64 [unit, window, window]
        Correlation between windows of the estimates' noise.
    """

    projection: str
    n_features: int
    estimate: Floats
    low: Floats
    high: Floats
    distribution: ShareDistribution
    correlation: Floats


@dataclass(frozen=True)
class ThreadParts:
    """Everything that is computed of one thread.

    Attributes
    ----------
    thread : Thread
    kind : str
        'texture', 'object' or ''.
    order : OrderDependence
    ceiling : Ceiling
        [unit, window].
    fitted : list of Fitted
        One for each fold scheme and projection.
    shares : list of Shares
        One for each projection.
    spectrum : list of tuple
        First and last (not in it) rank of a bin, explained variance [unit, window].
    weights : list of tuple
        Unit, and its weight vectors [window, latent].
    """

    thread: Thread
    kind: str
    order: OrderDependence
    ceiling: Ceiling
    fitted: list[Fitted]
    shares: list[Shares]
    spectrum: list[tuple[tuple[int, int], Floats]]
    weights: list[tuple[int, Floats]]
