import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoalign import tables
from evoalign.errors import InputError
from evoalign.recordings.tables import WORDS
from evoalign.sorting.tables import SPIKES

CONTRACTS = list(tables.contracts().values())


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.metadata[b"table"].decode())
def test_every_column_has_a_unit_entry_and_a_meaning(contract):
    for field in contract:
        assert b"unit" in field.metadata
        assert field.metadata[b"meaning"]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.metadata[b"table"].decode())
def test_an_empty_table_survives_writing_and_reading(contract, tmp_path):
    tables.write(tables.empty(contract), contract, tmp_path / "t.parquet")
    assert tables.read(tmp_path / "t.parquet", contract).columns.tolist() == contract.names


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(allow_infinity=False)), max_size=30))
def test_rows_come_back_as_written_nan_included(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("t") / "spikes.parquet"
    frame = pd.DataFrame(rows, columns=["unit", "time_s"])
    tables.write(frame, SPIKES, path)
    back = tables.read(path, SPIKES)
    np.testing.assert_array_equal(back["unit"], frame["unit"].astype("int64"))
    np.testing.assert_array_equal(back["time_s"], frame["time_s"].astype("float64"))


def test_two_writes_give_the_same_bytes(tmp_path):
    frame = pd.DataFrame({"unit": [1, 2], "time_s": [0.5, np.nan]})
    for name in ("a", "b"):
        tables.write(frame, SPIKES, tmp_path / name, {"commit": "x"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert pq.read_schema(tmp_path / "a").metadata[b"provenance.commit"] == b"x"


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"unit": [1]}),
        pd.DataFrame({"unit": [1], "time_s": [1.0], "more": [1]}),
        pd.DataFrame({"unit": ["a"], "time_s": [1.0]}),
        pd.DataFrame({"unit": [1.5], "time_s": [1.0]}),
    ],
)
def test_a_broken_contract_is_refused_and_nothing_is_written(frame, tmp_path):
    with pytest.raises(InputError, match="spikes"):
        tables.write(frame, SPIKES, tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []


def test_reading_what_is_no_such_table_is_one_input_error(tmp_path):
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 but no more")
    tables.write(tables.empty(WORDS), WORDS, tmp_path / "words.parquet")
    for path in (broken, tmp_path / "none.parquet", tmp_path / "words.parquet"):
        with pytest.raises(InputError) as caught:
            tables.read(path, SPIKES)
        assert caught.value.where == str(path)


def test_a_folder_of_tables_comes_back_by_name(tmp_path):
    frames = {"words": tables.empty(WORDS), "spikes": pd.DataFrame({"unit": [1], "time_s": [2.0]})}
    tables.write_all(frames, tmp_path / "all")
    back = tables.read_all(tmp_path / "all")
    assert list(back) == ["spikes", "words"]
    pd.testing.assert_frame_equal(back["spikes"], frames["spikes"])
    with pytest.raises(InputError, match="no tables"):
        tables.read_all(tmp_path)


def test_every_contract_is_found_by_its_lower_case_name():
    for contract in CONTRACTS:
        assert tables.contract_of(contract.metadata[b"table"].decode()) is contract


def test_there_are_contracts_to_look_at():
    assert len(CONTRACTS) >= 60


def test_two_tables_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two tables are called 'words'"):
        tables.table("words", tables.column("n", tables.INT, "", "something else"))


def test_a_folder_with_another_file_in_it_is_refused(tmp_path):
    tables.write_all({"words": tables.empty(WORDS)}, tmp_path / "all")
    (tmp_path / "all" / "words.parquet").rename(tmp_path / "all" / "spikes.parquet")
    with pytest.raises(InputError, match="not the pipeline's table 'spikes'"):
        tables.read_all(tmp_path / "all")
