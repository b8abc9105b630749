"""The demo's sessions that enter as NWB files: simulated without voltages, as a lab would share them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from evoalign import tables
from evoalign.events.tables import PRESENTATIONS
from evoalign.files import atomic_write
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.nwb.settings import Packaging
from evoalign.nwb.write import write_nwb
from evoalign.recordings.tables import CHANNELS, SEGMENTS
from evoalign.simulate import truth
from evoalign.simulate.demo import AREAS, SEEDS_OF_RECORDINGS, Area, demo_array_map, preferred_channel
from evoalign.simulate.experiment import SPACES, Evolved, run_evolution
from evoalign.simulate.population import SIZE_SD, Population, populate
from evoalign.simulate.settings import Demo
from evoalign.simulate.voltages import AFTER_MS, BEFORE_MS
from evoalign.sorting.quality import describe
from evoalign.sorting.recorded import RecordedTime
from evoalign.sorting.result import UnitSpikes
from evoalign.sorting.settings import Sorting
from evoalign.sorting.stability import with_stability

SHARED_AN_AREA = 4  # with one recording an area: as many experiments as a lead of an area needs
UNTUNED_AREA: Area = "V4"  # of the session whose units answer to every image alike
SUBJECTS = ("Shared-M", "Shared-N")
RATE_HZ = 30_000.0

_FIRST_DAY = dt.datetime(2026, 4, 6, 10, 0, tzinfo=dt.UTC)


@dataclass(frozen=True)
class SharedSession:
    """A session that enters as an NWB file, known before it is simulated.

    Attributes
    ----------
    session, subject : str
        As in the sample sheet.
    area : {'V1', 'V4', 'IT'}
    start : datetime.datetime
    seed : int
        Of everything random in the session.
    tuned : bool
        False: its units answer to every image alike, so nothing is to be found.
    """

    session: str
    subject: str
    area: Area
    start: dt.datetime
    seed: int
    tuned: bool = True


def shared_sessions(settings: Demo) -> list[SharedSession]:
    """Return the demo's shared sessions: four an area, and one without tuning."""
    names = [(f"{area}_shared{n}", area) for area in AREAS for n in range(1, SHARED_AN_AREA + 1)]
    names.append(("untuned_shared", UNTUNED_AREA))
    return [
        SharedSession(
            name,
            SUBJECTS[day % len(SUBJECTS)],
            area,
            _FIRST_DAY + dt.timedelta(days=day),
            settings.seed + SEEDS_OF_RECORDINGS + day,
            tuned=name != "untuned_shared",
        )
        for day, (name, area) in enumerate(names)
    ]


def shared_settings(settings: Demo) -> Demo:
    """Return the settings of a shared session: fewer electrodes and more images than a recording."""
    return settings.model_copy(
        update={
            "n_electrodes": settings.shared_electrodes,
            "images_per_thread": settings.shared_images_per_thread,
        }
    )


def write_shared_session(
    path: str | PathLike[str],
    session: SharedSession,
    demo: Demo,
    packaging: Packaging,
    baseline_ms: tuple[int, int],
) -> None:
    """Simulate a session and write it as an NWB file, and beside it the truth, which only tests read.

    Parameters
    ----------
    path : path
        The ``.nwb`` file; ``truth/`` is written into its folder.
    session : SharedSession
    demo : Demo
        Size of the session.
    packaging : Packaging
        What is written into NWB files; by section `sorting` units are labelled.
    baseline_ms : tuple of int
        Baseline window, from image onset.
    """
    settings = shared_settings(demo)
    with threadpool_limits(1):  # sums must not depend on the number of threads
        evolved = run_evolution(session.area, settings, session.seed, session.tuned)
        people = populate(evolved, session.area, settings, preferred_channel(settings), session.seed)
    contents = shared_contents(session, evolved, people, settings, packaging.sorting, baseline_ms)
    write_nwb(path, contents, packaging)
    with atomic_write(Path(path).parent / "truth") as partial:
        truth.write_truth(partial, session.area, "shared", settings, session.seed, evolved, people)


