"""Encoding of sessions that are no evolution: features of images that a table gives.

Responses are means over an image's presentations, so that one image is one
independent observation: shuffling single presentations would call any
selectivity an encoding, as repeats of an image answer alike.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.analysis.encoding.design import Thread, Windows, window_rates
from evoalign.analysis.settings import AnalysisConfig
from evoalign.analysis.statistics.noise_ceiling import Ceiling, from_alternate_ms, from_repeats
from evoalign.nwb.latent_tables import NO_EVOLUTION
from evoalign.responses.session_responses import SessionResponses

Floats = NDArray[np.float64]
MIN_IMAGES = 10  # below, no folds within folds are worth a fit


def shows_features(responses: SessionResponses) -> bool:
    """Tell whether tables give features of a session's images, of a session without blocks and threads."""
    return any(block == NO_EVOLUTION for block, _ in responses.codes)


def features_config(config: AnalysisConfig) -> AnalysisConfig:
    """Settings of an encoding without blocks: folds by image alone."""
    schemes = {"schemes": ["image"], "permuted_schemes": ["image"]}
    return config.model_copy(update={"encoding": config.encoding.model_copy(update=schemes)})


def described(responses: SessionResponses) -> pd.DataFrame:
    """Valid presentations of images with features, in the order of display."""
    table = responses.presentations.reset_index(drop=True)
    table = table[table["valid"].astype(bool) & (table["latent_row"] >= 0)]
    return table.sort_values("onset_s", kind="stable") if "onset_s" in table else table


def feature_threads(responses: SessionResponses) -> list[Thread]:
    """One "thread" for each table of features.

    Returns
    -------
    list of Thread
        `rows` count images, in the order of their first presentation, as
        `image_means` does; all are of one block.
    """
    row_of = described(responses).drop_duplicates("image")
    n = len(row_of)
    return [
        Thread(
            number=number,
            space=responses.spaces[number] if number < len(responses.spaces) else "",
            latents=np.asarray(codes[0], np.float64)[row_of["latent_row"].to_numpy()],
            images=row_of["image"].to_numpy(dtype=str),
            blocks=np.zeros(n, np.int64),
            rows=np.arange(n),
        )
        for (_, number), codes in sorted(responses.codes.items())
    ]


def image_means(rates: Floats, responses: SessionResponses) -> Floats:
    """Mean rates by image.

    Parameters
    ----------
    rates : numpy.ndarray, float64 [unit, window, presentation]
    responses : SessionResponses

    Returns
    -------
    numpy.ndarray, float64 [unit, window, image]
        In the order of `feature_threads`.
    """
    valid_rows = described(responses)
    image, _ = pd.factorize(valid_rows["image"])
    member = np.zeros((len(valid_rows), image.max(initial=-1) + 1))
    member[np.arange(len(valid_rows)), image] = 1 / np.bincount(image)[image]
    return rates[:, :, valid_rows.index.to_numpy()] @ member


def ceiling_of_means(
    rates: Floats, values: NDArray, responses: SessionResponses, windows: Windows, config: AnalysisConfig
) -> Ceiling:
    """Noise ceiling of an image's mean response.

    That of one presentation, brought to the harmonic mean of the images'
    presentations by Spearman and Brown's formula; of images that were shown
    once from the halves of their milliseconds.

    Parameters
    ----------
    rates : numpy.ndarray, float64 [unit, window, presentation]
    values : numpy.ndarray [unit, presentation, ms]
        Spikes in each ms, of the same units.
    responses : SessionResponses
    windows : Windows
    config : AnalysisConfig
    """
    valid_rows, settings = described(responses), config.encoding
    how = (settings.crossover_bins, settings.interval)
    rows, images = valid_rows.index.to_numpy(), valid_rows["image"].to_numpy(dtype=str)
    repeats = valid_rows.groupby("image").size().to_numpy()
    if (repeats > 1).any():
        single, _ = from_repeats(rates[:, :, rows], images, *how)
        k = len(repeats) / (1 / repeats).sum()
        value, low, high = (
            k * part / (1 + (k - 1) * part) for part in (single.value, single.low, single.high)
        )
        return Ceiling(value, low, high, single.source)
    even, odd = (window_rates(values[:, rows], responses.start_ms, windows, 2, offset) for offset in (0, 1))
    return from_alternate_ms(even, odd, *how)
