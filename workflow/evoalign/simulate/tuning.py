"""Hessian tuning sessions as NWB files whose tuning is known (docs/methods.md section 7)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from os import PathLike

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign import tables
from evoalign.events.tables import PRESENTATIONS
from evoalign.files import atomic_write
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.nwb.settings import Packaging
from evoalign.nwb.write import write_nwb
from evoalign.responses.session_responses import SessionResponses
from evoalign.responses.settings import Responses
from evoalign.simulate.demo import demo_sessions, preferred_channel
from evoalign.simulate.settings import Demo
from evoalign.simulate.study_design import ExperimentDesign
from evoalign.simulate.study_session import (
    FIRST_ONSET_S,
    ON_S,
    PER_TRIAL,
    SPACING_S,
    spike_times,
    study_channels,
    study_segments,
    study_units,
)
from evoalign.sorting.tables import SPIKES

Floats = NDArray[np.float64]

# As the study samples them (docs/methods.md section 7).
AXES = {"class": (0, 1, 2, 3, 6, 9, 13, 21, 30, 60), "noise": (0, 1, 2, 3, 5, 8, 10, 20, 40)}
DISTANCES = (-0.40, -0.32, -0.24, -0.16, 0.16, 0.24, 0.32, 0.40)
KINDS = ("centred", "shifted", "rising", "falling", "flat")
BASELINE_HZ = 8.0
DRIVE_MS = (40, 215)  # more than the evoked window on either side, so that smoothing keeps its mean
DEMO_SEED = 8  # beside the evolutions' seeds; its axes are of every kind
WIDTH = 0.25  # standard deviation of a bell, in units of distance
FOLLOWED_DAYS = 0.2  # a tuning session starts some hours after its evolution


@dataclass(frozen=True)
class TuningDesign:
    """A tuning session, known before it is simulated.

    Attributes
    ----------
    session, subject, area, preferred : str
        As in the sample sheet.
    channel : int
        Of the preferred unit.
    start : datetime.datetime
    seed : int
    follows : str
        Session of the evolution before; '' without one.
    succeeds : bool
        That evolution succeeds: tuned axes are then bells around the origin
        more often.
    repeats : int
        Presentations of each image; the origin is shown four times as often.
    origin_hz, depth_hz : float
        Rate at the origin, and how far a tuned axis changes it.
    axes : mapping of 'class' and 'noise' to tuple of int
        Numbers of the eigenvectors.
    """

    session: str
    subject: str
    area: str
    preferred: str
    channel: int
    start: dt.datetime
    seed: int
    follows: str = ""
    succeeds: bool = True
    repeats: int = 10
    origin_hz: float = 60.0
    depth_hz: float = 50.0

    @property
    def axes(self) -> list[tuple[str, int]]:
        """Subspace and number of each eigenvector."""
        return [(subspace, axis) for subspace, numbers in AXES.items() for axis in numbers]


def planted_kinds(design: TuningDesign) -> pd.DataFrame:
    """Return the planted shape of each axis: columns subspace, axis, kind, peak.

    After success half of the axes are bells with their peak at the origin, for
    evolution has found a maximum; after failure most rise or fall.
    """
    rng = np.random.default_rng([design.seed, 11])
    weights = (0.5, 0.1, 0.1, 0.1, 0.2) if design.succeeds else (0.1, 0.15, 0.25, 0.25, 0.25)
    kinds = rng.choice(KINDS, size=len(design.axes), p=weights)
    shifts = rng.choice((-0.24, 0.24), size=len(design.axes))
    peaks = {"centred": 0.0, "rising": 0.4, "falling": -0.4, "flat": np.nan}
    rows = [
        (*axis, str(kind), float(shift) if kind == "shifted" else peaks[str(kind)])
        for axis, kind, shift in zip(design.axes, kinds, shifts, strict=True)
    ]
    return pd.DataFrame(rows, columns=["subspace", "axis", "kind", "peak"])


def planted_rate(kind: str, peak: float, distance: Floats, design: TuningDesign) -> Floats:
    """Return evoked rates, spikes/s, at distances ``[distance]`` on an axis; all axes meet at the origin."""
    if kind == "flat":
        return np.full_like(distance, design.origin_hz)
    if kind in ("rising", "falling"):
        return design.origin_hz + design.depth_hz * distance / peak
    bell = np.exp(-0.5 * ((distance - peak) / WIDTH) ** 2)
    at_origin = np.exp(-0.5 * (peak / WIDTH) ** 2)
    return np.asarray(design.origin_hz + design.depth_hz * (bell - at_origin), dtype=np.float64)


def shown_images(design: TuningDesign) -> pd.DataFrame:
    """Return what was shown, in random order (`PRESENTATIONS`), and the rate of each.

    Columns of the contract, then ``rate_hz``.
    """
    images = [("class_eig0_lin0.00", design.origin_hz)] * 4
    for row in planted_kinds(design).itertuples():
        rates = planted_rate(str(row.kind), float(row.peak), np.array(DISTANCES), design)  # type: ignore[arg-type]
        images += [
            (f"{row.subspace}_eig{row.axis}_lin{at:.2f}", float(rate))
            for at, rate in zip(DISTANCES, rates, strict=True)
        ]
    rng = np.random.default_rng([design.seed, 12])
    order = np.concatenate([rng.permutation(len(images)) for _ in range(design.repeats)])
    frame = pd.DataFrame([images[index] for index in order], columns=["image", "rate_hz"])
    n = len(frame)
    onset = FIRST_ONSET_S + SPACING_S * np.arange(n)
    return frame.assign(
        presentation=np.arange(n),
        trial=np.arange(n) // PER_TRIAL + 1,
        block=-1,
        thread=-1,
        space="",
        latent_row=-1,
        reference=False,
        repeat=frame.groupby("image").cumcount(),
        onset_s=onset,
        offset_s=onset + ON_S,
        onset_source="photodiode",
        word_s=onset - 0.03,
        log_s=onset,
        residual_ms=0.0,
        valid=True,
        reason="",
    )[[*PRESENTATIONS.names, "rate_hz"]]


def simulate_tuning_responses(design: TuningDesign, start_ms: int, stop_ms: int) -> SessionResponses:
    """Simulate the responses of a tuning session's preferred unit: Poisson counts in 1 ms bins.

    Parameters
    ----------
    design : TuningDesign
    start_ms, stop_ms : int
        Range of the counts, from image onset: section ``responses``.
    """
    frame = shown_images(design)
    evoked = frame.pop("rate_hz").to_numpy()
    time = np.arange(start_ms, stop_ms)
    driven = (time >= DRIVE_MS[0]) & (time < DRIVE_MS[1])
    rates = np.where(driven, np.clip(evoked, 0, None)[:, None], BASELINE_HZ)
    counts = np.random.default_rng([design.seed, 13]).poisson(rates / 1000).astype(np.uint16)
    presentations = tables.conform(frame, PRESENTATIONS)
    units = study_units(design.channel, design.area, int(counts.sum()), len(presentations))
    return SessionResponses(
        counts[None], start_ms, units, presentations, design.session, design.subject, design.area, {}
    )


def simulate_tuning_contents(design: TuningDesign, start_ms: int, stop_ms: int) -> SessionContents:
    """Simulate what the NWB file of a tuning session holds; read back it gives its responses."""
    responses = simulate_tuning_responses(design, start_ms, stop_ms)
    times = spike_times(responses, np.random.default_rng([design.seed, 14]))
    return SessionContents(
        metadata=SessionMetadata(
            design.session,
            design.subject,
            design.preferred,
            identifier=f"{design.session}-{design.seed}",
        ),
        start=design.start,
        channels=study_channels(),
        segments=study_segments(responses.presentations),
        units=responses.units,
        spikes=tables.conform(pd.DataFrame({"unit": 0, "time_s": times}), SPIKES),
        presentations=responses.presentations,
    )


def after_evolution(design: ExperimentDesign, repeats: int = 10) -> TuningDesign:
    """Return the tuning session that follows an evolution of the simulated study."""
    return TuningDesign(
        session=f"{design.session}_tuning",
        subject=design.subject,
        area=design.area,
        preferred=design.preferred,
        channel=design.channel,
        start=design.start + dt.timedelta(days=FOLLOWED_DAYS),
        seed=design.seed,
        follows=design.session,
        succeeds=bool(design.rises[1]),
        repeats=repeats,
    )


def demo_tuning(settings: Demo) -> TuningDesign:
    """Return the demo's tuning session, which follows the evolution of IT_blackrock."""
    (evolved,) = (
        session
        for session in demo_sessions(settings)
        if (session.area, session.vendor) == ("IT", "blackrock")
    )
    return TuningDesign(
        session="IT_tuning",
        subject="Demo-B",
        area=evolved.area,
        preferred=evolved.preferred,
        channel=preferred_channel(settings),
        start=evolved.start + dt.timedelta(days=FOLLOWED_DAYS),
        seed=settings.seed + DEMO_SEED,
        follows="IT_blackrock",
    )


def write_tuning_session(
    path: str | PathLike[str],
    truth: str | PathLike[str],
    design: TuningDesign,
    config: Packaging,
    responses: Responses | None = None,
) -> None:
    """Write a tuning session as an NWB file, and beside it what was planted, which no rule reads.

    Parameters
    ----------
    path : path
        The ``.nwb`` file.
    truth : path
        A ``.tsv`` of `planted_kinds`.
    design : TuningDesign
    config : Packaging
    responses : Responses, optional
        The range of the counts, over which responses are simulated; the default's when not given.
    """
    counts = responses or Responses()
    span = (counts.start_ms, counts.stop_ms)
    write_nwb(path, simulate_tuning_contents(design, *span), config)
    with atomic_write(truth) as partial:
        planted_kinds(design).to_csv(partial, sep="\t", index=False, lineterminator="\n")
