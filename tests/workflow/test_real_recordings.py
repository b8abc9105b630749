"""Real recordings, not made here, go in by a row of the sample sheet and come out as far as they can.

They lie beside the checkout, in ``../shared/data``, and are no part of the project.
"""

import json

import numpy as np
import pandas as pd
import pytest
from pynwb import NWBHDF5IO
from running import ROOT, copy_checkout, snakemake

from evoalign.formats.monkeylogic.behavior import trials

DATA = ROOT.parent / "shared/data"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real recordings in {DATA}"),
]

# What the files' own headers and the vendors' tools tell: format, spikes, continuous samples of a channel.
KNOWN = {
    "nev_3_0": ("blackrock", 864, {}),
    "nev_ns2_pause": ("blackrock", 5_644 + 5_539, {"analog": 8_000}),
    "plx_v101": ("plexon", 24_717, {}),
    "plx_v106": ("plexon", 8_351, {"analog": 600_806}),
    "pl2_omniplex": ("plexon2", 4_065 + 4_069 + 4_052 + 4_059, {"field": 60_055}),
    "intan_folder": ("intan", 0, {"broadband": 24_320, "analog": 24_320}),
    "open_ephys_binary": ("open_ephys", 3_379, {"broadband": 16}),
    "neuralynx_cheetah4": ("neuralynx", 0, {"broadband": 5_120}),
    "neuralynx_cheetah5": ("neuralynx", 5_699, {}),
    "spike2_smr": ("spike2", 247, {"analog": 45_688}),
    "neuroexplorer": ("neuroexplorer", 45_437, {"analog": 610_207, "analog_2000": 70_031}),
    "spikegadgets": ("spikegadgets", 0, {"broadband": 2}),
}


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A run over every real file, beside a link to them."""
    place = tmp_path_factory.mktemp("real")
    (place / "shared").symlink_to(DATA.parent)
    folder = copy_checkout(place / "checkout")
    snakemake("--cores", 2, "--config", "sessions=tests/data/sessions.tsv", "study=real", cwd=folder)
    return folder / "results"


@pytest.mark.parametrize("session", KNOWN)
def test_the_descriptor_tells_what_the_files_hold(real, session):
    found = json.loads((real / f"sessions/{session}/recording/descriptor.json").read_text())
    format_, spikes, samples = KNOWN[session]
    assert (found["format"], found["online_spikes"]) == (format_, spikes)
    assert {name: stream["samples"] for name, stream in found["streams"].items()} == samples


@pytest.mark.parametrize("session", KNOWN)
def test_the_nwb_file_opens_in_pynwb_and_holds_the_online_units(real, session):
    spikes = pd.read_parquet(real / f"sessions/{session}/recording/online_spikes.parquet")
    with NWBHDF5IO(real / f"nwb/{session}.nwb", "r") as io:
        read = io.read().units
        # Two samples of 128 channels hold no unit at all.
        units = pd.DataFrame({"kind": []}) if read is None else read.to_dataframe()
    online = units[units["kind"] == "online"]
    for _, unit in online.iterrows():
        own = spikes[(spikes["channel"] == unit["channel"]) & (spikes["unit"] == unit["vendor_unit"])]
        np.testing.assert_allclose(np.sort(unit["spike_times"]), np.sort(own["time_s"]), rtol=0, atol=1e-9)
    if spikes.empty:
        assert online.empty
        return
    # Unsorted events of hardly any number are no unit; nothing else is left out.
    assert 0.99 * len(spikes) <= online["spike_times"].map(len).sum() <= len(spikes)


def test_a_pause_is_a_gap_with_its_true_length(real):
    segments = pd.read_parquet(real / "sessions/nev_ns2_pause/recording/segments.parquet")
    assert segments["n_samples"].tolist() == [4_000, 4_000]
    assert segments["start_s"].diff().iloc[1] == pytest.approx(31, abs=0.1)


@pytest.mark.parametrize("session", KNOWN)
def test_a_raster_and_a_quality_page_are_drawn(real, session):
    drawn = {file.name for file in (real / f"figures/{session}").iterdir()}
    assert {"raster.png", "raster.svg", "raster_raster.csv", "quality.png", "quality.svg"} <= drawn


def test_events_of_the_omniplex_get_a_psth(real):
    psth = pd.read_csv(real / "figures/pl2_omniplex/raster_psth.csv")
    assert psth["n_events"].unique().tolist() == [14]


def test_the_monkeylogic_file_is_read_and_holds_no_image_words(real):
    log = pd.read_parquet(real / "sessions/bhv2_dms/events/log.parquet")
    told = trials(DATA / "monkeylogic/231206__dms_younes2.bhv2")
    assert len(told) == 53
    sent = np.concatenate(told["codes"].tolist())
    # A delayed match to sample, not an evolution: its words are none of the study's image words.
    assert not ((sent >= 101) & (sent <= 199)).any()
    assert log.empty


def test_the_report_lists_all_of_them(real):
    page = (real / "report.html").read_text(encoding="utf-8")
    assert all(f"<td>{session}</td>" in page for session in [*KNOWN, "bhv2_dms"])


@pytest.mark.parametrize("session", KNOWN)
def test_no_file_breaks_a_best_practice(real, session):
    findings = pd.read_parquet(real / f"sessions/{session}/nwb/findings.parquet")
    assert set(findings["importance"]) <= {"BEST_PRACTICE_SUGGESTION", "HINT"}
