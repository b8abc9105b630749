"""Statistics of evolved images: what an evolution changed in them. docs/methods.md section 8."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from evoalign.analysis.statistics.tests import benjamini_hochberg
from evoalign.nwb.contents import SessionContents

Floats = NDArray[np.float64]
BLANK = 1e-9  # sum of squared deviations of an image that does not vary, but for rounding


def image_statistics(pixels: NDArray[np.uint8]) -> dict[str, Floats]:
    """Statistics of images, each ``[n]``.

    Parameters
    ----------
    pixels : numpy.ndarray, uint8 ``[n, H, W, 3]``

    Returns
    -------
    dict of str to numpy.ndarray
        contrast : standard deviation of luminance (mean of the colours, 0..1).
        slope : of log amplitude on log spatial frequency, up to half of the highest.
        saturation : mean over places of the largest minus the smallest colour.
        centre : share of the variance of luminance in the central quarter of the area;
            0.25 where all places are alike. NaN for a blank image.
    """
    images = pixels.astype(np.float64) / 255
    luminance = images.mean(-1)
    deviation = luminance - luminance.mean((1, 2), keepdims=True)
    square = deviation**2
    height, width = luminance.shape[1:]
    middle = square[:, height // 4 : height - height // 4, width // 4 : width - width // 4]
    total = square.sum((1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = middle.sum((1, 2)) / np.where(total > BLANK, total, np.nan)
    return {
        "contrast": luminance.std((1, 2)),
        "slope": _slopes(deviation),
        "saturation": (images.max(-1) - images.min(-1)).mean((1, 2)),
        "centre": centre,
    }


def _slopes(deviation: Floats) -> Floats:
    height, width = deviation.shape[1:]
    amplitude = np.abs(np.fft.fft2(deviation))
    radius = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.fftfreq(width) * width)
    rings = np.arange(1, min(height, width) // 4)
    log_rings = np.log(rings)
    slopes = np.full(len(deviation), np.nan)
    for row, spectrum in enumerate(amplitude):
        means = np.array([spectrum[(radius >= r - 0.5) & (radius < r + 0.5)].mean() for r in rings])
        if (means > 0).all():
            slopes[row] = np.polyfit(log_rings, np.log(means), 1)[0]
    return slopes


def evolved_images(contents: SessionContents) -> pd.DataFrame:
    """Mean statistics of the images of each thread's first and last block.

    Returns
    -------
    pandas.DataFrame
        `INSILICO_IMAGES`, without `network` and `layer`.
    """
    presentations = contents.presentations
    generated = presentations[~presentations["reference"].astype(bool)]
    rows = []
    for thread in sorted(generated["thread"].unique().tolist()):
        of_thread = generated[generated["thread"] == thread]
        for when, block in (("first", of_thread["block"].min()), ("last", of_thread["block"].max())):
            names = of_thread.loc[of_thread["block"] == block, "image"]
            values = image_statistics(np.stack([contents.images[name] for name in names]))
            rows += [
                {
                    "session": contents.session,
                    "thread": thread,
                    "space": str(of_thread["space"].iloc[0]),
                    "when": when,
                    "statistic": name,
                    "value": float(np.nanmean(of_images)),
                }
                for name, of_images in values.items()
            ]
    return pd.DataFrame(rows)


def image_changes(images: pd.DataFrame, labels: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Change from first to last block over the sessions of a layer: paired t-tests.

    Parameters
    ----------
    images : pandas.DataFrame
        `INSILICO_IMAGES`.
    labels : mapping of str to str, optional
        Statistics to take; all when left out.

    Returns
    -------
    pandas.DataFrame
        `INSILICO_IMAGE_CHANGES`; q over all rows of a network.
    """
    keys = ["network", "layer", "space", "statistic"]
    wide = images.pivot_table(index=[*keys, "session"], columns="when", values="value", observed=True)
    rows = []
    for key, of_layer in wide.groupby(keys, sort=True, observed=True):
        if labels and key[3] not in labels:
            continue
        change = (of_layer["last"] - of_layer["first"]).to_numpy()
        n = int(np.isfinite(change).sum())
        p = float(stats.ttest_1samp(change, 0, nan_policy="omit").pvalue) if n > 1 else np.nan
        half = stats.t.ppf(0.975, n - 1) * np.nanstd(change, ddof=1) / np.sqrt(n) if n > 1 else np.nan
        mean = float(np.nanmean(change))
        values = {"n": n, "first": of_layer["first"].mean(), "last": of_layer["last"].mean(), "change": mean}
        interval = {"low": mean - half, "high": mean + half, "p": p}
        rows.append(dict(zip(keys, key, strict=True)) | values | interval)
    changes = pd.DataFrame(rows)
    changes["q"] = changes.groupby("network")["p"].transform(lambda p: benjamini_hochberg(p.to_numpy()))
    return changes
