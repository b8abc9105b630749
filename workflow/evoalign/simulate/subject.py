"""The simulated animal at its rig: it sees a block of images and answers with spikes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from evoalign.evolution.loop import ShownImage
from evoalign.simulate.schedule import Rig
from evoalign.simulate.spiketrains import ceiling_hz, driven_rate, spike_train
from evoalign.simulate.ventral_stream import (
    AREAS,
    AreaTuning,
    ModelUnit,
    figures,
    texture_statistics,
)
from evoalign.spaces.interface import Space, to_bytes

EVOKED_S = (0.05, 0.2)  # window whose mean rate is the fitness (docs/methods.md section 2)

GAINS = (0.6, 1.0)  # least and largest gain of a neighbour, as a share of the preferred unit's

# Screening: an experimenter evolves images for a unit that answers to some of
# them, but not to most. Mean drive over the screening images.
N_SCREENED = 60
TEXTURE_SCREEN, OBJECT_SCREEN = (0.1, 0.35), (0.1, 0.35)
OBJECT_TEXTURE_MAX = 0.15  # texture drive of any screened object: contours are no texture


def screening_images(spaces: Sequence[Space], generator: torch.Generator) -> list[np.ndarray]:
    """Return images of each space's prior, uint8 ``[60, H, W, 3]`` each."""
    with torch.no_grad():
        return [to_bytes(space.render(space.sample_initial(N_SCREENED, generator))) for space in spaces]


def screened_unit(area: str, screen: Sequence[np.ndarray], tuned: bool = True) -> ModelUnit:
    """Return the first unit of an area that passes the screening.

    Its preferred texture and object are taken from the screening images in
    their order, so that what it prefers is something its spaces can show.

    Parameters
    ----------
    area : str
        'V1', 'V4' or 'IT'.
    screen : sequence of ndarray
        Textures and objects, uint8 ``[n, H, W, 3]`` each.
    tuned : bool
        As of `ModelUnit`.
    """
    tuning = AREAS[area]
    textures, objects = screen
    if not tuned:
        return ModelUnit(tuning, textures[0], objects[0], gain_hz=tuning.gain_hz, tuned=False)
    statistics, contours = texture_statistics(textures), texture_statistics(objects)
    coarse = figures(objects)
    unit = ModelUnit(tuning, textures[0], objects[0], gain_hz=tuning.gain_hz)
    for candidate in textures:
        unit = replace(unit, preferred_texture=candidate)
        drive = unit.texture_match(statistics).mean()
        ignores_contours = unit.texture_match(contours).max() < OBJECT_TEXTURE_MAX
        if ignores_contours and TEXTURE_SCREEN[0] < drive < TEXTURE_SCREEN[1]:
            break
    for candidate in objects:
        unit = replace(unit, preferred_object=candidate)
        if OBJECT_SCREEN[0] < unit.object_match(coarse).mean() < OBJECT_SCREEN[1]:
            break
    return unit


def random_unit(
    area: str, screen: Sequence[np.ndarray], rng: np.random.Generator, tuned: bool = True
) -> ModelUnit:
    """Return a neighbour of the preferred unit, tuned at random.

    `screen` holds candidate images of textures and of objects, uint8
    ``[image, height, width, 3]``, to choose its preferred images from; `tuned`
    as of `ModelUnit`.
    """
    base = AREAS[area]
    tuning = AreaTuning(
        w_texture=base.w_texture * rng.uniform(0.6, 1.0),
        w_object=base.w_object * rng.uniform(0.6, 1.0),
        latency_ms=base.latency_ms + rng.uniform(-4, 8),
        object_latency_ms=base.object_latency_ms + rng.uniform(-6, 8),
        sustained=base.sustained,
        gain_hz=base.gain_hz,
    )
    texture, figure = (images[rng.integers(len(images))] for images in screen)
    base_hz, gain_hz = rng.uniform(3, 10), base.gain_hz * rng.uniform(*GAINS)
    return ModelUnit(tuning, texture, figure, base_hz, gain_hz, tuned)


class ModelSubject:
    """Shows a block at the rig, and answers with the preferred unit's evoked rates.

    Parameters
    ----------
    unit : ModelUnit
        The preferred unit.
    rig : Rig
        Decides when images appear.
    rng : numpy.random.Generator
        Of the unit's spikes.

    Attributes
    ----------
    unit : ModelUnit
        The preferred unit.
    shown : list of ShownImage
        Every presentation, in order.
    matches : ndarray
        T and O of the presentations so far, ``[2, presentation]``.
    statistics : ndarray
        `texture_statistics` of the presentations so far, ``[presentation, band]``: costly, so kept.
    figures : list of ndarray
        `figures` of each presentation so far, ``[pixel]``: the same.
    spikes : ndarray
        The unit's spike times so far, s.
    """

    def __init__(self, unit: ModelUnit, rig: Rig, rng: np.random.Generator) -> None:
        self.unit = unit
        self._rig = rig
        self._rng = rng
        self._kernels = np.stack(unit.kernels())
        self._reached = 0.0
        self.shown: list[ShownImage] = []
        self.matches = np.empty((2, 0))
        self.statistics = texture_statistics(np.empty((0, 1, 1, 3), np.uint8))
        self.figures: list[np.ndarray] = []
        self.spikes = np.empty(0)

    def show(self, images: Sequence[ShownImage]) -> np.ndarray:
        """Return the mean rate in [50, 200) ms after each image's onset, spikes/s."""
        onsets = self._rig.run_block(images)
        pixels = np.stack([image.pixels for image in images])
        statistics, coarse = texture_statistics(pixels), figures(pixels)
        matches = np.stack([self.unit.texture_match(statistics), self.unit.object_match(coarse)])
        self._fire(onsets, matches, self._rig.now)
        self.shown += images
        self.matches = np.concatenate([self.matches, matches], axis=1)
        self.statistics = np.concatenate([self.statistics, statistics])
        self.figures += list(coarse)
        first, last = (np.searchsorted(self.spikes, onsets + edge) for edge in EVOKED_S)
        return (last - first) / (EVOKED_S[1] - EVOKED_S[0])

    def finish(self) -> None:
        """Let the unit fire on to the end of the recording."""
        self._fire(np.empty(0), np.empty((2, 0)), self._rig.duration_s)

    def _fire(self, onsets: np.ndarray, matches: np.ndarray, stop_s: float) -> None:
        # A block's responses have ended when the next block starts, so blocks can be drawn alone.
        spikes = spike_train(
            lambda times: driven_rate(times, onsets, matches, self._kernels, self.unit.base_hz),
            ceiling_hz(self._kernels, self.unit.base_hz),
            self._reached,
            stop_s,
            self._rng,
            self.spikes[-1] if len(self.spikes) else -np.inf,
        )
        self.spikes = np.concatenate([self.spikes, spikes])
        self._reached = stop_s
