"""An array map is held against the recording that it is of; areas are written alike."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from evoalign import tables
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.session.results import SessionResults
from evoalign.errors import InputError
from evoalign.recordings.array_map import apply_array_map, read_array_map
from evoalign.recordings.tables import CHANNELS
from evoalign.study import Config

CMP = "// a map of 96 electrodes\nits description\n" + "".join(
    f"{k % 10} {k // 10} {'ABC'[k // 32]} {k % 32 + 1} elec{k + 1}\n" for k in range(96)
)


def channels_of(n, first=1, stream="broadband"):
    empty = {"array": "", "connector": "", "area": "", "name": "", "x_um": np.nan, "y_um": np.nan}
    frame = pd.DataFrame({"channel": np.arange(first, first + n)}).assign(
        kind="neural", stream=stream, gain_uv=0.25, offset_uv=0.0, **empty
    )
    return tables.conform(frame.reindex(columns=CHANNELS.names), CHANNELS)


CUTS = [(96, 96, True), (96, 128, True), (48, 96, False), (20, 96, False), (96, 32, True)]


@pytest.mark.parametrize(("n_lines", "n_channels", "is_right"), CUTS)
def test_a_map_that_was_cut_at_the_end_of_a_line_is_refused(tmp_path, n_lines, n_channels, is_right):
    (tmp_path / "a.cmp").write_text("".join(CMP.splitlines(keepends=True)[: 2 + n_lines]))
    array_map = read_array_map(tmp_path / "a.cmp")
    if is_right:
        mapped = apply_array_map(channels_of(n_channels), array_map, "a.cmp")
        assert (mapped["array"] == "a").sum() == min(n_lines, n_channels)
    else:
        with pytest.raises(
            InputError, match=f"{n_channels - n_lines} of {n_channels} neural channels"
        ) as refused:
            apply_array_map(channels_of(n_channels), array_map, "a.cmp")
        assert refused.value.where == "a.cmp" and "whole map" in refused.value.hint


def test_a_map_of_other_channels_is_refused(tmp_path):
    (tmp_path / "a.cmp").write_text(CMP)
    with pytest.raises(InputError, match="32 of 32 neural channels are not in the map, the first is 129"):
        apply_array_map(channels_of(32, first=129), read_array_map(tmp_path / "a.cmp"))


def test_channels_that_hold_nothing_need_no_place(tmp_path):
    (tmp_path / "a.cmp").write_text(CMP)
    unused = channels_of(200, first=201, stream="")
    channels = pd.concat([channels_of(96), unused], ignore_index=True)
    assert (apply_array_map(channels, read_array_map(tmp_path / "a.cmp"))["array"] == "a").sum() == 96


@pytest.mark.parametrize("other", ["v4", "V 4", " V4"])
def test_an_area_in_two_spellings_is_refused_in_a_map(tmp_path, other):
    rows = [f"{k}\tA\tA\t{area}\t0\t{k}" for k, area in enumerate(("V4", "V4d", other.strip()), 1)]
    (tmp_path / "a.tsv").write_text("\n".join(["channel\tarray\tconnector\tarea\tx_um\ty_um", *rows]) + "\n")
    if other.strip() == "V4":
        assert read_array_map(tmp_path / "a.tsv")["area"].tolist() == ["V4", "V4d", "V4"]
        return
    with pytest.raises(InputError, match=f"one area is written 'V4' and '{other}'"):
        read_array_map(tmp_path / "a.tsv")


def test_an_area_in_two_spellings_is_refused_where_sessions_are_pooled():
    sessions = [
        SessionResults(xr.Dataset({"experiments_valid": False}, {"session": name, "area": area}), {})
        for name, area in (("day1", "PIT"), ("day2", "V4"), ("day3", "pit"))
    ]
    with pytest.raises(InputError, match="'PIT' in session day1 and 'pit' in day3"):
        pool_sessions(sessions, Config())
