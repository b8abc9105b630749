"""The sentences of the report say what the pooled tables hold."""

import numpy as np
import pandas as pd
import pytest

from evoalign.analysis.settings import Analysis
from evoalign.figures.report_findings import summary

SETTINGS = Analysis()
NAN = float("nan")


def experiments(*areas, valid=True, reason=""):
    frame = pd.DataFrame({"area": areas, "valid": valid, "reason": reason})
    names = [f"s{number}" for number in range(len(areas))]
    return frame.assign(session=names, subject="A", site=names, n_blocks=20, n_presentations=500)


def crossover(area, time_ms=NAN, low_ms=NAN, high_ms=NAN, reason="", interval_reason="", p=0.01, n=20):
    return {
        "scope": "area",
        "selection": "valid",
        "area": area,
        "n": n,
        "n_sites": n - 3,
        "reason": reason,
        "crossover_ms": time_ms,
        "low_ms": low_ms,
        "high_ms": high_ms,
        "interval_reason": interval_reason,
        "p_texture": p,
        "p_object": p,
    }


def latency(area, space, latency_ms, low_ms=NAN, high_ms=NAN):
    fields = {"area": area, "space": space, "latency_ms": latency_ms, "low_ms": low_ms, "high_ms": high_ms}
    return fields | {"selection": "valid", "n": 20}


def encoding(area, n_explained, crossover_ms=NAN, reason="texture never leads"):
    model = {"area": area, "scheme": "image", "projection": "full"}
    return (
        model | {"n": 40, "crossover_ms": crossover_ms, "reason": reason},
        model | {"n_explained": n_explained},
    )


@pytest.fixture
def pooled():
    models = [encoding("V4", 12.0), encoding("IT", 30.0, 104.0, "")]
    rates = [
        {"area": area, "threshold": level, "threads": threads, "k": k, "n": 20}
        for area, k in (("V4", 15), ("IT", 18))
        for level in (0.01, 0.05)
        for threads in ("texture", "object", "any")
    ]
    return {
        "experiments": experiments("V4", "IT", "IT"),
        "success_rates": pd.DataFrame(rates),
        "latencies": pd.DataFrame(
            [latency("IT", "object", 110.0, 105.0, 120.0), latency("IT", "texture", NAN)]
        ),
        "crossover": pd.DataFrame(
            [
                crossover("IT", 106.4, 97.6, 111.0),
                crossover("V4", reason="object never leads"),
                crossover("V1", reason="fewer than 5 experiments", p=NAN, n=4),
            ]
        ),
        "population_encoding_crossover": pd.DataFrame([model for model, _ in models]),
        "population_encoding": pd.DataFrame([explained for _, explained in models]),
    }


def texts(pooled, failed=None):
    return [sentence.text for sentence in summary(pooled, SETTINGS, failed or {})]


def test_a_study_is_told_in_six_sentences(pooled):
    assert texts(pooled) == [
        "3 of 3 paired evolutions count (V4 1 and PIT 2), from 1 animal and 3 recording sites.",
        "Threads that raised the response (p < 0.01): V4 15 of 20 texture and 15 of 20 object; PIT 18 of 20 "
        "texture and 18 of 20 object.",
        "Which space leads in late blocks: in PIT object from 110 ms on (95 % interval 105 to 120), n = 20.",
        "In V4 there is no crossover: object never leads, n = 20 from 17 sites; in PIT the lead passes from "
        "texture to object at 106 ms (95 % interval 98 to 111), n = 20 from 17 sites.",
        "Units that the latents explain beyond chance: V4 12 of 40, no crossover (texture never leads); "
        "PIT 30 of 40, object passes texture at 104 ms.",
        "Not tested for leads and crossover, for want of experiments: V1 (4: fewer than 5 experiments).",
    ]


def test_each_sentence_names_its_figure_and_holds_its_rows(pooled):
    for sentence in summary(pooled, SETTINGS, {}):
        source = pooled[sentence.table_name]
        assert 0 < len(sentence.table) <= len(source) and set(sentence.table) <= set(source)


def test_what_is_left_out_is_told_with_its_reason(pooled):
    frame = experiments("V4", "IT", "IT", valid=[True, False, False], reason=["", "few blocks", "few blocks"])
    (first, *_) = texts(pooled | {"experiments": frame}, {"s9": "recording: cut"})
    assert first.startswith("1 of 3 paired evolutions count (V4 1 and PIT 0)")
    assert "(2 not: few blocks); 1 failed session left out of every number here." in first


def test_a_crossover_without_interval_says_why(pooled):
    row = crossover("IT", 90.0, interval_reason="fewer than 8 sites")
    assert any(
        "at 90 ms (no interval: fewer than 8 sites), n = 20" in text
        for text in texts(pooled | {"crossover": pd.DataFrame([row])})
    )


def test_units_that_were_not_tested_are_not_called_unexplained(pooled):
    untested = pooled["population_encoding"].assign(n_explained=np.nan)
    told = " ".join(texts(pooled | {"population_encoding": untested}))
    assert "V4 not tested of 40" in told and " 0 of 40" not in told


def test_a_study_without_experiment_is_told_nothing_of(pooled):
    assert summary(pooled | {"experiments": experiments()}, SETTINGS, {}) == []
