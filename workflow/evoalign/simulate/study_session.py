"""One experiment of the simulated study, without voltages: responses, or what an NWB file holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign import tables
from evoalign.events.tables import PRESENTATIONS
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.recordings.tables import CHANNELS, SEGMENTS
from evoalign.responses.session_responses import SessionResponses
from evoalign.simulate.study_design import ExperimentDesign
from evoalign.simulate.study_rates import IMAGE_SD, Floats, Truth, draw_truth
from evoalign.sorting.tables import SPIKES, UNITS

LATENT_DIMS = (16, 8)  # few: the study's test bed is its statistics, not its latents
FIRST_ONSET_S, SPACING_S, ON_S = 5.0, 0.4, 0.1
PER_TRIAL = 4
N_CHANNELS = 64
RATE_HZ = 40_000.0


def presentations_of(design: ExperimentDesign) -> pd.DataFrame:
    """Return what was shown: blocks of both threads' images in random order (`PRESENTATIONS`)."""
    rng = np.random.default_rng([design.seed, 2])
    rows_shown = []
    for block in range(1, design.n_blocks + 1):
        rows = []
        for thread in (0, 1):
            n = design.founders[thread] if block == 1 else design.images[thread]
            n = min(n, design.last_images) if block == design.n_blocks else n
            names = [f"block{block:03d}_thread{thread:03d}_gen_gen{block - 1:03d}_{i:06d}" for i in range(n)]
            rows += [(name, block, thread, i, False) for i, name in enumerate(names)]
            natural = [f"scene{i:02d}_thread{thread:03d}_nat" for i in range(design.references)]
            rows += [(name, block, thread, -1, True) for name in natural]
        rows_shown += [rows[index] for index in rng.permutation(len(rows))]
    frame = pd.DataFrame(rows_shown, columns=["image", "block", "thread", "latent_row", "reference"])
    n = len(frame)
    onset = FIRST_ONSET_S + SPACING_S * np.arange(n)
    word_lost = rng.random(n) < design.dropout
    frame = frame.assign(
        presentation=np.arange(n),
        trial=np.arange(n) // PER_TRIAL + 1,
        space=np.asarray(design.spaces)[frame["thread"]],
        repeat=frame.groupby("image").cumcount(),
        onset_s=onset,
        offset_s=onset + ON_S,
        onset_source=np.where(word_lost, "log", "photodiode"),
        word_s=np.where(word_lost, np.nan, onset - 0.03),
        log_s=onset,
        residual_ms=np.where(word_lost, np.nan, 0.0),
        valid=~word_lost,
        reason=np.where(word_lost, "no word", ""),
    )
    return tables.conform(frame, PRESENTATIONS)


def latents_of(
    design: ExperimentDesign, presentations: pd.DataFrame
) -> dict[tuple[int, int], tuple[Floats, list[str]]]:
    """Return latents, ``[image, latent]``, and image names of each block and thread.

    The first latent scales the response to the image.
    """
    rng = np.random.default_rng([design.seed, 3])
    generated = presentations[~presentations["reference"]].sort_values(["block", "thread", "latent_row"])
    latents = {}
    pairs = generated[["block", "thread"]].drop_duplicates()
    for block, thread in zip(pairs["block"].tolist(), pairs["thread"].tolist(), strict=True):
        rows = generated[(generated["block"] == block) & (generated["thread"] == thread)]
        codes = rng.standard_normal((len(rows), LATENT_DIMS[thread]))
        latents[block, thread] = (codes, rows["image"].tolist())
    return latents


def draw_counts(
    design: ExperimentDesign,
    truth: Truth,
    presentations: pd.DataFrame,
    latents: dict[tuple[int, int], tuple[Floats, list[str]]],
) -> NDArray[np.uint16]:
    """Poisson counts of the preferred unit in 1 ms bins, uint16 [presentation, ms]."""
    rng = np.random.default_rng([design.seed, 4])
    block, thread, row = (presentations[name].to_numpy() for name in ("block", "thread", "latent_row"))
    natural = presentations["reference"].to_numpy(dtype=bool)
    rates = truth.rates[thread, block - 1]
    rates[natural] = truth.reference
    # exp(s z - s^2 / 2) has mean 1, so the block means stay the planted ones.
    gain = np.ones(len(presentations))
    for key, (codes, _) in latents.items():
        of_images = (block == key[0]) & (thread == key[1]) & ~natural
        gain[of_images] = np.exp(IMAGE_SD * codes[row[of_images], 0] - IMAGE_SD**2 / 2)
    evoked = (rates - truth.baseline) * gain[:, None]
    drawn = rng.poisson((truth.baseline + evoked) / 1000)
    return np.asarray(drawn, dtype=np.uint16)


