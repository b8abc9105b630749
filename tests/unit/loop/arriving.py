"""Packets as they come from a source of an acquisition system."""

import time

import numpy as np

from evoalign.loop.acquisition import CLOCK
from evoalign.loop.block_images import BlockImages
from evoalign.loop.interfaces import Round, ToShow
from evoalign.loop.scoring import log_of
from evoalign.loop.simulated import plan_round

NAMES = [f"block001_thread000_gen_gen000_{k:06d}" for k in range(24)]


def taken(source, n_packets, within_s):
    """Packets without those of the clock, once as many have come."""
    stop, parts = time.monotonic() + within_s, [np.empty((0, 4), np.int64)]
    while sum(map(len, parts)) < n_packets and time.monotonic() < stop:
        packets = source.take()
        parts.append(packets[packets[:, 0] != CLOCK])
        time.sleep(0.01)
    return np.concatenate(parts)


def planned(n_rounds):
    """Presentations of rounds of 24 images, and of each round its request and where it ends among them."""
    rounds, presentations = [], []
    for number in range(n_rounds):
        request = Round(1, number, [ToShow(name, None, "") for name in NAMES], len(presentations))
        presentations = presentations + plan_round(request, presentations[-1] if presentations else None, 2)
        rounds.append((request, len(presentations)))
    return rounds, presentations


def log_of_planned(presentations):
    """Their stimulus log."""
    images = BlockImages([], {})
    for row, name in enumerate(NAMES):
        images._remember(name, 0, "texture", row)
    return log_of(presentations, images.table(NAMES))
