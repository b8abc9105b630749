"""What other programs read of an export: spikes, voltages and waveforms are ours."""

import runpy
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import spikeinterface as si
from planted_spikes import RATE, make_channels

from evoalign import tables
from evoalign.errors import InputError
from evoalign.formats.blackrock.write import write_nsx
from evoalign.formats.opening import open_recording
from evoalign.formats.spikeinterface_recording import stream_recording
from evoalign.sorting.artefacts import from_table
from evoalign.sorting.export import joined_samples, preprocessed, write_analyzer
from evoalign.sorting.settings import Sorting
from evoalign.sorting.tables import ARTEFACTS, BAD_CHANNELS
from evoalign.sorting.traces import Chunk, Traces


def sorted_of(found):
    return found.units[found.units["kind"] == "sorted"]


def samples_of(found, unit):
    """Samples over the joined segments: the pause of a second after six is left out."""
    times = found.spikes.loc[found.spikes["unit"] == unit, "time_s"].to_numpy()
    return np.rint((times - np.where(times > 6.5, 1.0, 0.0)) * RATE).astype(int)


@pytest.fixture(scope="module")
def analyzer(exported):
    return si.load_sorting_analyzer(exported / "analyzer")


def test_an_analyzer_holds_our_units_with_label_and_channel(recorded, analyzer):
    units = sorted_of(recorded[2])
    assert analyzer.unit_ids.tolist() == units["unit"].tolist()
    assert analyzer.sorting.get_property("label").tolist() == units["label"].tolist()
    assert analyzer.sorting.get_property("channel").tolist() == units["channel"].tolist()
    for unit in units["unit"]:
        train = analyzer.sorting.get_unit_spike_train(unit, 0)
        # Troughs lie between samples; at a half, rounding may go either way.
        np.testing.assert_allclose(train, samples_of(recorded[2], unit), atol=1)


def test_its_templates_are_our_waveforms(recorded, analyzer):
    found = recorded[2]
    templates = analyzer.get_extension("templates").get_templates(operator="average")
    for row, unit in enumerate(sorted_of(found).itertuples()):
        own = found.waveforms[found.waveforms["unit"] == unit.unit]["mean_uv"].to_numpy()
        column = analyzer.channel_ids.tolist().index(unit.channel)
        assert np.corrcoef(templates[row, :, column], own)[0, 1] > 0.99
        assert templates[row, :, column].min() == pytest.approx(own.min(), rel=0.05)


def test_another_process_in_another_folder_opens_it_with_its_voltages(exported, tmp_path):
    program = (
        "import sys, spikeinterface as si; a = si.load_sorting_analyzer(sys.argv[1]);"
        "print(a.has_recording(), a.recording.get_traces(start_frame=0, end_frame=300).std() > 5)"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(exported / "analyzer")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_voltages_are_those_that_the_sorter_saw(recorded):
    recording, channels, found = recorded
    settings = Sorting(reference_min_channels=2)
    artefacts = pd.DataFrame([("common", "A", -1, 8.0, 8.25)], columns=ARTEFACTS.names)
    voltages = stream_recording(recording.streams["broadband"])
    given = {"bad_channels": found.bad_channels, "channels": channels, "artefacts": artefacts}
    theirs = preprocessed(voltages, given, settings)
    assert theirs.channel_ids.tolist() == [1, 2, 3] and theirs.get_num_segments() == 1
    traces = Traces(voltages, channels, settings)
    traces.leave_out((found.bad_channels["reason"] != "").to_numpy())
    traces.blank([(one.period, one.rows) for one in from_table(traces, artefacts)])
    ours = traces.filtered(Chunk(1, 30_000, 60_000))[:3]
    shown = theirs.get_traces(start_frame=210_000, end_frame=240_000, return_in_uV=True).T
    # Theirs is filtered before it is blanked.
    assert np.abs(ours - shown)[:, 9000:].max() < 1.0
    assert (shown[:, 500:7000] == 0).all() and (ours[:, 500:7000] == 0).all()


def test_phy_finds_files_that_agree(recorded, exported):
    folder = exported / "phy"
    said = runpy.run_path(str(folder / "params.py"))
    assert (said["dat_path"], said["n_channels_dat"], said["sample_rate"]) == ("recording.dat", 3, RATE)
    data = np.memmap(folder / "recording.dat", dtype=said["dtype"], mode="r").reshape(-1, 3)
    assert len(data) == round(12 * RATE)
    times, clusters = (np.load(folder / f"spike_{name}.npy").ravel() for name in ("times", "clusters"))
    ids = pd.read_csv(folder / "cluster_si_unit_ids.tsv", sep="\t")["si_unit_id"]
    for cluster, unit in enumerate(ids):
        np.testing.assert_allclose(times[clusters == cluster], samples_of(recorded[2], unit), atol=1)
    label = pd.read_csv(folder / "cluster_label.tsv", sep="\t")["label"]
    assert label.tolist() == sorted_of(recorded[2])["label"].tolist()


def test_a_session_without_sorted_units_or_voltages_is_one_message(recorded, tmp_path):
    recording, channels, found = recorded
    given = {name: getattr(found, name) for name in ("units", "spikes", "bad_channels", "artefacts")}
    none = given | {"channels": channels, "units": found.units[found.units["kind"] != "sorted"]}
    with pytest.raises(InputError, match="no sorted units"):
        write_analyzer(recording, none, Sorting(), 0, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_times_in_two_segments_are_counted_on(recorded):
    voltages = stream_recording(recorded[0].streams["broadband"])
    assert joined_samples(np.array([0.0, 5.0, 7.0, 8.0]), voltages).tolist() == [0, 150_000, 180_000, 210_000]


def test_voltages_at_full_scale_do_not_wrap_around(tmp_path):
    """A square wave from end to end of 16 bits, as of a stimulator: its fundamental is 4 / pi of it."""
    rng = np.random.default_rng(0)
    counts = np.rint(rng.normal(0, 40, (30_000, 4))).astype(np.int16)
    counts[9_000:12_000, 1] = np.where(np.arange(3_000) // 12 % 2, 32_767, -32_768)
    write_nsx(tmp_path / "a.ns6", [counts], channel_ids=[1, 2, 3, 4], gain_uv=0.25)
    recording = open_recording([tmp_path / "a.ns6"])
    settings = Sorting(reference_min_channels=2, blank_artefacts=False)
    voltages, channels = stream_recording(recording.streams["broadband"]), make_channels(4, "A")
    nothing = {"bad_channels": tables.empty(BAD_CHANNELS), "artefacts": tables.empty(ARTEFACTS)}
    theirs = preprocessed(voltages, nothing | {"channels": channels}, settings)
    shown = theirs.get_traces(start_frame=0, end_frame=30_000, return_in_uV=True).T
    ours = Traces(voltages, channels, settings).filtered(Chunk(0, 0, 30_000))
    assert np.abs(ours).max() > 8192, "filtered voltages go beyond 16 bits of 0.25 microvolts"
    assert np.abs(ours - shown)[:, 3_000:-3_000].max() < 1.0