def simulate_responses(
    design: ExperimentDesign, start_ms: int, stop_ms: int, null: bool = False
) -> SessionResponses:
    """Simulate the responses of an experiment's preferred unit.

    Parameters
    ----------
    design : ExperimentDesign
    start_ms, stop_ms : int
        Range of the counts, from image onset: section ``responses``.
    null : bool
        As in `draw_truth`.
    """
    presentations = presentations_of(design)
    latents = latents_of(design, presentations)
    truth = draw_truth(design, start_ms, stop_ms, null)
    counts = draw_counts(design, truth, presentations, latents)
    units = study_units(design.channel, design.area, int(counts.sum()), len(presentations))
    session_names = (design.session, design.subject, design.area)
    return SessionResponses(
        counts[None], start_ms, units, presentations, *session_names, latents, site=design.site
    )


def simulate_contents(
    design: ExperimentDesign, start_ms: int, stop_ms: int, null: bool = False
) -> SessionContents:
    """Simulate what the NWB file of an experiment holds; read back it gives `simulate_responses`."""
    responses = simulate_responses(design, start_ms, stop_ms, null)
    presentations = responses.presentations
    times = spike_times(responses, np.random.default_rng([design.seed, 5]))
    return SessionContents(
        metadata=SessionMetadata(
            design.session,
            design.subject,
            design.preferred,
            design.spaces,
            unstable_baseline=design.unstable,
            site=design.site,
            identifier=f"{design.session}-{design.seed}",
        ),
        start=design.start,
        channels=study_channels(),
        segments=study_segments(presentations),
        units=responses.units,
        spikes=tables.conform(pd.DataFrame({"unit": 0, "time_s": times}), SPIKES),
        presentations=presentations,
        latents=responses.codes,
    )


def spike_times(responses: SessionResponses, rng: np.random.Generator) -> Floats:
    """Return spike times of the first unit that give its counts, s; float64 ``[spike]``, rising."""
    counts, presentations = responses.counts[0], responses.presentations
    row, ms = np.nonzero(counts)
    n_spikes = counts[row, ms]
    row, ms = np.repeat(row, n_spikes), np.repeat(ms, n_spikes)
    # Clear of the bin's edges, so that rounding in the file moves no spike to another bin.
    inside = rng.uniform(0.05, 0.95, len(row))
    return np.sort(presentations["onset_s"].to_numpy()[row] + (ms + responses.start_ms + inside) / 1000)


def study_units(channel: int, area: str, n_spikes: int, n_shown: int) -> pd.DataFrame:
    """Return `UNITS` of a session that holds its preferred unit alone."""
    nan = float("nan")
    seconds = FIRST_ONSET_S + SPACING_S * n_shown
    row = {
        "unit": 0,
        "kind": "sorted",
        "channel": channel,
        "vendor_unit": -1,
        "area": area,
        "n_spikes": n_spikes,
        "rate_hz": n_spikes / seconds,
        "amplitude_uv": nan,
        "snr": nan,
        "isi_violations_ratio": nan,
        "presence_ratio": nan,
        "amplitude_cutoff": nan,
        "label": "good",
        "preferred": True,
        "preferred_agreement": nan,
        "baseline_hz": nan,
        "baseline_drift": nan,
        "baseline_p": nan,
    }
    return tables.conform(pd.DataFrame([row]), UNITS)


def study_channels() -> pd.DataFrame:
    """Return `CHANNELS` of the study's 64 channels, without positions."""
    nan = float("nan")
    rows = [
        (c, f"chan{c}", "neural", "spikes", RATE_HZ, nan, "", "", _area_of(c), nan, nan)
        for c in range(1, N_CHANNELS + 1)
    ]
    frame = pd.DataFrame(rows, columns=CHANNELS.names)
    return tables.conform(frame, CHANNELS)


def study_segments(presentations: pd.DataFrame) -> pd.DataFrame:
    """Return `SEGMENTS` of a recording that ends with the last of the presentations."""
    n_samples = int((presentations["onset_s"].iloc[-1] + SPACING_S) * RATE_HZ)
    frame = pd.DataFrame([("spikes", 0, 0.0, n_samples, RATE_HZ)], columns=SEGMENTS.names)
    return tables.conform(frame, SEGMENTS)


def _area_of(channel: int) -> str:
    return "IT" if channel <= 32 else "V1" if channel <= 48 else "V4"
