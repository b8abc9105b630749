"""A bundle that Plexon's library exports gives the recording that our reader of .pl2 gives."""

import ctypes
import json
import re

import numpy as np
import pandas as pd
import pytest

from evoalign.errors import InputError
from evoalign.formats.opening import open_recording
from evoalign.formats.pl2 import export as exporter
from evoalign.formats.pl2 import layout as pl2
from evoalign.formats.pl2 import read as plexon2
from evoalign.formats.pl2.__main__ import main
from evoalign.formats.pl2.file import read_pl2
from evoalign.formats.pl2.write import write_pl2
from evoalign.formats.plexon.raw_bytes import text
from evoalign.formats.plx.write import ContinuousGroup


class StandIn:
    """Answers the C functions that the export calls, from our own reading of the file."""

    def __init__(self, more=0):
        self.more = more  # samples announced beyond those returned

    def PL2_OpenFile(self, path, handle):
        self.file = read_pl2(exporter.Path(path.decode()))
        self.tables = {
            "Analog": self.file.analog_headers,
            "Spike": self.file.spike_headers,
            "Digital": self.file.event_headers,
        }
        handle._obj.value = 1
        return 1

    def PL2_CloseFile(self, handle):
        handle.value = 0

    def PL2_GetLastError(self, buffer, n):
        buffer.value = b"stand-in"

    def PL2_GetFileInfo(self, handle, info):
        header, info = self.file.header, info._obj
        for name in ("CreatorComment", "CreatorSoftwareName", "CreatorSoftwareVersion"):
            setattr(info, f"m_{name}", bytes(header[name]))
        for (name, _), value in zip(exporter.Tm._fields_, header["CreatorDateTime"], strict=False):
            setattr(info.m_CreatorDateTime, name, int(value))
        info.m_CreatorDateTimeMilliseconds = int(header["CreatorDateTime"][9])
        info.m_TimestampFrequency = float(header["TimestampFrequency"])
        info.m_TotalNumberOfSpikeChannels = len(self.file.spike_headers)
        info.m_TotalNumberOfAnalogChannels = len(self.file.analog_headers)
        info.m_NumberOfDigitalChannels = len(self.file.event_headers)
        info.m_MaximumTrodality = int(header["MaximumTrodality"])
        return 1

    def own(self, kind, index, block):
        head, blocks = self.tables[kind][index], self.file.rows(block)
        return blocks.take(
            np.flatnonzero((blocks.source == head["Source"]) & (blocks.channel == head["Channel"]))
        )

    def describe(self, kind, index, info):
        head, info = self.tables[kind][index.value], info._obj
        for name, _ in info._fields_:
            field = name.removeprefix("m_")
            if field in head.dtype.names and field != "UnitCounts":
                setattr(info, name, head[field].item())
        return head, info

    def PL2_GetAnalogChannelInfo(self, handle, index, info):
        _, info = self.describe("Analog", index, info)
        blocks = self.own("Analog", index.value, pl2.ANALOG_BLOCK)
        info.m_NumberOfValues = int(blocks.n.sum()) + (self.more if blocks.n.size else 0)
        info.m_MaximumNumberOfFragments = blocks.n.size
        return 1

    def PL2_GetSpikeChannelInfo(self, handle, index, info):
        head, info = self.describe("Spike", index, info)
        info.m_UnitCounts[:] = head["UnitCounts"].tolist()
        info.m_NumberOfSpikes = int(head["UnitCounts"].sum())
        return 1

    def PL2_GetDigitalChannelInfo(self, handle, index, info):
        _, info = self.describe("Digital", index, info)
        info.m_NumberOfEvents = int(self.own("Digital", index.value, pl2.EVENT_BLOCK).n.sum())
        return 1

    def PL2_GetAnalogChannelData(self, handle, index, k, n, ticks, counts, values):
        blocks = self.own("Analog", index.value, pl2.ANALOG_BLOCK)
        k._obj.value, n._obj.value = blocks.n.size, int(blocks.n.sum())
        put(ticks, blocks.tick)
        put(counts, blocks.n)
        raw = self.file.content.view("<i2")
        put(values, np.concatenate([raw[w : w + n] for w, n in zip(blocks.word, blocks.n, strict=True)]))
        return 1

    def PL2_GetSpikeChannelData(self, handle, index, n, ticks, units, waveforms):
        blocks = self.own("Spike", index.value, pl2.SPIKE_BLOCK)
        n._obj.value = self.stamps(blocks, ticks, units)
        put(waveforms, np.concatenate([self.file.waveforms(blocks, b).ravel() for b in range(blocks.n.size)]))
        return 1

    def PL2_GetDigitalChannelData(self, handle, index, n, ticks, values):
        n._obj.value = self.stamps(self.own("Digital", index.value, pl2.EVENT_BLOCK), ticks, values)
        return 1

    def PL2_GetStartStopChannelInfo(self, handle, n):
        n._obj.value = int(self.file.rows(pl2.START_STOP_BLOCK).n.sum())
        return 1

    def PL2_GetStartStopChannelData(self, handle, n, ticks, values):
        n._obj.value = self.stamps(self.file.rows(pl2.START_STOP_BLOCK), ticks, values)
        return 1

    def stamps(self, blocks, ticks, values):
        parts = [self.file.stamps(blocks, block) for block in range(blocks.n.size)]
        put(ticks, np.concatenate([tick for tick, _ in parts]))
        put(values, np.concatenate([value for _, value in parts]))
        return sum(len(tick) for tick, _ in parts)


