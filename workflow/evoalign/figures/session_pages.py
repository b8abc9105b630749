"""Which figures a session gets, from its NWB file and its tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.analysis.session.results import SessionResults
from evoalign.events.recorded_images import most_frequent_word
from evoalign.figures import alignment, evolved_images, paired_evolution, quality, raster, reference_responses
from evoalign.figures.captions import FigureSettings
from evoalign.figures.panels import Tables
from evoalign.figures.sets import (
    FEATURE_FIGURES,
    IMAGE_FIGURES,
    SESSION_FIGURES,
    TUNING_FIGURES,
    Drawn,
    draw_all,
)
from evoalign.figures.settings import Figures
from evoalign.nwb.contents import SessionContents
from evoalign.nwb.envelope import envelope_units
from evoalign.sorting.settings import Sorting


def draw_session(
    contents: SessionContents,
    results: SessionResults,
    settings: FigureSettings,
    sorting: Sorting,
    figures: Figures | None = None,
) -> Iterator[Drawn]:
    """Draw what a session's content allows, one figure at a time.

    Parameters
    ----------
    contents : SessionContents
        Read from NWB.
    results : SessionResults
        Of `analyse_session` and `encode_session`; empty for a session without
        presentations.
    settings : FigureSettings
        Settings that the tables were made with; `analysis` is that of the
        evolution's dataset where there is one.
    sorting : Sorting
        What the quality page marks: refractory period, limits of stability.
    figures : Figures, optional
        Window and bins of the rasters.

    Yields
    ------
    Drawn
        Always ``quality`` and ``raster``; ``alignment`` with an alignment
        report; ``paired_evolution`` and SESSION_FIGURES with tables of an
        evolution, ``evolved_images`` where the file holds these,
        ``reference_responses`` where natural references were shown;
        TUNING_FIGURES with those of a tuning session; IMAGE_FIGURES with
        those of a session of images that is neither, and FEATURE_FIGURES where
        features of these were given.
    """
    if len(contents.alignment):
        presentations = contents.presentations, contents.alignment
        yield Drawn("alignment", *alignment.draw_alignment(*presentations), alignment.caption(*presentations))
    parts = (
        contents.units,
        contents.spikes,
        contents.waveforms,
        contents.channels,
        contents.bad_channels,
        contents.artefacts,
    )
    page = quality.draw_quality(*parts, sorting, title=contents.session, segments=contents.segments)
    yield Drawn(
        "quality", *page, quality.caption(contents.units, contents.waveforms, contents.bad_channels, sorting)
    )
    times, event = _events(contents)
    drawn = raster.draw_raster(
        contents.spikes, contents.units, times, figures, title=contents.session, event=event or "event"
    )
    yield Drawn("raster", *drawn, raster.caption(0 if times is None else len(times), event, figures))
    tables = results | {"unit": _analysed(contents, results)}
    settings = replace(settings, analysis=results.analysis(settings.analysis))
    if "tuning_axes" in tables:
        yield from draw_all(tables, settings, TUNING_FIGURES)
    if "selectivity" in tables:
        yield from draw_all(tables, settings, IMAGE_FIGURES)
        if len(tables.get("encoding", ())):
            yield from draw_all(tables, settings, FEATURE_FIGURES)
    if "experiments" in tables:
        prototypes = _prototypes(contents, tables["experiments"].iloc[0])
        page = paired_evolution.draw_paired_evolution(tables, prototypes)
        yield Drawn("paired_evolution", *page, paired_evolution.caption(tables, settings))
        if len(evolved_images.shown_blocks(tables["block_images"], contents.images)):
            strip = evolved_images.draw_evolved_images(tables, contents.images)
            yield Drawn("evolved_images", *strip, evolved_images.caption(tables, settings, contents.images))
        if len(tables["reference_images"]):
            natural = reference_responses.draw_reference_responses(tables, settings, contents.images)
            yield Drawn("reference_responses", *natural, reference_responses.caption(tables, settings))
        yield from draw_all(tables, settings, SESSION_FIGURES)


def _analysed(contents: SessionContents, tables: Tables) -> pd.DataFrame:
    """Row of `UNITS` of the unit that was analysed; none of a session that was not."""
    units = pd.concat([contents.units, envelope_units(contents)], ignore_index=True)
    named = [tables[name]["unit"] for name in ("experiments", "tuning_axes", "image_psth") if name in tables]
    return units[units["unit"].isin(pd.concat(named) if named else [])]


def _prototypes(contents: SessionContents, experiment: pd.Series) -> dict[int, NDArray[np.uint8]]:
    """Best image of each thread, of those that the file holds."""
    names = {thread: str(experiment[f"best_image_{thread}"]) for thread in (0, 1)}
    return {thread: contents.images[name] for thread, name in names.items() if name in contents.images}


def _events(contents: SessionContents) -> tuple[NDArray[np.float64] | None, str]:
    """Onsets of valid presentations; without any, the most frequent event word."""
    presentations = contents.presentations
    onsets = presentations.loc[presentations["valid"].astype(bool), "onset_s"].to_numpy(dtype=np.float64)
    if len(onsets):
        return onsets, "image onset"
    centre = most_frequent_word(contents.words)
    return (None, "") if centre is None else (centre[1], f"word {centre[0]}")
