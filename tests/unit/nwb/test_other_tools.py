"""Other tools open the file, and see what we see."""

import json
import re
from pathlib import Path

import numpy as np
import pynapple as nap
import pytest
from pynwb import NWBHDF5IO
from spikeinterface.extractors import read_nwb_sorting

from evoalign.responses.session_responses import responses_from
from evoalign.responses.settings import Responses


@pytest.fixture
def nwb(packaged):
    with NWBHDF5IO(str(packaged[1]), "r") as io:
        yield io.read()


def test_pynwb_sees_subject_electrodes_units_presentations_and_images(packaged, nwb):
    contents, _ = packaged
    assert (nwb.subject.subject_id, nwb.subject.species, nwb.subject.sex) == ("Demo-B", "Macaca mulatta", "U")
    assert nwb.session_id == "s1" and nwb.experimenter == ("Doe, Jane",)
    electrodes = nwb.electrodes.to_dataframe()
    assert electrodes["location"].tolist() == ["V4"] * 5
    assert electrodes["rel_x"].tolist() == contents.channels["x_um"][:5].tolist()
    assert electrodes["is_bad"].tolist() == [False] * 4 + [True]
    units = nwb.units.to_dataframe()
    own = contents.spikes.query("unit == 3")["time_s"].to_numpy()
    assert np.array_equal(units.loc[3, "spike_times"], own)
    assert units.loc[3, "electrodes"].index.tolist() == [contents.units["channel"][3]]
    assert np.allclose(units.loc[0, "waveform_mean"].min() * 1e6, -60, atol=1)  # volts
    assert nwb.units.resolution == pytest.approx(1 / 30_000)
    shown = nwb.intervals["presentations"].to_dataframe()
    assert shown["start_time"].dropna().is_monotonic_increasing
    row = shown[shown["presentation"] == 2].iloc[0]
    images = nwb.stimulus_template["images"]
    picture = images.order_of_images[int(row["image_index"])]
    assert picture.name == row["image"]
    assert np.array_equal(picture.data[:], contents.images[row["image"]])


def test_the_order_of_showing_links_times_to_images(packaged, nwb):
    contents, _ = packaged
    order = nwb.stimulus["presented_images"]
    known = contents.presentations.dropna(subset="onset_s").sort_values("onset_s")
    assert np.array_equal(order.timestamps[:], known["onset_s"])
    names = [order.indexed_images.order_of_images[int(i)].name for i in order.data[:]]
    assert names == known["image"].tolist()


def test_plain_pynwb_needs_no_extension_to_read_it(nwb):
    assert {type(child).__module__.split(".")[0] for child in nwb.all_children()} <= {"pynwb", "hdmf"}


def test_latents_words_and_facts_are_plain_tables(packaged, nwb):
    contents, _ = packaged
    latents = nwb.processing["misc"]["latents_thread001"].to_dataframe()
    row = latents.query("block == 2 and latent_row == 1").iloc[0]
    codes, ids = contents.latents[2, 1]
    assert np.array_equal(row["latent"], codes[1]) and row["image"] == ids[1]
    assert nwb.events["event_words"].to_dataframe()["word"].tolist() == contents.words["word"].tolist()
    facts = nwb.processing["misc"]["facts"].to_dataframe()
    settings = facts[facts["section"] == "settings"].set_index("key")["value"]
    assert json.loads(settings["nwb.raw"]) == "none"


def test_spikeinterface_sees_the_same_spike_trains(packaged):
    contents, path = packaged
    sorting = read_nwb_sorting(path, sampling_frequency=30_000.0, t_start=0.0)
    assert sorted(sorting.unit_ids) == contents.units["unit"].tolist()
    for unit in sorting.unit_ids:
        frames = sorting.get_unit_spike_train(unit)
        own = contents.spikes[contents.spikes["unit"] == unit]["time_s"].to_numpy()
        assert np.array_equal(frames, np.round(own * 30_000).astype(int))
    assert sorting.get_property("kind").tolist() == contents.units["kind"].tolist()


@pytest.mark.filterwarnings("ignore:.*NaN start/end.*")  # the presentation in a pause
def test_a_psth_made_with_pynapple_equals_ours(packaged):
    contents, path = packaged
    file = nap.load_file(str(path))
    units, shown = file["units"], file["presentations"]
    onsets = nap.Ts(shown.start[shown["valid"].to_numpy(bool)])
    responses = responses_from(contents, Responses())
    keep = responses.presentations["valid"].to_numpy()
    edges = np.arange(-50, 251) / 1000
    for row, unit in enumerate(contents.units["unit"]):
        around = nap.compute_perievent(units[unit], onsets, window=(0.0505, 0.2505))
        since = np.concatenate([around[i].t for i in around])
        # Half a nanosecond to the side: spikes on an edge belong to the bin that it starts.
        psth = np.histogram(since + 5e-10, edges)[0]
        assert np.array_equal(psth, responses.counts[row][keep].sum(0))


@pytest.mark.filterwarnings("ignore:.*NaN start/end.*")
def test_the_example_of_the_docs_runs_and_finds_the_spikes_around_onsets(packaged, monkeypatch):
    contents, path = packaged
    text = (Path(__file__).parents[3] / "docs/nwb.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    monkeypatch.chdir(path.parent)
    found = {}
    exec(example, found)
    own = contents.spikes.query("unit == 0")["time_s"].to_numpy()
    onsets = contents.presentations.query("valid")["onset_s"].to_numpy()
    wanted = sum(((own >= onset - 0.05) & (own <= onset + 0.2)).sum() for onset in onsets)
    assert sum(len(found["around"][k]) for k in found["around"]) == wanted > 0