def put(pointer, values):
    """Copy to where a C function would write."""
    np.ctypeslib.as_array(pointer, (len(values),))[:] = values


@pytest.fixture
def path(tmp_path):
    rng = np.random.default_rng(0)
    samples = rng.integers(-(2**15), 2**15, (5_000, 3)).astype(np.int16)
    light = rng.integers(0, 9_000, (500, 1)).astype(np.int16)
    spikes = pd.DataFrame({"channel": [1, 2, 1, 1], "unit": [0, 1, 2, 1], "time_s": [0.01, 0.02, 0.03, 0.05]})
    words = pd.DataFrame({"time_s": [0.01, 0.02, 0.04], "word": [9, 65_535, 3], "source": "strobed"})
    words.loc[2, "source"] = "bit"
    file = tmp_path / "a.pl2"
    write_pl2(
        file,
        [samples],
        names=["WB01", "WB02", "SPKC01"],
        gain_uv=0.25,
        spike_channels=[1, 2],
        spikes=spikes,
        waveforms=rng.integers(-500, 500, (4, 32)).astype(np.int16),
        words=words,
        pauses=[(2_000, 0.5)],
        more=[ContinuousGroup([light], ["AI01"], 150.0, 1_000, [(50, 0.5)])],
        block_samples=700,
    )
    return file


@pytest.fixture
def bundle(path):
    return exporter.export(path, path.with_suffix(".pl2bundle"), StandIn())


def test_the_bundle_is_the_recording(path, bundle):
    of_file, of_bundle = open_recording(path), open_recording(bundle)
    assert of_bundle.start == of_file.start
    for table in ("channels", "segments", "words", "online_spikes"):
        pd.testing.assert_frame_equal(getattr(of_bundle, table), getattr(of_file, table))
    assert list(of_bundle.streams) == list(of_file.streams) == ["broadband", "highpass", "analog"]
    for name, stream in of_file.streams.items():
        assert len(stream.segments) == 2
        for segment, (_, n) in enumerate(stream.segments):
            np.testing.assert_array_equal(
                of_bundle.streams[name].read(segment, 0, n), stream.read(segment, 0, n)
            )
    assert set(of_bundle.words["source"]) == {"start", "stop", "strobed", "bit"}
    # Waveforms too are in the bundle, as they are in the file.
    _, waveforms, _ = plexon2.spike_waveforms(path, 1)
    np.testing.assert_array_equal(np.load(bundle / "spikes_000_waveforms.npy"), waveforms)


def test_an_export_is_the_same_bytes_again(path, bundle, tmp_path):
    again = exporter.export(path, tmp_path / "again.pl2bundle", StandIn())
    assert {f.name: f.read_bytes() for f in again.iterdir()} == {
        f.name: f.read_bytes() for f in bundle.iterdir()
    }


def test_every_change_of_a_bundle_is_found(bundle, capsys):
    assert main(["verify", str(bundle)]) == 0
    file = bundle / "analog_000.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="has changed since it was written"):
        open_recording(bundle)
    assert main(["verify", str(bundle)]) == 1
    file.write_bytes(content[:-1])
    with pytest.raises(InputError, match="not the size"):
        open_recording(bundle)
    file.unlink()
    with pytest.raises(InputError, match=re.escape("missing or too many: analog_000.npy")):
        open_recording(bundle)
    (bundle / "manifest.json").unlink()
    with pytest.raises(InputError, match="no readable bundle"):
        open_recording(bundle)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"version": 2}, "version 2 is unknown"),
        ({"format": "other"}, "no manifest of"),
        ({"files": None}, "lists no files"),
        ({"header": {}}, "does not describe the bundle"),
        ({"analog": [{"NumberOfValues": 1}]}, "does not describe the bundle"),
    ],
)
def test_a_wrong_manifest_is_an_input_error(bundle, change, what):
    manifest = bundle / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))
    with pytest.raises(InputError, match=what):
        open_recording(bundle)


def test_no_bundle_is_left_when_totals_disagree(path, tmp_path):
    with pytest.raises(exporter.LibraryError, match="announced 5001 and returned 5000"):
        exporter.export(path, tmp_path / "b.pl2bundle", StandIn(more=1))
    assert [file.name for file in tmp_path.iterdir()] == ["a.pl2"]


def test_a_missing_library_is_one_line_and_no_bundle(path, tmp_path, capsys):
    assert main(["export", str(path), "--library", str(tmp_path / "no.dll")]) == 1
    assert capsys.readouterr().err.startswith("no bundle was written: cannot load Plexon's library")
    assert [file.name for file in tmp_path.iterdir()] == ["a.pl2"]


def test_a_bundle_is_not_written_over(path, bundle):
    with pytest.raises(exporter.LibraryError, match="exists already"):
        exporter.export(path, bundle, StandIn())


def test_the_structures_are_those_of_the_64_bit_library():
    # C's sizes by its alignment rules: 64 name + 4 x 4 + .. with doubles and 64-bit totals on 8 bytes.
    assert ctypes.sizeof(exporter.AnalogInfo) == 64 + 16 + 16 + 16 + 8 + 16
    assert ctypes.sizeof(exporter.SpikeInfo) == 64 + 16 + 16 + 16 + 8 * 4 + 256 * 8 + 8 + 8
    assert ctypes.sizeof(exporter.DigitalInfo) == 64 + 16 + 8


def test_names_in_the_manifest_are_the_files(path, bundle):
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert [c["Name"] for c in manifest["analog"]] == [text(h["Name"]) for h in read_pl2(path).analog_headers]
    assert manifest["source"]["sha256"] == exporter.file_sha256(path)
