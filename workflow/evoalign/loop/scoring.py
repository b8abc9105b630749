"""Evoked rates of a block, by the same functions as those of a finished session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign import tables
from evoalign.analysis.preferred import mean_rates
from evoalign.analysis.settings import Analysis
from evoalign.events.align import align
from evoalign.events.photodiode import Photodiode
from evoalign.events.settings import Events
from evoalign.events.tables import LOG
from evoalign.loop.interfaces import Presentation
from evoalign.responses.session_responses import count_spikes
from evoalign.responses.settings import Responses

Floats = NDArray[np.float64]

LEAST_MATCHED = 0.5  # share of the presentations of the last blocks that have a word


class Scores(NamedTuple):
    """Rates of presentations, spikes/s ``[presentation]``; NaN where one cannot be analysed.

    Attributes
    ----------
    evoked_hz, baseline_hz : ndarray
        In the evoked window, and before the answer.
    """

    evoked_hz: Floats
    baseline_hz: Floats


@dataclass(frozen=True)
class Scorer:
    """Time-locks presentations and gives the preferred unit's evoked rate (docs/methods.md section 2).

    Attributes
    ----------
    events, responses, analysis : Events, Responses, Analysis
        Of the study.
    channel, unit : int
        The online unit that drives the evolution: vendor's channel, 1 = a, 2 = b, ..
    """

    events: Events
    responses: Responses
    analysis: Analysis
    channel: int
    unit: int

    def score(
        self,
        log: pd.DataFrame,
        words: pd.DataFrame,
        spikes: pd.DataFrame,
        photodiode: Photodiode | None = None,
        segments: pd.DataFrame | None = None,
    ) -> Floats:
        """Return the evoked rate in each presentation, spikes/s; NaN where it cannot be analysed.

        Parameters and errors are those of `windows`.
        """
        return self.windows(log, words, spikes, photodiode, segments).evoked_hz

    def windows(
        self,
        log: pd.DataFrame,
        words: pd.DataFrame,
        spikes: pd.DataFrame,
        photodiode: Photodiode | None = None,
        segments: pd.DataFrame | None = None,
    ) -> Scores:
        """Return the rates in each presentation, evoked and before the answer.

        Parameters
        ----------
        log : pandas.DataFrame
            `LOG`.
        words : pandas.DataFrame
            `WORDS`, in the order of time.
        spikes : pandas.DataFrame
            `ONLINE_SPIKES`.
        photodiode : Photodiode, optional
        segments : pandas.DataFrame, optional
            `SEGMENTS`.

        Raises
        ------
        InputError
            See `align`.
        """
        # Of a few blocks, the share that is lost says little: each presentation is judged by itself,
        # and the finished session as a whole when it goes through the pipeline.
        events = self.events.model_copy(update={"min_matched": min(self.events.min_matched, LEAST_MATCHED)})
        presentations = align(log, words, events, photodiode, segments=segments).presentations
        is_unit = (spikes["channel"] == self.channel) & (spikes["unit"] == self.unit)
        of_unit = pd.DataFrame({"unit": 0, "time_s": spikes.loc[is_unit, "time_s"]})
        counts = count_spikes(
            of_unit,
            [0],
            presentations["onset_s"].to_numpy(np.float64),
            self.responses.start_ms,
            self.responses.stop_ms,
        )[0]
        analysis = self.analysis
        windows_ms = analysis.evoked_ms, analysis.baseline_ms
        rates = mean_rates(counts, self.responses.start_ms, analysis, *windows_ms)
        is_valid = presentations["valid"].to_numpy(bool)
        return Scores(*(np.where(is_valid, rate, np.nan) for rate in rates))


def log_of(presentations: Sequence[Presentation], images: pd.DataFrame) -> pd.DataFrame:
    """Return the stimulus log of presentations, `LOG`.

    Parameters
    ----------
    presentations : sequence of Presentation
    images : pandas.DataFrame
        Indexed by image name: thread, space, latent_row, reference.
    """
    if not presentations:
        return tables.empty(LOG)
    names = [presentation.name for presentation in presentations]
    frame = images.loc[names, ["thread", "space", "latent_row", "reference"]].reset_index(drop=True)
    frame["image"] = names
    for field in ("block", "trial", "onset_word", "offset_word", "onset_s"):
        frame[field] = [getattr(presentation, field) for presentation in presentations]
    frame["offset_s"] = np.array([presentation.offset_s for presentation in presentations], np.float64)
    return tables.conform(frame.assign(presentation=np.arange(len(frame)), reason=""), LOG)