def shared_contents(
    session: SharedSession,
    evolved: Evolved,
    people: Population,
    settings: Demo,
    sorting: Sorting,
    baseline_ms: tuple[int, int],
) -> SessionContents:
    """Return what the NWB file of a session holds.

    Units with their waveforms and quality, presentations, latents; of the
    images the references and of every block each thread's best and those nearly as good.
    """
    channels = _channels(session.area, settings)
    time_ms = np.arange(-BEFORE_MS, AFTER_MS, 1000 / RATE_HZ)
    noise_uv = dict.fromkeys(channels["channel"].tolist(), settings.noise_uv)
    recorded = RecordedTime([(0.0, evolved.rig.duration_s)])
    units, spikes, waveforms = describe(
        _trains(people, time_ms, settings.noise_uv), channels, noise_uv, recorded, time_ms, sorting
    )
    presentations = _presentations(evolved)
    preferred = preferred_channel(settings)
    # The preferred unit is by far the largest of its electrode.
    largest = units.loc[units["channel"] == preferred, "amplitude_uv"].idxmax()
    units["preferred"] = units.index == largest
    n_samples = int(evolved.rig.duration_s * RATE_HZ)
    segments = pd.DataFrame([("spikes", 0, 0.0, n_samples, RATE_HZ)], columns=SEGMENTS.names)
    return SessionContents(
        metadata=SessionMetadata(
            session.session,
            session.subject,
            f"{preferred}a",
            SPACES,
            identifier=f"{session.session}-{session.seed}",
            site=f"{session.subject}/{session.session}",  # each by another unit
        ),
        start=session.start,
        channels=channels,
        segments=tables.conform(segments, SEGMENTS),
        units=with_stability(units, spikes, presentations, baseline_ms),
        spikes=spikes,
        waveforms=waveforms,
        presentations=presentations,
        latents={(g.block, g.thread): (g.codes, list(g.names)) for g in evolved.history},
        images=dict(_kept_images(evolved)),
    )


def _channels(area: Area, settings: Demo) -> pd.DataFrame:
    places = demo_array_map(area, settings)
    frame = places.assign(
        name=[f"chan{channel}" for channel in places["channel"]],
        kind="neural",
        stream="spikes",
        sampling_rate_hz=RATE_HZ,
        gain_uv=np.nan,
    )
    return tables.conform(frame[CHANNELS.names], CHANNELS)


def _trains(people: Population, time_ms: np.ndarray, noise_uv: float) -> list[UnitSpikes]:
    """Return the units as a sorter of the other lab would have left them, each spike found."""
    trains = []
    units = people.units[["unit", "channel", "amplitude_uv"]]
    columns = (units[name].tolist() for name in units)
    for unit, channel, amplitude_uv, shape in zip(*columns, people.shapes, strict=True):
        own = people.spikes[people.spikes["unit"] == unit]
        mean_uv = amplitude_uv * shape(time_ms)
        sd_uv = np.hypot(noise_uv, SIZE_SD * mean_uv)
        sizes_uv = amplitude_uv * own["size"].to_numpy()
        trains.append(UnitSpikes("sorted", channel, own["time_s"].to_numpy(), sizes_uv, mean_uv, sd_uv))
    return trains


def _presentations(evolved: Evolved) -> pd.DataFrame:
    """Return `PRESENTATIONS`: onsets as the photodiode tells them."""
    log, onset_s = evolved.rig.log(), np.array(evolved.rig.onsets)
    frame = log.assign(
        repeat=log.groupby("image").cumcount(),
        log_s=log["onset_s"],
        word_s=onset_s,
        onset_s=onset_s,
        offset_s=evolved.rig.offsets,
        onset_source="photodiode",
        residual_ms=0.0,
        valid=True,
        reason="",
    )
    return tables.conform(frame[PRESENTATIONS.names], PRESENTATIONS)


NEARLY_HZ = 15.0  # two spikes in the evoked window of 150 ms


def _kept_images(evolved: Evolved) -> Sequence[tuple[str, np.ndarray]]:
    """Return references and the best images of each thread and block, by name, and those nearly as good.

    A spike at a window's edge counts in the loop or in the analysis: which image is best may change.
    """
    best = {
        name
        for generation in evolved.history
        for name, fitness in zip(generation.names, generation.fitness, strict=True)
        if fitness >= generation.fitness.max() - NEARLY_HZ
    }
    shown = {image.name: image for image in evolved.subject.shown}
    return [(name, image.pixels) for name, image in sorted(shown.items()) if image.reference or name in best]
