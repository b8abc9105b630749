"""Packets as they come from a source of an acquisition system."""

import time

import numpy as np

from evoalign.loop.acquisition import CLOCK


def taken(source, n_packets, within_s):
    """Packets without those of the clock, once as many have come."""
    stop, parts = time.monotonic() + within_s, [np.empty((0, 4), np.int64)]
    while sum(map(len, parts)) < n_packets and time.monotonic() < stop:
        packets = source.take()
        parts.append(packets[packets[:, 0] != CLOCK])
        time.sleep(0.01)
    return np.concatenate(parts)
