"""A session's dataset of labelled arrays against the plain product of its axes, on disk and below others."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from evoalign import tables
from evoalign.analysis import labelled
from evoalign.analysis.encoding.tables import ENCODING_WEIGHTS
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session.analyse import analyse_experiment
from evoalign.analysis.session.results import DATASET, SessionResults, read_results
from evoalign.analysis.settings import Analysis
from evoalign.analysis.tables import TRAJECTORIES
from evoalign.analysis.tuning.tables import TUNING_CURVES
from evoalign.errors import InputError
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.study_session import simulate_responses

SETTINGS = Analysis(bins_ms=(25, 50), figure_bin_ms=25, n_permutations=50)

FACTS = {"commit": "abc", "input.data/a (b).nwb": "sha256:12"}


@pytest.fixture(scope="module")
def experiments():
    designs = sorted(draw_study(8, seed=1), key=lambda design: design.n_blocks)
    return [experiment_from(simulate_responses(design, -50, 250), SETTINGS) for design in designs[:3]]


@pytest.fixture(scope="module")
def results(experiments):
    return [analyse_experiment(experiment, SETTINGS, 0) for experiment in experiments]


def test_a_table_has_a_row_for_every_cell_of_its_axes(results):
    data, table = results[0].evolution, results[0]["time_constants"]
    cells = product(data["theta"].values, data["level"].values, data["thread"].values)
    for row, (theta, level, thread) in zip(table.itertuples(), cells, strict=True):
        assert (row.theta, row.level, row.thread) == (theta, level, thread)
        cell = data["time_constants_first_above"].sel(theta=theta, level=level, thread=thread)
        np.testing.assert_equal(row.first_above, cell.item())
        assert row.kind == data["kind"].sel(thread=thread).item() and row.session == data["session"].item()


def test_time_bins_are_rows_of_generated_images_only_and_psths_of_blocks_that_were_shown(results):
    data, table = results[0].evolution, results[0]["trajectories"]
    n_cells = data.sizes["thread"] * data.sizes["block"]
    assert (table["stimuli"] == "reference").sum() == 2 * n_cells
    assert (table["stimuli"] == "generated").sum() == data.sizes["window"] * n_cells
    assert (results[0]["psth"]["n"] > 0).all()


def test_a_variable_has_the_unit_and_the_meaning_of_its_column(results):
    data = results[0].evolution
    field = TRAJECTORIES.field("mean_hz").metadata
    assert data["trajectories_mean_hz"].attrs == {
        "units": field[b"unit"].decode(),
        "long_name": field[b"meaning"].decode(),
    }
    assert data["trajectories_mean_hz"].dims == ("stimuli", "thread", "block", "window")
    assert Analysis.model_validate(json.loads(data.attrs["settings"])) == SETTINGS


def test_what_is_written_is_read_and_opens_in_one_line(results, tmp_path):
    results[0].write(tmp_path / "session", FACTS)
    read = read_results(tmp_path / "session")
    for name, frame in results[0].items():
        pd.testing.assert_frame_equal(read[name], frame)
    with xr.open_dataset(tmp_path / "session" / DATASET) as opened:
        mean = opened["psth_mean_hz"].sel(stimuli="generated", thread=1).mean("block")
        assert mean.dims == ("time_ms",) and json.loads(opened.attrs["provenance"]) == FACTS
    results[0].write(tmp_path / "again", FACTS)
    one, other = ((tmp_path / name / DATASET).read_bytes() for name in ("session", "again"))
    assert one == other


def test_a_session_without_names_of_images_has_tables_without_rows(experiments, tmp_path):
    bare = analyse_experiment(replace(experiments[0], images=None), SETTINGS, 0)
    bare.write(tmp_path / "bare", {})
    for results in (bare, read_results(tmp_path / "bare")):
        assert all(results[name].empty for name in ("block_images", "reference_images", "reference_psth"))
        assert len(results["psth"])


def test_shorter_runs_end_in_nan_below_longer_ones(results):
    datasets = [one.evolution for one in results]
    assert len({data.sizes["block"] for data in datasets}) > 1
    names = ("psth_mean_hz", "experiments_unit")
    stack = labelled.stacked([{name: data.variables[name] for name in names} for data in datasets], "session")
    mean = stack["psth_mean_hz"]
    assert stack["experiments_unit"].dims == ("session",) and mean.dims[0] == "session"
    for row, data in enumerate(datasets):
        n_blocks = data.sizes["block"]
        np.testing.assert_array_equal(mean[row, :, :, :n_blocks], data["psth_mean_hz"])
        assert np.isnan(mean[row, :, :, n_blocks:].values).all()


def test_sessions_of_different_windows_are_refused(experiments, results):
    other = analyse_experiment(experiments[1], SETTINGS.model_copy(update={"bins_ms": (10, 50)}), 0)
    parts = [{"mean": one.evolution.variables["trajectories_mean_hz"]} for one in (results[0], other)]
    with pytest.raises(InputError, match="in different windows"):
        labelled.stacked(parts, "session")


def test_tables_of_a_session_are_those_of_its_evolution_and_others(results):
    more = pd.DataFrame({"a": [1]})
    both = SessionResults(results[0].evolution, {"tuning_axes": more})
    assert list(both)[-1] == "tuning_axes" and both["tuning_axes"] is more
    joined = both | {"x": more}
    assert joined["x"] is more and len(both) == len(results[0]) + 1
    assert joined.evolution is results[0].evolution and list(joined) == [*both, "x"]
    with pytest.raises(KeyError):
        both["no_table"]


def test_a_session_tells_the_settings_that_it_was_analysed_with(results):
    changed = SETTINGS.model_copy(update={"fdr": 0.2})
    assert results[0].analysis(changed) == SETTINGS
    assert SessionResults(None, {}).analysis(changed) is changed
    for attrs in ({"settings": '{"no_setting": 1}'}, {}):
        stale = results[0].evolution.copy()
        stale.attrs = attrs
        with pytest.raises(InputError, match="was analysed with other settings"):
            SessionResults(stale, {}).analysis(changed)


def test_a_session_is_read_from_its_folders_with_their_other_tables(results, tmp_path):
    curves = tables.empty(TUNING_CURVES)
    (results[0] | {"tuning_curves": curves}).write(tmp_path / "trajectories")
    weights = tables.empty(ENCODING_WEIGHTS)
    tables.write_all({"encoding_weights": weights}, tmp_path / "encoding")
    read = read_results(tmp_path / "trajectories", tmp_path / "encoding")
    assert set(read) == {*results[0], "tuning_curves", "encoding_weights"}
    assert read.evolution.identical(read_results(tmp_path / "trajectories").evolution)
    assert list(read_results()) == []
