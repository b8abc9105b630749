"""Long columns of cells against the plain product of their axes."""

from itertools import product

import numpy as np
import pyarrow as pa
import pytest

from evoalign.analysis.frames import CATEGORY, long_columns, table_of
from evoalign.analysis.tables import REFERENCE_PSTH


@pytest.mark.parametrize("n_names", [1, 128, 129, 300])
def test_any_number_of_names_labels_an_axis(n_names):
    names = [f"name {n % 7} of {n}" for n in range(n_names)]
    columns = long_columns([{"name": names}, {"place": range(3)}], {"value": np.arange(3.0)})
    expected = list(product(names, range(3)))
    assert list(zip(columns["name"].to_pylist(), columns["place"].tolist(), strict=True)) == expected
    assert columns["value"].tolist() == list(range(3)) * n_names


def test_text_is_the_same_as_categories():
    columns = long_columns([{"time_ms": range(4)}], {"mean_hz": np.arange(4.0), "sem_hz": np.ones(4)})
    whose = dict.fromkeys(("session", "subject", "area", "site", "image"), "a")
    plain, categories = (
        table_of(REFERENCE_PSTH, columns | whose, text=text) for text in (pa.large_string(), CATEGORY)
    )
    assert categories["session"].dtype == "category"
    assert plain["session"].tolist() == categories["session"].tolist() == ["a"] * 4
