"""What is packaged comes back, in equal bytes, whatever a session lacks."""

import copy
import dataclasses
import datetime as dt
import hashlib
import os
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hdmf.data_utils import DataChunk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from session_to_package import CONFIG, START, frame, full_session, write_images

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.tables import PRESENTATIONS
from evoalign.nwb.chunks import write_chunks
from evoalign.nwb.contents import TABLES, SessionContents, SessionMetadata, check_contents
from evoalign.nwb.diff import content_differences
from evoalign.nwb.images import ImageFolder
from evoalign.nwb.read import read_nwb
from evoalign.nwb.settings import Nwb
from evoalign.nwb.write import write_nwb
from evoalign.responses.session_responses import responses_from
from evoalign.responses.settings import Responses
from evoalign.sorting.tables import SPIKES, WAVEFORMS


def assert_comes_back(written, found):
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(found, name), getattr(written, name), check_exact=True)
    assert found.start == written.start
    assert dataclasses.replace(found.metadata, identifier="") == dataclasses.replace(
        written.metadata, identifier=""
    )
    assert found.settings == written.settings and found.provenance == written.provenance
    assert list(found.latents) == sorted(written.latents)
    for key, (codes, ids) in written.latents.items():
        assert np.array_equal(found.latents[key][0], codes) and found.latents[key][1] == list(ids)
    assert list(found.images) == list(written.images)
    for name in written.images:
        assert np.array_equal(found.images[name], written.images[name])


def test_everything_packaged_comes_back(packaged):
    contents, path = packaged
    assert_comes_back(contents, read_nwb(path))


def test_a_file_read_and_written_again_has_equal_content(packaged, tmp_path):
    write_nwb(tmp_path / "again.nwb", read_nwb(packaged[1]), CONFIG)
    assert content_differences(packaged[1], tmp_path / "again.nwb") == []


