"""What the operator's page shows of a running evolution, kept while it runs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from evoalign.loop.electrode import BlockRates

STEPS = ("propose", "render", "write", "show", "record", "score", "learn")  # of a block, in their order
BLOCKS_TIMED = 1000  # whose latencies are kept


class Monitor:
    """State of an evolution for other threads: one writes, any read.

    Parameters
    ----------
    session : str
    n_blocks : int
        Planned.

    Attributes
    ----------
    latencies_s : dict of str to deque of float
        Of each of `STEPS`, the last blocks' durations; of a block, the sum of its rounds.
    """

    def __init__(self, session: str = "", n_blocks: int = 0) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._state: dict[str, Any] = {
            "session": session,
            "n_blocks": n_blocks,
            "block": 0,
            "phase": "starting",
            "presentations": 0,
            "due": 0,
            "images": {},
            "missing": [],
            "warnings": [],
            "blocks": [],
        }
        self.latencies_s: dict[str, deque[float]] = {step: deque(maxlen=BLOCKS_TIMED) for step in STEPS}
        self._of_block: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one of `STEPS` of the current block."""
        self.set(phase=name)
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._of_block[name] = self._of_block.get(name, 0.0) + time.perf_counter() - begin

    def set(self, **values: Any) -> None:
        """Change what the page shows."""
        with self._lock:
            self._state |= values

    def begin_block(self, block: int) -> None:
        """A block is begun."""
        self._of_block = {}
        self.set(block=block, presentations=0, missing=[], due=0)

    def end_block(
        self,
        block: int,
        fitness: Mapping[int, Sequence[float] | np.ndarray],
        answered: BlockRates | None,
        missing: Sequence[str] = (),
        warnings: Sequence[str] = (),
    ) -> None:
        """A block is finished, now or by a process before (then without baseline error and latencies).

        Parameters
        ----------
        block : int
        fitness : mapping of int to array_like
            By thread, rates of its images, spikes/s; NaN where an image has none.
        answered : BlockRates, optional
        missing : sequence of str
            Images without a rate.
        warnings : sequence of str
        """
        row: dict[str, Any] = {"block": block, "threads": {}, "missing": list(missing)}
        for thread, values in sorted(fitness.items()):
            rates = np.asarray(values, np.float64)
            rates = rates[~np.isnan(rates)]
            sem = float(rates.std(ddof=1) / np.sqrt(len(rates))) if len(rates) > 1 else None
            mean = float(rates.mean()) if len(rates) else None
            row["threads"][str(thread)] = {"mean": mean, "sem": sem, "n": len(rates)}
        if answered is not None:
            row["baseline"] = {"mean": answered.baseline_hz, "sem": answered.baseline_sem_hz}
        for name, seconds in self._of_block.items():
            self.latencies_s[name].append(seconds)
        with self._lock:
            self._state["blocks"].append(row)
            self._state["missing"] = list(missing)
            self._state["warnings"] = [
                *self._state["warnings"][-19:],
                *(f"block {block}: {text}" for text in warnings),
            ]

    def snapshot(self) -> dict[str, Any]:
        """Return what the page shows, ready for JSON."""
        with self._lock:
            state = {name: list(v) if isinstance(v, list) else v for name, v in self._state.items()}
        state["latencies"] = [
            {"step": name, "last": values[-1], "median": float(np.median(values)), "longest": max(values)}
            for name, values in ((name, list(values)) for name, values in self.latencies_s.items())
            if values
        ]
        return state | {"stopping": self._stop.is_set(), "drift": _drift(state["blocks"])}

    def stop(self) -> None:
        """Ask for an end after the current block."""
        self._stop.set()

    @property
    def is_stopping(self) -> bool:
        """Whether an end after the current block was asked for."""
        return self._stop.is_set()


def _drift(blocks: Sequence[Mapping[str, Any]]) -> float | None:
    """Slope of the baseline over the blocks, spikes/s a block, by least squares; None below three blocks."""
    points = [(row["block"], row["baseline"]["mean"]) for row in blocks if row.get("baseline")]
    if len(points) < 3:
        return None
    number, rate = np.array(points, np.float64).T
    return float(np.polyfit(number, rate, 1)[0])
