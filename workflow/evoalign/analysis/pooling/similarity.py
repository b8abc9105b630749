"""Do prototypes that look alike drive the unit alike: docs/methods.md section 5 (Fig. 3G)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from evoalign import tables
from evoalign.analysis.experiment import by_kind
from evoalign.analysis.levels import CORRELATION_LEVEL
from evoalign.analysis.pooling.pairings import pair_prototypes
from evoalign.analysis.session.prototypes import (
    PROTOTYPES,
    Prototype,
    image_name,
    prototypes_table,
    session_prototypes,
)
from evoalign.analysis.session.results import SessionResults
from evoalign.analysis.settings import Analysis, AnalysisConfig
from evoalign.analysis.statistics.tests import benjamini_hochberg
from evoalign.analysis.tables import DISTANCE_CORRELATIONS, IMAGE_DISTANCES, IMAGE_PAIRINGS
from evoalign.analysis.tables import PROTOTYPES as PROTOTYPES_TABLE
from evoalign.device import resolve_device
from evoalign.nwb.contents import SessionContents
from evoalign.spaces.distances import image_distances, pooled_features
from evoalign.spaces.networks import lpips_of, networks_of

Floats = NDArray[np.float64]
RESPONSES = ("psth", "activation")
TABLES = tables.by_name(PROTOTYPES_TABLE, IMAGE_DISTANCES, DISTANCE_CORRELATIONS, IMAGE_PAIRINGS)


def compare_prototypes(
    sessions: Sequence[SessionResults], load: Callable[[str], SessionContents], config: AnalysisConfig
) -> tuple[dict[str, pd.DataFrame], dict[str, Tensor]]:
    """Image and response distances of every experiment's two threads, and their correlation.

    docs/methods.md section 5. Sessions without an evolution are passed over.

    Parameters
    ----------
    sessions : sequence of SessionResults
        Of `analyse_session`, with the tables of `encode_session` where there are.
    load : callable
        Session -> its content, read from NWB.
    config : AnalysisConfig
        Sections `prototypes` and `analysis`.

    Returns
    -------
    found : dict of str to pandas.DataFrame
        `prototypes`, `image_distances`, `distance_correlations`,
        `image_pairings`; without rows where neither images nor generators are known.
    pictures : dict of str to torch.Tensor
        Name -> prototype ``[3, H, W]`` in 0..1.

    Raises
    ------
    InputError
        Weights of a network are missing or no weights; an image cannot be read.
    """
    networks, lpips = pooled_features(networks_of(config.prototypes)), lpips_of(config.prototypes)
    device = resolve_device(config.device)
    evolved = [(results, results.evolution) for results in sessions if results.evolution is not None]
    responses = response_distances([evolution for _, evolution in evolved], config.analysis)
    prototype_tables, distances = [], []
    pairs: dict[str, list[tuple[str, Tensor, Tensor]]] = {}
    pictures: dict[str, Tensor] = {}
    for results, evolution in evolved:
        session = str(evolution["session"].item())
        prototypes = session_prototypes(load(session), results, config.analysis, config.spaces, device)
        prototype_tables.append(prototypes_table(prototypes, evolution, config.analysis))
        pictures |= {image_name(session, prototype): prototype.pixels for prototype in prototypes}
        for prototype, first, second in _pairs(prototypes, by_kind(evolution["kind"].values.tolist())):
            frame = image_distances(first.pixels[None], second.pixels[None], networks, lpips)
            pairs.setdefault(prototype, []).append((session, first.pixels, second.pixels))
            distances.append(frame.drop(columns="pair").assign(session=session, prototype=prototype))
    pooled = {"prototypes": pd.concat(prototype_tables, ignore_index=True) if prototype_tables else None}
    if distances:
        joined = pd.concat(distances, ignore_index=True).merge(responses, on="session")
        every = pd.concat([results["experiments"] for results, _ in evolved], ignore_index=True)
        pairings, shuffled = pair_prototypes(pairs, every, networks, lpips, config)
        joined = joined.merge(shuffled, "left", ["session", "prototype", "measure", "mask"])
        pooled |= {"image_distances": joined, "distance_correlations": correlations(joined)}
        pooled["image_pairings"] = pairings
    return {
        name: tables.conform_or_empty(pooled.get(name), contract) for name, contract in TABLES.items()
    }, pictures


def _pairs(made: Sequence[Prototype], threads: tuple[int, int]) -> Iterator[tuple[str, Prototype, Prototype]]:
    """Kinds of prototypes that both threads have, texture first."""
    by = {(prototype.prototype, prototype.thread): prototype for prototype in made}
    for name in PROTOTYPES:
        if all((name, thread) in by for thread in threads):
            yield name, by[name, threads[0]], by[name, threads[1]]


def correlations(distances: pd.DataFrame) -> pd.DataFrame:
    """Correlate image with response distances over experiments, for every measure.

    Defined in docs/methods.md section 5.

    Parameters
    ----------
    distances : pandas.DataFrame
        `IMAGE_DISTANCES`.

    Returns
    -------
    pandas.DataFrame
        `DISTANCE_CORRELATIONS`: valid experiments, and of them those in
        which both threads succeed (the study's); q over measures and masks.
    """
    valid = distances[distances["valid"].astype(bool)]
    chosen = {"valid": valid, "both": valid[valid["both_succeed"].astype(bool)]}
    areas = ["all", *sorted(set(valid["area"]) - {""})]
    rows: list[dict[str, Any]] = []
    for area, (selection, of_selection), response in itertools.product(areas, chosen.items(), RESPONSES):
        frame = of_selection if area == "all" else of_selection[of_selection["area"] == area]
        for key, of_measure in frame.groupby(["prototype", "measure", "mask"], sort=True):
            condition = dict(zip(("prototype", "measure", "mask"), key, strict=True))
            correlation = correlate(
                of_measure["distance"].to_numpy(), of_measure[f"{response}_distance"].to_numpy()
            )
            rows.append(
                {"area": area, "selection": selection, "response": response, **condition, **correlation}
            )
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows)
    panel = table.groupby(["area", "selection", "prototype", "response"], sort=False)["pearson_p"]
    return table.assign(q=panel.transform(lambda p: benjamini_hochberg(p.to_numpy())))


def response_distances(evolutions: Sequence[xr.Dataset], settings: Analysis) -> pd.DataFrame:
    """Distance of each experiment's two best-block responses, over its normalization rate.

    Defined in docs/methods.md section 5.

    Parameters
    ----------
    evolutions : sequence of xarray.Dataset
        Of `analyse_session`.
    settings : Analysis
        The evoked window.

    Returns
    -------
    pandas.DataFrame
        session, subject, area, valid, both_succeed; `psth_distance`: mean over the
        evoked window of the absolute difference of the best blocks' PSTHs;
        `activation_distance`: absolute difference of their evoked means.
    """
    rows = []
    first, last = settings.evoked_ms
    for evolution in evolutions:
        generated = evolution["psth_mean_hz"].sel(stimuli="generated", time_ms=slice(first, last - 1))
        first_thread, second_thread = generated.isel(block=evolution["experiments_best_block"]).values
        change = (first_thread - second_thread) / float(evolution["experiments_normaliser_hz"])
        rows.append(
            {
                **{name: evolution[name].item() for name in ("session", "subject", "area")},
                **{name: bool(evolution[f"experiments_{name}"]) for name in ("valid", "both_succeed")},
                "psth_distance": float(np.abs(change).mean()),
                "activation_distance": float(abs(change.mean())),
            }
        )
    return pd.DataFrame(rows)


def correlate(image: Floats, response: Floats) -> dict[str, float]:
    """Pearson and Spearman correlation of two distances over experiments (docs/methods.md section 5).

    Parameters
    ----------
    image, response : numpy.ndarray, float64 [experiment]
        Experiments where either is NaN are left out.

    Returns
    -------
    dict of str to float
        n, pearson_r, pearson_low, pearson_high (Fisher z), pearson_p,
        spearman_r, spearman_p; NaN with fewer than three experiments or without
        spread, the interval with fewer than four.
    """
    is_known = ~np.isnan(image) & ~np.isnan(response)
    x, y = image[is_known], response[is_known]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        names = ("pearson_r", "pearson_low", "pearson_high", "pearson_p", "spearman_r", "spearman_p")
        return {"n": len(x), **dict.fromkeys(names, float("nan"))}
    from scipy import stats  # not before: it takes 0.7 s to load

    pearson, spearman = stats.pearsonr(x, y), stats.spearmanr(x, y)
    low, high = pearson.confidence_interval(CORRELATION_LEVEL) if len(x) > 3 else (np.nan, np.nan)
    return {
        "n": len(x),
        "pearson_r": float(pearson.statistic),
        "pearson_low": float(low),
        "pearson_high": float(high),
        "pearson_p": float(pearson.pvalue),
        "spearman_r": float(spearman.statistic),
        "spearman_p": float(spearman.pvalue),
    }
