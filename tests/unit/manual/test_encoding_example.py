"""The example of docs/encoding.md runs as it stands, and gives what its comments say."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from evoalign import tables
from evoalign.analysis.encoding.folds import image_folds
from evoalign.analysis.encoding.tables import ENCODING

PAGE = Path(__file__).parents[3] / "docs/encoding.md"
N, DIM, TARGETS = 120, 5, 128


def test_the_example_runs(monkeypatch):
    rng = np.random.default_rng(0)
    latents = torch.from_numpy(rng.standard_normal((N, DIM)))
    noise = torch.from_numpy(rng.standard_normal((TARGETS, N)))
    targets = torch.from_numpy(rng.standard_normal((TARGETS, DIM))) @ latents.T + noise
    images, blocks = [f"image{i}" for i in range(N)], np.arange(N) // 20
    values = {
        "latents": latents, "targets": targets, "rates": targets.T.numpy(),
        "images": images, "blocks": blocks,
        "latents_new": latents, "rates_new": targets.T.numpy(), "generator": rng,
        "folds": image_folds(images, blocks, 5, rng), "tables": {"encoding": one_row()},
    }  # fmt: skip
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    # Ten shuffles show the same as a thousand.
    exec(example.replace("1000, seed=0", "10, seed=0"), values)
    # Half and more of the variance is linear: five planted weights beside noise of 1.
    assert float(values["scores"].r2.median()) > 0.5
    assert float(values["share"].median()) > 0.6
    assert ((values["low"] <= values["share"].numpy()) & (values["share"].numpy() <= values["high"])).all()


def one_row():
    blank = {"int64": 0, "double": np.nan, "string": "", "bool": False}
    row = {field.name: [blank[str(field.type)]] for field in ENCODING}
    row |= {"kind": ["object"], "scheme": ["image"], "projection": ["full"], "r2": [0.5]}
    return tables.conform(pd.DataFrame(row), ENCODING)
