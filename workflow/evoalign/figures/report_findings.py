"""What a study found, in three to six sentences written from its pooled tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evoalign.analysis.settings import Analysis
from evoalign.figures.captions import percent
from evoalign.figures.panels import Tables
from evoalign.figures.style import area_label, in_order


@dataclass(frozen=True)
class Sentence:
    """A sentence of the summary, and where its numbers stand.

    Attributes
    ----------
    text : str
    figure : str
        Stem of the pooled figure that shows it.
    table : pandas.DataFrame
        Rows that the numbers were taken from, to be read beside it.
    table_name : str
        Of the pooled table that these rows are from.
    """

    text: str
    figure: str
    table: pd.DataFrame
    table_name: str


def summary(tables: Tables, settings: Analysis, failed: Mapping[str, str]) -> list[Sentence]:
    """Say what was found: yield, success, leads, crossovers, encoding, and what could not be tested.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        Of `pool_sessions` and `pool_encoding`.
    settings : Analysis
        Settings that they were made with.
    failed : mapping of str to str
        Sessions that are not in them -> message.
    """
    if tables["experiments"].empty:
        return []
    return [
        _yield(tables["experiments"], failed),
        *_success(tables["success_rates"], settings),
        *_leads(tables["latencies"], settings),
        *_crossovers(tables["crossover"], settings),
        *_encoding(tables["population_encoding_crossover"], tables["population_encoding"]),
        *_untested(tables["crossover"]),
    ][:6]


def _yield(experiments: pd.DataFrame, failed: Mapping[str, str]) -> Sentence:
    valid = experiments[experiments["valid"].astype(bool)]
    areas = _listing(
        f"{area_label(area)} {int((valid['area'] == area).sum())}" for area in in_order(experiments["area"])
    )
    animals, sites = experiments["subject"].nunique(), valid["site"].nunique()
    reasons = experiments.loc[~experiments["valid"].astype(bool), "reason"].value_counts()
    left_out = "; ".join(f"{count} not: {reason}" for reason, count in reasons.items())
    lost = f"; {_count(len(failed), 'failed session')} left out of every number here"
    text = (
        f"{len(valid)} of {_count(len(experiments), 'paired evolution')} count ({areas}), from "
        f"{_count(animals, 'animal')} and {_count(sites, 'recording site')}"
        f"{f' ({left_out})' if left_out else ''}{lost if failed else ''}."
    )
    columns = ["session", "subject", "area", "site", "n_blocks", "n_presentations", "valid", "reason"]
    return Sentence(text, "success_activation", experiments[columns], "experiments")


def _success(rates: pd.DataFrame, settings: Analysis) -> list[Sentence]:
    rows = rates[
        np.isclose(rates["threshold"], settings.success_p) & rates["threads"].isin(["texture", "object"])
    ]
    rows = rows[rows["n"] > 0]
    if rows.empty:
        return []
    parts = []
    for area in in_order(rows["area"]):
        of_area = rows[rows["area"] == area].sort_values("threads", ascending=False)
        counts = (f"{row.k} of {row.n} {row.threads}" for row in of_area.itertuples())
        parts.append(f"{area_label(area)} {_listing(counts)}")
    text = f"Threads that raised the response (p < {settings.success_p:g}): {'; '.join(parts)}."
    return [Sentence(text, "success_activation", rows, "success_rates")]


def _leads(latencies: pd.DataFrame, settings: Analysis) -> list[Sentence]:
    rows = latencies[(latencies["selection"] == "valid") & np.isfinite(latencies["latency_ms"])]
    if rows.empty:
        return []
    parts = []
    for area in in_order(rows["area"]):
        for row in rows[rows["area"] == area].sort_values("latency_ms").itertuples():
            parts.append(
                f"in {area_label(area)} {row.space} from {row.latency_ms:.0f} ms on"
                f"{_interval(row.low_ms, row.high_ms, settings)}, n = {row.n}"
            )
    text = f"Which space leads in late blocks: {'; '.join(parts)}."
    return [Sentence(text, "latency", rows, "latencies")]


def _crossovers(crossovers: pd.DataFrame, settings: Analysis) -> list[Sentence]:
    rows = _of_areas(crossovers)
    rows = rows[~_too_few(rows)]
    if rows.empty:
        return []
    parts = []
    for area in in_order(rows["area"]):
        row = rows[rows["area"] == area].iloc[0]
        number = f"n = {row['n']} from {_count(int(row['n_sites']), 'site')}"
        if np.isfinite(row["crossover_ms"]):
            interval = _interval(row["low_ms"], row["high_ms"], settings)
            without = f" (no interval: {row['interval_reason']})" if row["interval_reason"] else ""
            parts.append(
                f"in {area_label(area)} the lead passes from texture to object at "
                f"{row['crossover_ms']:.0f} ms{interval}{without}, {number}"
            )
        else:
            parts.append(f"in {area_label(area)} there is no crossover: {row['reason']}, {number}")
    text = "; ".join(parts)
    return [Sentence(f"{text[0].upper()}{text[1:]}.", "crossover", rows, "crossover")]


def _encoding(crossovers: pd.DataFrame, encoding: pd.DataFrame) -> list[Sentence]:
    """Of the first fold scheme and all latents: units explained, and when object passes texture."""
    rows = crossovers[(crossovers["projection"] == "full") & (crossovers["n"] > 0)]
    rows = rows[rows["scheme"] == rows["scheme"].iloc[0]] if len(rows) else rows
    if rows.empty:
        return []
    explained = encoding[encoding["projection"].eq("full") & encoding["scheme"].eq(rows["scheme"].iloc[0])]
    parts = []
    for area in in_order(rows["area"]):
        row = rows[rows["area"] == area].iloc[0]
        most = explained.loc[explained["area"] == area, "n_explained"].max()
        change = (
            f"object passes texture at {row['crossover_ms']:.0f} ms"
            if np.isfinite(row["crossover_ms"])
            else f"no crossover ({row['reason']})"
        )
        share = f"{int(most)} of {row['n']}" if np.isfinite(most) else f"not tested of {row['n']}"
        parts.append(f"{area_label(area)} {share}, {change}")
    text = f"Units that the latents explain beyond chance: {'; '.join(parts)}."
    return [Sentence(text, "alignment_index", rows, "population_encoding_crossover")]


def _untested(crossovers: pd.DataFrame) -> list[Sentence]:
    rows = _of_areas(crossovers)
    rows = rows[_too_few(rows)]
    if rows.empty:
        return []
    parts = [
        f"{area_label(area)} ({row['n']}: {row['reason']})"
        for area in in_order(rows["area"])
        for _, row in rows[rows["area"] == area].iterrows()
    ]
    text = f"Not tested for leads and crossover, for want of experiments: {_listing(parts)}."
    return [Sentence(text, "crossover", rows, "crossover")]


def _of_areas(crossovers: pd.DataFrame) -> pd.DataFrame:
    return crossovers[(crossovers["scope"] == "area") & (crossovers["selection"] == "valid")]


def _too_few(rows: pd.DataFrame) -> pd.Series:
    return rows["crossover_ms"].isna() & rows["p_texture"].isna() & rows["p_object"].isna()


def _interval(low: float, high: float, settings: Analysis) -> str:
    return f" ({percent(settings.interval)} interval {low:.0f} to {high:.0f})" if np.isfinite(low) else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _listing(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
