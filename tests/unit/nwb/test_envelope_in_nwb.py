"""The multi-unit envelope: into the file, out again, and on to the responses and the analysis."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from session_to_package import CONFIG, full_session

from evoalign.analysis.encoding.results import no_units
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session.analyse import analyse_session
from evoalign.analysis.settings import Analysis
from evoalign.figures.captions import FigureSettings
from evoalign.figures.session_pages import draw_session
from evoalign.nwb.envelope import envelope_units
from evoalign.nwb.read import read_nwb
from evoalign.nwb.write import write_nwb
from evoalign.responses.session_responses import SessionResponses, responses_from
from evoalign.responses.settings import Responses
from evoalign.responses.store import read_responses, write_responses


def values(envelope, segment=0):
    with envelope.opened() as read:
        return read(segment, 0, envelope.segments[segment][1])


@pytest.mark.parametrize("name", ["s.nwb", "s.nwb.zarr"])
def test_it_comes_back_from_either_kind_of_file(tmp_path, name):
    contents = full_session(tmp_path / "images")
    write_nwb(tmp_path / name, contents, CONFIG)
    found = read_nwb(tmp_path / name).envelope
    assert (found.channels, found.segments) == (contents.envelope.channels, contents.envelope.segments)
    for segment in (0, 1):
        np.testing.assert_array_equal(values(found, segment), values(contents.envelope, segment))


def test_other_tools_see_volts_at_1_khz(packaged):
    from pynwb import NWBHDF5IO

    contents, path = packaged
    with NWBHDF5IO(str(path), "r") as io:
        series = io.read().processing["ecephys"]["MUAe"]["envelope_segment1"]
        assert (series.rate, series.starting_time, series.unit) == (1000, 10.25, "volts")
        assert series.electrodes.to_dataframe().index.tolist() == [1, 2, 4]
        np.testing.assert_allclose(
            series.data[:] * series.conversion, values(contents.envelope, 1) * 1e-6, rtol=1e-6
        )
        assert "500 to 5000 Hz" in series.filtering


def test_its_rows_follow_the_units_and_the_preferred_electrode_is_marked(packaged):
    contents, _ = packaged
    rows = envelope_units(contents)
    assert rows["unit"].tolist() == [9, 10, 11]
    assert rows["channel"].tolist() == [1, 2, 4]
    assert rows["preferred"].tolist() == [False, True, False], "the sheet says 2a"
    assert (rows["kind"] == "envelope").all() and (rows["area"] == "V4").all()


def test_responses_hold_it_in_microvolts_and_spikes_as_counts(packaged, tmp_path):
    contents, path = packaged
    settings = Responses(start_ms=-20, stop_ms=100)
    found = responses_from(read_nwb(path), settings)
    assert found.counts.shape[0] == 9 and found.envelope.shape[0] == 3 and len(found.units) == 12
    onsets = contents.presentations["onset_s"].to_numpy()
    row = int(np.flatnonzero((onsets > 1) & (onsets < 2))[0])
    at = (onsets[row] - 0.5) * 1000 + np.arange(-20, 100) + 0.5
    expected = np.interp(at, np.arange(2000), values(contents.envelope)[:, 1])
    np.testing.assert_allclose(found.envelope[1, row], expected, rtol=1e-4)
    np.testing.assert_allclose(found.values([10])[0, row] * 1000, found.envelope[1, row], rtol=1e-6)
    np.testing.assert_array_equal(found.values([3, 0]), found.counts[[3, 0]])
    write_responses(found, tmp_path / "r.zarr")
    again = read_responses(tmp_path / "r.zarr")
    np.testing.assert_array_equal(again.envelope, found.envelope)
    assert again.units.equals(found.units)


def test_a_config_that_does_not_name_the_kind_leaves_it_out(packaged):
    found = responses_from(read_nwb(packaged[1]), Responses(kinds=("sorted",)))
    assert len(found.envelope) == 0 and (found.units["kind"] == "sorted").all()


def test_the_analysis_takes_it_as_a_kind_of_unit_in_microvolts(packaged):
    contents, path = packaged
    found = responses_from(read_nwb(path), Responses())
    n = len(contents.presentations)
    steady = np.full((3, n, found.counts.shape[2]), 7.5, np.float32)
    steady[1] = 12.5
    made = SessionResponses(
        **{name: getattr(found, name) for name in found.__dataclass_fields__ if name != "envelope"},
        envelope=steady,
    )
    settings = Analysis(unit_kind="envelope", smoothing_sigma_ms=0, min_last_block=1)
    experiment = experiment_from(made, settings)
    assert experiment.unit == 10
    np.testing.assert_allclose(experiment.rates.numpy(), 12.5, rtol=1e-6)
    spikes = experiment_from(made, settings.model_copy(update={"unit_kind": "sorted"}))
    assert spikes.unit == 1


def test_figures_say_that_it_is_a_voltage(packaged):
    config = CONFIG.model_copy(update={"analysis": Analysis(unit_kind="envelope", min_last_block=1)})
    read = read_nwb(packaged[1])
    # The fixture's envelope ends before most presentations.
    held = replace(read.envelope, opened=lambda: nullcontext(lambda _, a, b: np.full((b - a, 3), 7.5)))
    held = replace(held, segments=((0.0, 40_000),))
    read = replace(read, envelope=held)
    found = analyse_session(responses_from(read, config.responses), config) | no_units()
    # The captions' window is that of the dataset, whatever the configuration says by now.
    changed = config.analysis.model_copy(update={"evoked_ms": (60, 180)})
    settings = FigureSettings(changed, config.encoding, config.tuning)
    drawn = {one.name: one for one in draw_session(read, found, settings, config.sorting)}
    for name in ("paired_evolution", "stacked_psth"):
        labels = [axes.get_ylabel() for axes in drawn[name].figure.axes]
        assert "MUAe (µV)" in labels and not any("spikes/s" in label for label in labels), name
        assert "envelope (MUAe)" in drawn[name].caption
        assert "50 to 200 ms" in drawn[name].caption
