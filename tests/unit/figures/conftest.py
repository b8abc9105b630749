from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evoalign import tables

STARTS = np.arange(0, 200, 20)


@pytest.fixture
def style():
    return Path(__file__).parents[3] / "resources/style/evoalign.mplstyle"


def filled(name, rows):
    """A table with every column: the given ones, and blanks."""
    contract = tables.contract_of(name)
    blank = {"int64": 0, "double": np.nan, "string": "", "bool": False}
    frame = pd.DataFrame(rows)
    for field in contract:
        if field.name not in frame:
            frame[field.name] = blank[str(field.type)]
    return tables.conform(frame, contract)


@pytest.fixture(scope="module")
def encoding_tables():
    """Tables of the encoding; they are only read."""
    model = {"scheme": "image", "projection": "full", "area": "IT"}
    windows = [{"start_ms": s, "stop_ms": s + 20} for s in STARTS]
    index = [-0.5 if w["start_ms"] < 120 else 0.75 for w in windows]
    pooled = [
        {
            **model,
            **w,
            "n": 9,
            "n_sessions": 6,
            "n_explained": 7.0,
            "r2_texture": 0.02,
            "r2_object": 0.09,
            "equal": 0.01,
            "equal_low": -0.2,
            "equal_high": 0.2,
            "texture": 0.1,
            "object": 0.2,
            "index": i,
            "low": i - 0.2,
            "high": i + 0.2,
        }
        for w, i in zip(windows, index, strict=True)
    ]
    other = [{**row, "scheme": "block", "index": 0.0} for row in pooled]
    crossing = {
        **model,
        "n": 9,
        "n_sessions": 6,
        "crossover_ms": 120.0,
        "low_ms": 100.0,
        "high_ms": 140.0,
    }
    units = [
        {
            **model,
            **w,
            "unit": u,
            "texture": 0.1 * u,
            "object": 0.3,
            "index": i,
            "explained": w["start_ms"] >= 60,
            "tested": True,
        }
        for u in (3, 8)
        for w, i in zip(windows, index, strict=True)
    ]
    crossed = [{**model, "unit": 3, "crossover_ms": 140.0}, {**model, "unit": 8, "crossover_ms": 120.0}]
    spectrum = [
        {"area": "IT", "space": k, "kind": k, "rank_first": a, "rank_last": b, "n": 7, "share": 0.5, **w}
        for k in ("texture", "object")
        for a, b in ((0, 0), (1, 5))
        for w in windows
    ]
    return {
        "population_encoding": filled("population_encoding", pooled + other),
        "population_encoding_crossover": filled("population_encoding_crossover", [crossing]),
        "encoding_index": filled("encoding_index", units),
        "encoding_crossover": filled("encoding_crossover", crossed),
        "population_encoding_spectrum": filled("population_encoding_spectrum", spectrum),
    }


@pytest.fixture
def made(encoding_tables):
    """The same, of which a test may replace some."""
    return dict(encoding_tables)
