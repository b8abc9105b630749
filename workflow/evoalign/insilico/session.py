"""One paired evolution driven by a unit of a network, as what an NWB file of a session holds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from evoalign import study, tables
from evoalign.analysis.statistics.resampling import seeded
from evoalign.errors import InputError
from evoalign.events.tables import PRESENTATIONS
from evoalign.evolution.loop import Generation, ShownImage, evolve
from evoalign.insilico.network import LayeredNetwork
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.recordings.tables import CHANNELS
from evoalign.responses.session_responses import SessionResponses
from evoalign.simulate.experiment import start_threads
from evoalign.simulate.settings import Insilico
from evoalign.simulate.study_session import (
    FIRST_ONSET_S,
    ON_S,
    PER_TRIAL,
    RATE_HZ,
    SPACING_S,
    spike_times,
    study_segments,
    study_units,
)
from evoalign.sorting.tables import SPIKES
from evoalign.spaces.described import generators_table
from evoalign.spaces.interface import Space, from_bytes
from evoalign.spaces.registry import get_space

Floats = NDArray[np.float64]

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)  # networks know no time
BASELINE_HZ, MEAN_HZ, GAIN_HZ, MOST_HZ = 8.0, 40.0, 25.0, 300.0  # gain: of a standard deviation
DRIVEN_MS = (45, 205)  # more than the evoked window on either side, so that smoothing keeps its mean
N_SCREENED = 64  # founders of either space, over which a unit's activation has its mean and deviation
CHANNEL = 1
RENDERED_TOGETHER = 16  # images, for the memory that a generator takes


@dataclass(frozen=True)
class UnitDesign:
    """A unit of a network that is to drive an evolution.

    Attributes
    ----------
    network : {'trained', 'random', 'null'}
        ImageNet weights; random weights; random weights, each block's responses shuffled over its
        images.
    layer : str
    channel : int
    number : int
        Of the unit among its layer's.
    """

    network: str
    layer: str
    channel: int
    number: int

    @property
    def session(self) -> str:
        """Name of the session."""
        return f"{self.network}_{self.layer}_{self.number:02d}"


class NetworkSubject:
    """Answers with Poisson spikes at a rate linear in a unit's activation.

    Parameters
    ----------
    design : UnitDesign
    network : LayeredNetwork
    scale : (float, float)
        Mean and standard deviation of the activation over founders.
    span_ms : (int, int)
        Of the counts, from image onset.
    rng : numpy.random.Generator

    Attributes
    ----------
    shown : list of ShownImage
        In the order of display.
    counts : list of ndarray
        uint16 ``[image, ms]``, one a block.
    """

    def __init__(
        self,
        design: UnitDesign,
        network: LayeredNetwork,
        scale: tuple[float, float],
        span_ms: tuple[int, int],
        rng: np.random.Generator,
    ) -> None:
        self._design, self._network, self._scale, self._rng = design, network, scale, rng
        self._time = np.arange(*span_ms)
        self.shown: list[ShownImage] = []
        self.counts: list[NDArray[np.uint16]] = []

    def show(self, images: Sequence[ShownImage]) -> np.ndarray:
        """Return the mean rate in [50, 200) ms after each image's onset, spikes/s."""
        pixels = np.stack([image.pixels for image in images])
        activation = activations(self._network, pixels, self._design)
        if self._design.network == "null":
            activation = self._rng.permutation(activation)
        mean, deviation = self._scale
        evoked = np.clip(MEAN_HZ + GAIN_HZ * (activation - mean) / deviation, 0, MOST_HZ)
        driven = (self._time >= DRIVEN_MS[0]) & (self._time < DRIVEN_MS[1])
        rates = np.where(driven, evoked[:, None], BASELINE_HZ)
        counts = self._rng.poisson(rates / 1000).astype(np.uint16)
        self.shown += images
        self.counts.append(counts)
        window = (self._time >= 50) & (self._time < 200)
        return np.asarray(counts[:, window].mean(1) * 1000)


def activations(network: LayeredNetwork, pixels: NDArray[np.uint8], design: UnitDesign) -> Floats:
    """Activation of a unit by images, uint8 ``[n, H, W, 3]``; float64 ``[n]``."""
    activation = network.centres(from_bytes(pixels), (design.layer,))[design.layer]
    return np.asarray(activation[:, design.channel])


def paired_spaces(config: study.Config, device: str = "cpu") -> tuple[Space, Space]:
    """Spaces of thread 0 and 1, as `insilico.spaces` names them.

    Raises
    ------
    InputError
        As for `get_space`; or their images differ in size.
    """
    first, second = (get_space(name, config.spaces, device=device) for name in config.insilico.spaces)
    if first.image_size != second.image_size:
        raise InputError(
            f"'{first.name}' makes images of {first.image_size} px, '{second.name}' of {second.image_size}",
            "insilico.spaces",
            "name two spaces whose images are of one size",
        )
    return first, second


