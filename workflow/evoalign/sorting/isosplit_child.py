"""Clusters with isosplit6 in a process of its own, for `evoalign.sorting.isosplit`, until its input ends.

A request is three int64 (points, dimensions, and whether labels to start from
follow), float64 points ``[point, dimension]`` and, if so, int32 labels. The
answer is int32 labels and a byte: 1 when this was the last, since isosplit6
has kept too much memory. Only what is needed is imported, since the start
counts.
"""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

import numpy as np
import psutil
from isosplit6 import isosplit6


def main(max_rss: int) -> None:
    """Answer requests on standard input, until this process takes more than `max_rss` bytes."""
    requests, answers, process = sys.stdin.buffer, _private_answers(), psutil.Process()
    goes_on = True
    while goes_on and len(header := requests.read(24)) == 24:
        n, m, has_labels = np.frombuffer(header, np.int64).tolist()
        points = np.frombuffer(requests.read(8 * n * m), np.float64).reshape(n, m)
        labels = np.frombuffer(requests.read(4 * n), np.int32) if has_labels else None
        clusters = isosplit6(points, initial_labels=labels)
        goes_on = process.memory_info().rss < max_rss
        answers.write(clusters.tobytes() + bytes([not goes_on]))
        answers.flush()


def _private_answers() -> BinaryIO:
    """Keep the pipe for answers alone: isosplit6 prints warnings on standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


if __name__ == "__main__":
    main(int(sys.argv[1]))
