"""Tests over recording sites, beside the study's over experiments: docs/methods.md section 3.

Several experiments of one site (animal, array, channel, unit) are driven by
one neuron or a few, and agree with each other more than with those of other
sites. A test that takes them for independent finds too much; one value a
site, the mean of its experiments, is independent again.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evoalign.analysis.statistics.tests import (
    Moments,
    Test,
    benjamini_hochberg,
    moments,
    one_sample_t,
    two_sample_t,
)

Floats = NDArray[np.float64]


def site_means(values: Floats, sites: NDArray[np.int64]) -> Floats:
    """Mean of each site's experiments.

    Parameters
    ----------
    values : numpy.ndarray, float64 [experiment, ...]
        NaN are left out.
    sites : numpy.ndarray, int64 [experiment]
        Site of each experiment, counted from 0.

    Returns
    -------
    numpy.ndarray, float64 [site, ...]
        NaN where no experiment of the site has a value.
    """
    flat = values.reshape(len(values), math.prod(values.shape[1:]))
    member = np.zeros((int(sites.max(initial=-1)) + 1, len(values)))
    member[sites, np.arange(len(values))] = 1.0
    present = ~np.isnan(flat)
    with np.errstate(invalid="ignore"):
        means = (member @ np.where(present, flat, 0.0)) / (member @ present.astype(np.float64))
    return np.asarray(means.reshape(len(member), *values.shape[1:]))


def paired_over_sites(
    differences: Floats, sites: NDArray[np.int64], *, family: bool = False
) -> dict[str, Any]:
    """Test the sites' mean differences against 0: the paired t-test over site means.

    Parameters
    ----------
    differences : numpy.ndarray, float64 [experiment, ...]
        Of one experiment's two values; NaN where either is missing.
    sites : numpy.ndarray, int64 [experiment]
    family : bool
        Adjust p along the last axis, Benjamini and Hochberg.

    Returns
    -------
    dict of str to numpy.ndarray [...]
        ``n_sites``, ``t_site``, ``df_site``, ``p_site`` and on request ``q_site``.
    """
    moments = _moments(site_means(differences, sites))
    return {"n_sites": _counts(moments), **_columns(one_sample_t(moments), family)}


def unpaired_over_sites(
    first: tuple[Floats, NDArray[np.int64]], second: tuple[Floats, NDArray[np.int64]], *, family: bool = False
) -> dict[str, Any]:
    """Two-sample t-test, equal variances, of the site means of two groups of experiments.

    Parameters
    ----------
    first, second : (values [experiment, ...], sites int64 [experiment])
    family : bool
        As for `paired_over_sites`.

    Returns
    -------
    dict of str to numpy.ndarray [...]
        ``n_sites_1``, ``n_sites_2``, ``t_site``, ``df_site``, ``p_site`` and
        on request ``q_site``.
    """
    first_moments, second_moments = (_moments(site_means(*group)) for group in (first, second))
    counts = {"n_sites_1": _counts(first_moments), "n_sites_2": _counts(second_moments)}
    return counts | _columns(two_sample_t(first_moments, second_moments), family)


def _moments(means: Floats) -> Moments:
    return moments(torch.from_numpy(np.moveaxis(means, 0, -1).copy()))


def _counts(found: Moments) -> NDArray[np.int64]:
    return found.n.numpy().astype(np.int64)


def _columns(test: Test, family: bool) -> dict[str, Floats]:
    columns = {"t_site": test.t, "df_site": test.df, "p_site": test.p}
    return columns | ({"q_site": benjamini_hochberg(test.p)} if family else {})
