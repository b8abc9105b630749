"""What an NWB file holds, as lines of text."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evoalign.commands.inspect_spikes import Spiking, response_lines, unit_lines
from evoalign.commands.text import seconds, table
from evoalign.nwb.outline import Outline, outline_of, read_outline
from evoalign.study import Config

MOST_IMAGES = 5  # that are listed


def nwb_lines(path: Path, config: Config, unit: str) -> tuple[list[str], Spiking]:
    """Read an NWB file as the pipeline does and say what it holds.

    A file of this pipeline is read without pynwb, which takes seconds to start.

    Parameters
    ----------
    path : Path
        A file, or a ``.nwb.zarr`` folder, of this pipeline or of another tool.
    config : Config
        Names of tables and columns in files of other tools; window of the PSTH.
    unit : str
        Of the PSTH: channel and letter; '' = the preferred, else the busiest.

    Raises
    ------
    InputError
        As for `read_nwb`; or there is no such unit.
    """
    contents = read_outline(path) or _of_other_tool(path, config)
    valid = contents.presentations[contents.presentations["valid"].astype(bool)]
    onsets = valid["onset_s"].to_numpy(np.float64)
    duration_s = _duration_s(contents)
    spiking = Spiking(path.name, contents.units, contents.spikes, onsets, "image onset", duration_s)
    lines = [
        f"{path.name}: NWB, session {contents.session or 'without a name'}, "
        f"subject {contents.subject or 'unknown'}, started {contents.start.isoformat(' ', 'seconds')}",
        f"Duration: {seconds(duration_s)} from the first to the last sample, word, spike or image",
        *_streams(contents),
        *_channels(contents),
        *_words(contents),
        *unit_lines(spiking),
        *_presentations(contents),
        *_searches(contents),
        *response_lines(spiking, unit, config.figures.raster_ms, config.figures.raster_bin_ms),
    ]
    return lines, spiking


def _of_other_tool(path: Path, config: Config) -> Outline:
    from evoalign.nwb.read import read_nwb

    contents = read_nwb(path, config.nwb)
    return outline_of(contents, len(contents.images))


def _duration_s(contents: Outline) -> float:
    segments = contents.segments
    ends_s = segments["start_s"] + segments["n_samples"] / segments["sampling_rate_hz"]
    times = np.concatenate([
        segments["start_s"], ends_s, contents.words["time_s"], contents.spikes["time_s"],
        contents.presentations["onset_s"],
    ])  # fmt: skip
    times = times[np.isfinite(times)]
    return float(times.max() - times.min()) if len(times) else 0.0


def _streams(contents: Outline) -> list[str]:
    rows = [
        (str(stream), len(rows), f"{rows['sampling_rate_hz'].iloc[0]:g} Hz", int(rows["n_samples"].sum()))
        for stream, rows in contents.segments.groupby("stream", sort=False)
    ]
    return ["Recorded streams", *table(("stream", "segments", "rate", "samples"), rows)] if rows else []


def _channels(contents: Outline) -> list[str]:
    neural = contents.channels[contents.channels["kind"] == "neural"]
    areas = ", ".join(f"{area or 'area unknown'}: {n}" for area, n in neural["area"].value_counts().items())
    n_bad = int((contents.bad_channels["reason"] != "").sum())
    in_areas = f" ({areas})" if areas else ""
    return [f"Channels: {len(neural)} neural{in_areas}, {n_bad} left out"]


def _words(contents: Outline) -> list[str]:
    counts = contents.words["source"].value_counts()
    return [f"Event words: {', '.join(f'{n} {source}' for source, n in counts.items()) or 'none'}"]


def _searches(contents: Outline) -> list[str]:
    """What made each thread's images, and what proposed their latents, as far as the file tells."""
    rows = [
        (
            int(row["thread"]),
            str(row["space"]),
            int(row["latent_dim"]) if row["latent_dim"] > 0 else "unknown",
            str(row["optimiser"]) or "unknown",
            str(row["optimiser_settings"]),
        )
        for _, row in contents.generators.iterrows()
    ]
    return table(("thread", "space", "latents", "optimiser", "its settings"), rows) if rows else []


def _presentations(contents: Outline) -> list[str]:
    frame = contents.presentations
    if frame.empty:
        return ["Presentations: none"]
    reasons = frame.loc[~frame["valid"].astype(bool), "reason"].value_counts()
    blocks = frame.loc[frame["block"] >= 0, "block"]
    lines = [
        f"Presentations: {len(frame)} of {frame['image'].nunique()} images, "
        f"{int(frame['valid'].sum())} valid; {blocks.nunique() or 'no'} blocks; "
        f"{contents.n_images} images are in the file",
        *(f"  not valid: {n} ({reason})" for reason, n in reasons[:MOST_IMAGES].items()),
    ]
    rows = [
        (
            str(row["image"]),
            f"{row['onset_s']:.4f}",
            str(row["onset_source"]),
            int(row["block"]),
            int(row["thread"]),
        )
        for _, row in frame[:MOST_IMAGES].iterrows()
    ]
    return [*lines, *table(("image", "on (s)", "by", "block", "thread"), rows)]