def test_writing_warns_of_nothing(contents, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        write_nwb(tmp_path / "s1.nwb", contents, CONFIG)
        read_nwb(tmp_path / "s1.nwb")


def test_two_builds_have_equal_bytes_in_processes_of_other_hash_seeds(packaged, tmp_path):
    program = (
        "import sys; from pathlib import Path; from evoalign.nwb.write import write_nwb;"
        "from session_to_package import CONFIG, full_session;"
        "write_nwb(sys.argv[1], full_session(Path(sys.argv[2])), CONFIG)"
    )
    path = tmp_path / "again.nwb"
    # Of this checkout, which need not be the one that is installed.
    places = [str(Path(__file__).parent), *sys.path]
    environment = {"PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join(places), "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-c", program, str(path), str(tmp_path / "images")]
    subprocess.run(command, check=True, env=environment)
    assert content_differences(packaged[1], path) == []
    assert path.read_bytes() == packaged[1].read_bytes()


@pytest.mark.parametrize(
    "left_out",
    [
        ("presentations", "alignment", "generators", "latents", "images"),
        ("units", "spikes", "waveforms"),
        ("images",),
        ("latents", "generators"),
        ("channels", "units", "spikes", "waveforms", "bad_channels", "segments"),
        ("words", "alignment", "raw_files", "settings", "provenance", "waveforms"),
        (*TABLES, "latents", "images", "settings", "provenance"),
    ],
)
def test_a_session_that_lacks_parts_comes_back(contents, tmp_path, left_out):
    if "channels" in left_out:
        contents.envelope = None
    for name in left_out:
        setattr(contents, name, tables.empty(tables.contract_of(name)) if name in TABLES else {})
    write_nwb(tmp_path / "s1.nwb", contents, CONFIG)
    assert_comes_back(contents, read_nwb(tmp_path / "s1.nwb"))


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_large_arrays_come_back_packed_or_not(contents, tmp_path, compression):
    rng = np.random.default_rng(1)
    times = np.sort(rng.uniform(0, 40, 20_000))
    more = pd.DataFrame({"unit": np.repeat([4, 0], 10_000), "time_s": times})
    contents.spikes = pd.concat([contents.spikes, more])
    config = CONFIG.model_copy(update={"nwb": Nwb(compression=compression)})
    write_nwb(tmp_path / "s1.nwb", contents, config)
    assert_comes_back(contents, read_nwb(tmp_path / "s1.nwb"))
    with h5py.File(tmp_path / "s1.nwb") as file:
        assert file["units/spike_times"].compression == (None if compression == "none" else "gzip")


text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
number = st.floats(-1e3, 1e3) | st.just(float("nan"))


@st.composite
def presentation_tables(draw):
    n = draw(st.integers(0, 5))
    made = {}
    for field in PRESENTATIONS:
        kinds = {tables.INT: st.integers(-(2**40), 2**40), tables.FLOAT: number, tables.TEXT: text}
        made[field.name] = draw(st.lists(kinds.get(field.type, st.booleans()), min_size=n, max_size=n))
    made["presentation"] = list(range(n))
    return tables.conform(pd.DataFrame(made), PRESENTATIONS) if n else tables.empty(PRESENTATIONS)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    shown=presentation_tables(),
    trains=st.lists(st.lists(st.floats(0, 1e5), max_size=5), max_size=3),
    waveform=st.lists(st.floats(-1e4, 1e4, width=32) | st.floats(-1e4, 1e4), min_size=1, max_size=4),
    name=text.filter(bool),
)
def test_any_table_comes_back(tmp_path_factory, shown, trains, waveform, name):
    base = full_session(tmp_path_factory.mktemp("images"))
    units = base.units.iloc[: len(trains)].assign(reason="").drop(columns="reason")
    rows = [(unit, time) for unit, times in enumerate(trains) for time in times]
    shapes = [(0, k / 30 - 0.5, value, abs(value)) for k, value in enumerate(waveform)] if trains else []
    contents = SessionContents(
        metadata=SessionMetadata("s2", name),
        start=START,
        channels=base.channels,
        units=units,
        spikes=frame(SPIKES, rows) if rows else tables.empty(SPIKES),
        waveforms=frame(WAVEFORMS, shapes) if shapes else tables.empty(WAVEFORMS),
        presentations=shown,
    )
    path = tmp_path_factory.mktemp("any") / "s2.nwb"
    write_nwb(path, contents, CONFIG)
    assert_comes_back(contents, read_nwb(path))


def test_responses_from_the_file_equal_those_from_the_tables(packaged):
    contents, path = packaged
    found = responses_from(read_nwb(path), Responses())
    wanted = responses_from(contents, Responses())
    assert np.array_equal(found.counts, wanted.counts) and found.counts.any()
    assert found.area == "V4"


def test_a_start_with_another_time_zone_is_the_same_instant(contents, tmp_path):
    contents.start = START.astimezone(dt.timezone(dt.timedelta(hours=-5)))
    write_nwb(tmp_path / "s1.nwb", contents, CONFIG)
    assert read_nwb(tmp_path / "s1.nwb").start == START


def test_what_differs_is_told_by_its_path(packaged, contents, tmp_path):
    contents.spikes.loc[3, "time_s"] += 1e-9
    contents.presentations.loc[2, "reason"] = "late"
    write_nwb(tmp_path / "other.nwb", contents, CONFIG)
    found = content_differences(packaged[1], tmp_path / "other.nwb")
    assert found == ["/intervals/presentations/reason: values differ", "/units/spike_times: values differ"]


def test_the_identifier_follows_from_the_raw_files(packaged, contents, tmp_path):
    contents.raw_files.loc[0, "sha256"] = "9" * 64
    write_nwb(tmp_path / "other.nwb", contents, CONFIG)
    assert read_nwb(tmp_path / "other.nwb").metadata.identifier != read_nwb(packaged[1]).metadata.identifier


def broken(**changed):
    def change(contents):
        for key, value in changed.items():
            setattr(contents, key, value(getattr(contents, key)))

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (broken(units=lambda t: t.assign(unit=3)), "stands twice"),
        (broken(units=lambda t: t.assign(channel=77)), "no neural channel"),
        (broken(spikes=lambda t: t.assign(unit=99)), "not in the table of units"),
        (broken(waveforms=lambda t: t.assign(unit=99)), "not in the table of units"),
        (broken(spikes=lambda t: t.assign(time_s=np.nan)), "not finite"),
        (broken(channels=lambda t: t.assign(channel=1)), "stands twice"),
        (broken(start=lambda t: t.replace(tzinfo=None)), "time zone"),
        (broken(words=lambda t: t.drop(columns="word")), "breaks its contract"),
        (broken(latents=lambda t: {**t, (1, 0): (np.zeros((4, 7)), ["a"] * 4)}), "several dimensions"),
    ],
)
def test_contents_that_cannot_be_packaged_are_an_input_error(contents, tmp_path, change, said):
    change(contents)
    with pytest.raises(InputError, match=said):
        write_nwb(tmp_path / "s1.nwb", contents, CONFIG)
    assert list(tmp_path.glob("*.nwb")) == []


