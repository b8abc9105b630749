"""NWB as the interchange format: all after it follows from the NWB files alone, of whichever kind."""

import datetime as dt
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
import zarr
from pynwb import NWBHDF5IO, NWBFile
from pynwb.file import Subject
from running import results, small_study, snakemake

from evoalign.files import sha256
from evoalign.formats.opening import open_recording
from evoalign.nwb.diff import content_differences
from evoalign.nwb.linked import open_linked

pytestmark = pytest.mark.slow

RAW = {
    "V1_plexon": ["V1_plexon.plx"],
    "IT_blackrock": ["IT_blackrock.nev", "IT_blackrock.ns6"],
}
# A session's tables left of NWB: they come from raw files.
LEFT = ("recording", "events", "sorting", "nwb")


def raw_recording(folder, session):
    return open_recording([folder / f"data/demo/{session}/{file}" for file in RAW[session]])


@pytest.fixture(scope="module")
def repackaged(study, tmp_path_factory):
    """The study with its sessions packaged again: with raw data as Zarr and as HDF5, and linked."""
    folder = tmp_path_factory.mktemp("repackaged") / "study"
    shutil.copytree(study, folder)
    snakemake("--cores", 2, "results/nwb/V1_plexon.nwb.zarr",
              "--config", "nwb={backend: zarr, raw: embed}", cwd=folder)  # fmt: skip
    snakemake("--cores", 2, "results/nwb/IT_blackrock.nwb", "--config", "nwb={raw: embed}", cwd=folder)
    snakemake("--cores", 2, "results/nwb/V1_plexon.nwb", "--config", "nwb={raw: link}", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def from_nwb(study, repackaged, tmp_path_factory):
    """A run in a folder without any raw file, from a Zarr folder and an HDF5 file; with the dandiset."""
    shared = tmp_path_factory.mktemp("shared")
    shutil.copytree(repackaged / "results/nwb/V1_plexon.nwb.zarr", shared / "V1_plexon.nwb.zarr")
    shutil.copy(repackaged / "results/nwb/IT_blackrock.nwb", shared)
    folder = small_study(tmp_path_factory.mktemp("interchange") / "study", source=study)
    rows = [
        f"V1_plexon\tDemo-P\tCMA-ES;CMA-ES\t{shared}/V1_plexon.nwb.zarr",
        f"IT_blackrock\tDemo-B\tCMA-ES;CMA-ES\t{shared}/IT_blackrock.nwb",
    ]
    header = "session\tsubject\toptimisers\tnwb"  # NWB has no place for optimisers
    (folder / "config/sessions.tsv").write_text("\n".join([header, *rows]) + "\n")
    snakemake("--cores", 2, "all", "results/dandiset", cwd=folder)
    assert not (folder / "data").exists()
    return folder


def test_every_table_and_figure_has_the_bytes_of_the_run_from_raw_files(study, from_nwb):
    made, expected = results(from_nwb), results(study)
    right = [
        name
        for name in expected
        if name.startswith(("results/figures/", "results/population/", "results/sessions/"))
        and not (name.startswith("results/sessions/") and Path(name).parts[3] in LEFT)
    ]
    for part in ("figures/V1_plexon", "figures/population", "population/trajectories", "population/encoding"):
        assert any(name.startswith(f"results/{part}/") for name in right)
    for table in ("responses.zarr", "trajectories", "encoding"):
        for session in RAW:
            assert any(name.startswith(f"results/sessions/{session}/{table}/") for name in right)
    assert [name for name in right if made.get(name) != expected[name]] == []


@pytest.mark.parametrize("session", RAW)
def test_embedded_raw_data_are_the_counts_of_the_raw_files(repackaged, session):
    stream = raw_recording(repackaged, session).streams["broadband"]
    n = stream.segments[0][1]
    if session == "V1_plexon":
        data = zarr.open_array(str(repackaged / f"results/nwb/{session}.nwb.zarr/acquisition/broadband/data"))
        found = data[:]
    else:
        with h5py.File(repackaged / f"results/nwb/{session}.nwb") as file:
            found = file["acquisition/broadband/data"][:]
    assert found.shape == (n, 6)
    neural = list(range(1, 7))
    assert np.array_equal(found, stream.read(0, 0, n, neural))


def test_what_is_embedded_or_zarr_is_else_the_same_file(study, repackaged):
    """Beside the raw data only the settings and their hash, and what follows from the hash, may differ."""
    found = content_differences(
        study / "results/nwb/V1_plexon.nwb", repackaged / "results/nwb/V1_plexon.nwb.zarr"
    )
    places = {line.partition(": ")[0] for line in found}
    raw = {place for place in places if place.startswith("/acquisition/")}
    assert raw and places - raw == {"/general/notes", "/processing/misc/facts/value"}


def test_a_link_leads_to_the_raw_files_after_the_study_has_moved(repackaged, tmp_path):
    moved = tmp_path / "moved"
    (moved / "results/nwb").mkdir(parents=True)
    shutil.copy(repackaged / "results/nwb/V1_plexon.nwb", moved / "results/nwb")
    shutil.copytree(repackaged / "data/demo/V1_plexon", moved / "data/demo/V1_plexon")
    stream = open_linked(moved / "results/nwb/V1_plexon.nwb").streams["broadband"]
    assert stream.files == (moved / "data/demo/V1_plexon/V1_plexon.plx",)
    own = raw_recording(repackaged, "V1_plexon").streams["broadband"]
    assert np.array_equal(stream.read(0, 1_000, 2_000), own.read(0, 1_000, 2_000))


def test_the_dandiset_holds_both_kinds_and_dandis_own_tool_finds_nothing(from_nwb):
    dandiset = from_nwb / "results/dandiset"
    places = {
        "sub-Demo-P/sub-Demo-P_ses-V1-plexon_ecephys+image.nwb.zarr": "V1_plexon.nwb.zarr",
        "sub-Demo-B/sub-Demo-B_ses-IT-blackrock_ecephys+image.nwb": "IT_blackrock.nwb",
    }
    sheet = pd.read_csv(from_nwb / "config/sessions.tsv", sep="\t")
    readme = (dandiset / "README.md").read_text()
    for place, shared in places.items():
        (source,) = [file for file in sheet["nwb"] if file.endswith(shared)]
        assert sha256(dandiset / place) == sha256(source)
        assert f"| {place} | {sha256(source)} |" in readme
    assert yaml.safe_load((dandiset / "dandiset.yaml").read_text())["name"] == "demo"
    done = subprocess.run(
        [Path(sys.executable).parent / "dandi", "validate", dandiset],
        env=os.environ | {"DANDI_NO_ET": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def write_external(path, study, session="V1_plexon"):
    """A session as another lab would keep it: trials that hold a picture's times, units by their site."""
    folder = study / f"results/sessions/{session}"
    shown = pd.read_parquet(folder / "events/presentations.parquet").query("valid")
    units = pd.read_parquet(folder / "sorting/units.parquet").query("kind == 'sorted'")
    spikes = pd.read_parquet(folder / "sorting/spikes.parquet")
    start = dt.datetime(2019, 5, 6, 7, tzinfo=dt.timezone(dt.timedelta(hours=9)))
    nwb = NWBFile("passive viewing", "lab-b-0001", start, session_id="2019-05-06")
    nwb.subject = Subject(subject_id="Taro", species="Macaca fuscata", sex="M", age="P7Y", description="him")
    array = nwb.create_electrode_group("utah", "96 sites", "V1", nwb.create_device(name="utah"))
    for site in sorted(units["channel"].unique()):
        nwb.add_electrode(id=int(site), location="V1", group=array)
    nwb.add_unit_column("cluster_label", "by eye")
    nwb.add_unit_column("drove", "the evolution followed this unit")
    rows = nwb.electrodes.id[:]
    for _, unit in units.iterrows():
        nwb.add_unit(
            id=int(unit["unit"]) + 500,
            spike_times=np.sort(spikes.loc[spikes["unit"] == unit["unit"], "time_s"].to_numpy()),
            electrodes=[list(rows).index(unit["channel"])],
            cluster_label=unit["label"],
            drove=bool(unit["preferred"]),
        )
    for name in ("picture", "picture_on", "picture_off", "generation", "arm", "natural"):
        nwb.add_trial_column(name, "of the picture")
    for _, one in shown.iterrows():
        nwb.add_trial(
            start_time=one["onset_s"] - 0.3, stop_time=one["offset_s"] + 0.3, picture=one["image"],
            picture_on=one["onset_s"], picture_off=one["offset_s"], generation=float(one["block"]),
            arm=int(one["thread"]), natural=bool(one["reference"]),
        )  # fmt: skip
    with NWBHDF5IO(str(path), "w") as io:
        io.write(nwb)
    return shown, units


FOREIGN = {
    "presentations": "trials",
    "columns": {
        "image": "picture", "onset_s": "picture_on", "offset_s": "picture_off",
        "block": "generation", "thread": "arm", "reference": "natural",
    },
    # Two units lie on the electrode that the sheet names.
    "unit_columns": {"label": "cluster_label", "preferred": "drove"},
}  # fmt: skip


SEEDED = {"success": ["p_selected", "p_relative"]}


@pytest.fixture(scope="module")
def external(study, tmp_path_factory):
    """A run from a file in another lab's layout, made of a session that the study holds as well."""
    folder = small_study(tmp_path_factory.mktemp("external") / "study", source=study)
    shown, units = write_external(folder / "theirs.nwb", study)
    (preferred,) = units.loc[units["preferred"], "channel"]
    sheet = (
        "session\tsubject\tnwb\tpreferred\tspaces\toptimisers\n"
        f"Taro_1\tTaro\ttheirs.nwb\t{preferred}\ttexture;object\tCMA-ES;CMA-ES\n"
    )
    (folder / "config/sessions.tsv").write_text(sheet)
    config = yaml.safe_load((folder / "config/config.yaml").read_text())
    config["nwb"] |= FOREIGN
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    snakemake("--cores", 2, "all", "results/dandiset", cwd=folder)
    return folder, shown, units


def test_a_file_of_another_lab_gives_the_counts_of_its_spikes(study, external):
    folder, shown, units = external
    found = zarr.open_group(str(folder / "results/sessions/Taro_1/responses.zarr"), mode="r")["counts"][:]
    own = zarr.open_group(str(study / "results/sessions/V1_plexon/responses.zarr"), mode="r")["counts"][:]
    own_units = pd.read_parquet(study / "results/sessions/V1_plexon/responses.zarr/units.parquet")
    rows = [own_units.index[own_units["unit"] == unit][0] for unit in units["unit"]]
    assert np.array_equal(found, own[rows][:, shown["presentation"]])


def test_a_file_of_another_lab_gives_the_same_tables_figures_a_report_and_a_dandiset(study, external):
    folder, _, _ = external
    tables = sorted((study / "results/sessions/V1_plexon/trajectories").glob("*.parquet"))
    assert len(tables) >= 10
    for table in tables:
        own = pd.read_parquet(table)
        found = pd.read_parquet(folder / f"results/sessions/Taro_1/trajectories/{table.name}")
        # Names and numbers are theirs, and the seed of draws follows from the session's name.
        kept = [
            name
            for name in own
            if name not in ("session", "subject", "site", "unit", *SEEDED.get(table.stem, ()))
        ]
        assert len(own) and found[kept].equals(own[kept]), table.name
    assert 'id="session-Taro_1"' in (folder / "results/report.html").read_text(encoding="utf-8")
    assert (folder / "results/figures/Taro_1/paired_evolution.png").exists()
    place = folder / "results/dandiset/sub-Taro/sub-Taro_ses-2019-05-06_ecephys.nwb"
    assert sha256(place) == sha256(folder / "theirs.nwb")


def test_a_heap_of_zeros_ends_its_session_with_one_message_and_not_the_run(external):
    """The HDF5 library would read in circles for ever."""
    folder, _, _ = external
    raw = bytearray((folder / "theirs.nwb").read_bytes())
    place = [match.start() for match in re.finditer(b"GCOL", raw)][1]
    raw[place + 16 : place + 4096] = bytes(4080)
    (folder / "zeros.nwb").write_bytes(raw)
    (folder / "zeros.tsv").write_text("session\tsubject\tnwb\nlost\tTaro\tzeros.nwb\n")
    done = snakemake(
        "--cores", 2, "results/sessions/lost/responses.zarr", "--config", "sessions=zeros.tsv", cwd=folder,
        check=False,
    )  # fmt: skip
    assert done.returncode != 0
    (told,) = re.findall(r"InputError in responses \(session=lost\): .*", done.stdout)
    assert "did not come to an end" in told
    assert re.search(r"zeros\.nwb, /\w+", done.stdout)
