"""isosplit6 in processes of its own: it does not give back its memory, 1 to 3 kB a point (0.1.4).

An hour of 96 electrodes would take 3 GB so. The processes answer until they
have grown by a hundred MB; then others take their place.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
import threading

import numpy as np
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.sorting import isosplit_child

# A process that does not answer is ended; 100,000 points take seconds.
LIMIT_S, LIMIT_S_A_POINT = 300.0, 0.01
MAX_RSS = 160_000_000  # bytes: 40 MB of Python and numpy, the rest has leaked


def isosplit(
    points: NDArray[np.float64], initial_labels: NDArray[np.int32] | None = None
) -> NDArray[np.int32]:
    """Cluster points; threads may call it at once.

    Parameters
    ----------
    points : ndarray
        float64 ``[point, dimension]``.
    initial_labels : ndarray, optional
        From 1; clusters to start from.

    Returns
    -------
    ndarray
        int32 ``[point]``: cluster from 1.

    Raises
    ------
    ChildProcessError
        The process ended without an answer, as when the machine is out of memory.
    InputError
        It did not answer in time.
    """
    try:
        child = _idle.pop()
    except IndexError:
        child = _Child()
    labels, is_full = child.ask(points, initial_labels)
    if is_full:
        child.end()
    else:
        _idle.append(child)
    return labels


def end_children() -> None:
    """End the processes that wait for work: to start another takes 0.2 s."""
    while _idle:
        _idle.pop().end()


class _Child:
    """A process of `isosplit_child`, for one call at a time."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", str(isosplit_child.__file__), str(MAX_RSS)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(
        self, points: NDArray[np.float64], initial_labels: NDArray[np.int32] | None
    ) -> tuple[NDArray[np.int32], bool]:
        """Return the labels, and whether the process has grown too large for more."""
        header = np.array([*points.shape, initial_labels is not None], np.int64)
        labels = [] if initial_labels is None else [initial_labels.astype(np.int32).tobytes()]
        limit_s = LIMIT_S + LIMIT_S_A_POINT * len(points)
        answer, requests, answers = b"", self._process.stdin, self._process.stdout
        assert requests is not None and answers is not None
        is_late = threading.Event()
        clock = threading.Timer(limit_s, self._end_late, [is_late])
        clock.start()
        try:
            requests.write(b"".join([header.tobytes(), points.astype(np.float64).tobytes(), *labels]))
            requests.flush()
            answer = answers.read(4 * len(points) + 1)
        except BrokenPipeError:
            pass
        finally:
            clock.cancel()
        if is_late.is_set():
            self.end()
            raise InputError(
                f"clustering {len(points)} spikes did not end within {limit_s:.0f} s",
                "sorting, isosplit6",
                "look at the recording: an electrode of artefacts can be left out in the array map",
            )
        if len(answer) < 4 * len(points) + 1:
            self.end()
            raise ChildProcessError(f"the process of isosplit6 ended with {self._process.returncode}")
        return np.frombuffer(answer[:-1], np.int32), bool(answer[-1])

    def _end_late(self, is_late: threading.Event) -> None:
        is_late.set()
        self._process.kill()

    def end(self) -> None:
        """Close its input, and wait for its end."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue
        self._process.wait()


_idle: list[_Child] = []
atexit.register(end_children)