def test_a_missing_a_doubled_and_a_broken_image_are_input_errors(tmp_path):
    write_images(tmp_path / "a", ["one", "two"], np.random.default_rng(0))
    with pytest.raises(InputError, match="the first is 'three'"):
        ImageFolder(tmp_path, ["one", "three"])
    write_images(tmp_path / "b", ["one"], np.random.default_rng(0))
    with pytest.raises(InputError, match="stands twice"):
        ImageFolder(tmp_path, ["one"])
    file = tmp_path / "a" / "two.png"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(InputError, match="cannot be read"):
        ImageFolder(tmp_path, ["two"])["two"]


def test_canonical_contents_stay_as_they_are(contents):
    once = copy.deepcopy(check_contents(contents))
    twice = check_contents(contents)
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(once, name), getattr(twice, name))


def test_a_file_is_not_touched_by_reading(packaged):
    before = hashlib.sha256(packaged[1].read_bytes()).hexdigest()
    read_nwb(packaged[1])
    assert hashlib.sha256(packaged[1].read_bytes()).hexdigest() == before


@pytest.mark.parametrize("compression", ["gzip", "none"])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("n", "width"), [(100, 3), (250, 3), (300, 4), (999, 7)])
def test_streamed_chunks_are_what_hdf5s_own_filters_read(tmp_path, compression, n, width, threads):
    """Also where data end within a chunk: HDF5 stores whole ones."""
    counts = np.random.default_rng(n).integers(-(2**15), 2**15, (n, width)).astype(np.int16)
    level = None if compression == "none" else 3
    own = {} if compression == "none" else {"compression": "gzip", "compression_opts": 3, "shuffle": True}
    pieces = [
        DataChunk(data=counts[start : start + 100], selection=np.s_[start : min(start + 100, n), 0:width])
        for start in range(0, n, 100)
    ]
    with h5py.File(tmp_path / "chunks.h5", "w") as file:
        ours = file.create_dataset("ours", counts.shape, "i2", chunks=(100, 3), **own)
        write_chunks(ours, pieces, level, threads)
        file.create_dataset("theirs", data=counts, chunks=(100, 3), **own)
    with h5py.File(tmp_path / "chunks.h5") as file:
        assert np.array_equal(file["ours"][:], counts)
        assert file["ours"].id.get_num_chunks() == file["theirs"].id.get_num_chunks()
        if level:
            # The library's own bytes, not only its values: shuffled, in zlib's format, the whole chunk.
            chunk = [
                zlib.decompress(file[name].id.read_direct_chunk((0, 0))[1]) for name in ("ours", "theirs")
            ]
            assert chunk[0] == chunk[1]