def draw_units(
    network: LayeredNetwork, name: str, settings: Insilico, spaces: Sequence[Space], seed: int
) -> list[tuple[UnitDesign, tuple[float, float]]]:
    """Units of each layer, at random among those that founders of both spaces drive, and their scales.

    Raises
    ------
    InputError
        As for `LayeredNetwork.centres`.
    """
    founders = [founder_images(space, N_SCREENED, seed) for space in spaces]
    by_layer = network.centres(torch.cat(founders), settings.layers)
    designs = []
    for layer, values in by_layer.items():
        mean, deviation = values.mean(0).numpy(), values.std(0).numpy()
        # A channel that founders do not drive, as a rectified one that is always 0, leads nowhere.
        alive = np.flatnonzero(deviation > 1e-3 * np.median(deviation[deviation > 0]))
        drawn = seeded(seed, name, layer).permutation(alive)[: settings.units]
        for number, channel in enumerate(drawn):
            design = UnitDesign(name, layer, int(channel), number)
            designs.append((design, (float(mean[channel]), float(deviation[channel]))))
    return designs


def founder_images(space: Space, n: int, seed: int) -> torch.Tensor:
    """Images of a space's founders, ``[n, 3, H, W]``."""
    latents = space.sample_initial(n, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return torch.cat([space.render(part) for part in latents.split(RENDERED_TOGETHER)])


def evolve_unit(
    design: UnitDesign,
    network: LayeredNetwork,
    scale: tuple[float, float],
    config: study.Config,
    device: str = "cpu",
) -> SessionContents:
    """Evolve images for a unit in both spaces of `insilico.spaces`, and return the session.

    Parameters
    ----------
    design : UnitDesign
    network : LayeredNetwork
    scale : (float, float)
        Of `draw_units`.
    config : study.Config
        Sections `insilico`, `spaces` and `responses`, and `seed`.
    device : str
        'cpu' or 'cuda', where a generator with weights computes.

    Raises
    ------
    InputError
        See `paired_spaces`.
    """
    settings = config.insilico
    rng = seeded(config.seed, design.session)
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    spaces = paired_spaces(config, device)
    seeds = [int(rng.integers(2**31)) for _ in spaces]
    threads, references = start_threads(spaces, settings, generator, seeds)
    span = (config.responses.start_ms, config.responses.stop_ms)
    subject = NetworkSubject(design, network, scale, span, rng)
    history = evolve(threads, subject, settings.n_blocks, rng, references)
    contents = _contents(design, settings.spaces, subject, history, span[0], rng)
    return replace(contents, generators=generators_table(spaces))


def _contents(
    design: UnitDesign,
    spaces: tuple[str, str],
    subject: NetworkSubject,
    history: Sequence[Generation],
    start_ms: int,
    rng: np.random.Generator,
) -> SessionContents:
    presentations = _presentations(subject.shown)
    counts = np.concatenate(subject.counts)
    units = study_units(CHANNEL, design.layer, int(counts.sum()), len(presentations))
    responses = SessionResponses(
        counts[None], start_ms, units, presentations, design.session, design.network, design.layer, {}
    )
    times = spike_times(responses, rng)
    return SessionContents(
        metadata=SessionMetadata(
            design.session,
            design.network,
            f"{CHANNEL}a",
            spaces,
            site=f"{design.network}/{design.layer}/{design.channel}",
            identifier=f"insilico-{design.session}-{design.channel}",
        ),
        start=START,
        channels=_channels(design),
        segments=study_segments(presentations),
        units=units,
        spikes=tables.conform(pd.DataFrame({"unit": 0, "time_s": times}), SPIKES),
        presentations=presentations,
        latents={
            (generation.block, generation.thread): (generation.codes, list(generation.names))
            for generation in history
        },
        images={image.name: image.pixels for image in subject.shown},
    )


def _presentations(shown: Sequence[ShownImage]) -> pd.DataFrame:
    """`PRESENTATIONS` of images shown one after the other."""
    n = len(shown)
    onset = FIRST_ONSET_S + SPACING_S * np.arange(n)
    columns = ("block", "thread", "space", "latent_row", "reference")
    frame = pd.DataFrame({name: [getattr(image, name) for image in shown] for name in columns})
    names = [image.name for image in shown]
    frame = frame.assign(
        image=names,
        presentation=np.arange(n),
        trial=np.arange(n) // PER_TRIAL + 1,
        onset_s=onset,
        offset_s=onset + ON_S,
        onset_source="log",
        word_s=np.nan,
        log_s=onset,
        residual_ms=0.0,
        valid=True,
        reason="",
    )
    frame["repeat"] = frame.groupby("image").cumcount()
    return tables.conform(frame, PRESENTATIONS)


def _channels(design: UnitDesign) -> pd.DataFrame:
    nan = float("nan")
    row = (
        CHANNEL,
        f"{design.layer}.{design.channel}",
        "neural",
        "spikes",
        RATE_HZ,
        nan,
        "",
        "",
        design.layer,
    )
    return tables.conform(pd.DataFrame([(*row, nan, nan)], columns=CHANNELS.names), CHANNELS)
