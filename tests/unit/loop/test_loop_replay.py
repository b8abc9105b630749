"""A rate computed during a session is that of the finished session, over three vendors' files."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from evoalign import tables
from evoalign.analysis.settings import AnalysisConfig
from evoalign.errors import InputError
from evoalign.events.align import align
from evoalign.events.align_session import find_photodiode
from evoalign.events.latent_codes import read_codes
from evoalign.events.log import read_log
from evoalign.events.settings import Events
from evoalign.formats.opening import open_recording
from evoalign.formats.pl2.write import write_pl2
from evoalign.formats.plx.write import ContinuousGroup
from evoalign.loop.command import JOURNAL, run_evolution
from evoalign.loop.journal import read_journal
from evoalign.loop.settings import Evolve
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.nwb.write import write_nwb
from evoalign.responses.rates import rates, windowed
from evoalign.responses.session_responses import count_spikes
from evoalign.responses.settings import Responses
from evoalign.sheet import load_sessions
from evoalign.simulate.demo import PHOTODIODE, simulate_session
from evoalign.simulate.settings import Demo
from evoalign.sorting.tables import SPIKES, UNITS
from evoalign.study import Config

DEMO = Demo(n_electrodes=4, n_blocks=4, images_per_thread=5, references_per_thread=1)
RAW = {
    "blackrock": ("{}.nev", "{}.ns6"),
    "plexon": ("{}.plx",),
    "plexon2": ("{}.pl2",),
    "neuralynx": ("{}_neuralynx",),
}


@pytest.fixture(scope="module", params=sorted(RAW))
def replayed(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    vendor = "plexon" if request.param == "plexon2" else request.param
    simulate_session(folder / "s", area="IT", vendor=vendor, settings=DEMO, seed=5)
    if request.param == "plexon2":
        as_pl2(folder / "s")
    return folder, _settings(folder, request.param)


def as_pl2(folder):
    """Write the words, online spikes and photodiode of a .plx as .pl2."""
    recording = open_recording([str(folder / "s.plx")])
    analog = next(stream for stream in recording.streams.values() if stream.sampling_rate_hz == 1_000)
    samples = analog.read(0, 0, analog.segments[0][1], analog.channels)
    write_pl2(
        folder / "s.pl2",
        spike_channels=range(1, DEMO.n_electrodes + 1),
        spikes=recording.online_spikes,
        words=recording.words[recording.words["source"] == "strobed"],
        more=[ContinuousGroup([samples], ["AI01"], float(analog.gain_uv[0]), 1_000)],
    )
    (folder / "s.plx").unlink()


def as_nwb(recording, path):
    """Write the words and online units of a recording as NWB."""
    spikes = recording.online_spikes
    keys = spikes[["channel", "unit"]].drop_duplicates().sort_values(["channel", "unit"])
    units = pd.DataFrame(
        {name: [False if name == "preferred" else 0] * len(keys) for name in UNITS.names}
    ).assign(
        unit=range(len(keys)),
        kind="online",
        channel=keys["channel"].to_numpy(),
        vendor_unit=keys["unit"].to_numpy(),
        **{field.name: "" for field in UNITS if field.type == pa.string() and field.name != "kind"},
    )
    number = units.set_index(["channel", "vendor_unit"])["unit"]
    of_unit = number.loc[list(zip(spikes["channel"], spikes["unit"], strict=True))].to_numpy()
    frame = dict.fromkeys(SPIKES.names, 0.0) | {"unit": of_unit, "time_s": spikes["time_s"].to_numpy()}
    table = pd.DataFrame(frame).sort_values(["unit", "time_s"], ignore_index=True)
    contents = SessionContents(
        SessionMetadata("s", "R", "4a"),
        dt.datetime(2026, 3, 2, 10, tzinfo=dt.UTC),
        channels=recording.channels.assign(stream=""),
        words=recording.words,
        units=tables.conform(units, UNITS),
        spikes=tables.conform(table, SPIKES),
    )
    write_nwb(path, contents, Config())


def _settings(folder, vendor, **replay):
    files = [str(folder / "s" / name.format("s")) for name in RAW[vendor]]
    return Evolve.model_validate(
        {
            "session": "replayed",
            "subject": "R",
            "folder": str(folder / "run"),
            "n_blocks": 4,
            "references": 1,
            "preferred": "4a",
            "threads": [{"space": "texture", "images": 5}, {"space": "object", "images": 5}],
            "min_free_mb": 1,
            "replay": {
                "raw": files,
                "log": str(folder / "s" / "log.tsv"),
                "photodiode": PHOTODIODE["plexon" if vendor == "plexon2" else vendor],
                **replay,
            },
        }
    )


def offline_rates(row):
    """Rates of a finished session of the sample sheet, from its files alone."""
    analysis, responses, events = AnalysisConfig().analysis, Responses(), Events()
    recording = open_recording(row.raw)
    photodiode = find_photodiode(recording, row.photodiode, events)
    log = read_log(row.log, events, row.spaces)
    presentations = align(
        log, recording.words, events, photodiode, session=row.session, segments=recording.segments
    ).presentations
    spikes = recording.online_spikes
    of_unit = spikes[(spikes["channel"] == row.preferred_channel) & (spikes["unit"] == row.preferred_unit)]
    counts = count_spikes(
        of_unit.assign(unit=0), [0], presentations["onset_s"], responses.start_ms, responses.stop_ms
    )[0]
    smooth = rates(counts, responses.start_ms, analysis.smoothing_sigma_ms, analysis.window_ms)
    evoked = windowed(smooth, analysis.window_ms[0], analysis.evoked_ms).numpy()
    return presentations.assign(rate=evoked)[presentations["valid"]]


def online_rates(folder):
    return {
        (record["block"], name): rate
        for record in read_journal(folder / JOURNAL)
        if record["kind"] == "scored"
        for name, rate in record["rates"].items()
    }


def test_online_rates_equal_offline_rates_exactly(replayed):
    folder, settings = replayed
    sheet = run_evolution(settings)
    (row,) = load_sessions(sheet)
    assert row.photodiode == settings.replay.photodiode
    offline = offline_rates(row).groupby(["block", "image"])["rate"].mean()
    online = online_rates(folder / "run")
    assert len(online) == 4 * 12
    assert len(set(online.values())) > 20
    assert set(offline.index) == set(online)
    assert [online[key] for key in offline.index] == offline.tolist()
    codes = read_codes(row.latents)
    assert set(codes) == {(block, thread) for block in range(1, 5) for thread in (0, 1)}


def test_the_photodiode_times_presentations_as_offline_exactly(replayed, monkeypatch):
    """Onsets of each block when it was scored, and of the finished session."""
    folder, settings = replayed
    online = []

    def spied(log, *arguments, **options):
        aligned = align(log, *arguments, **options)
        newest = aligned.presentations["block"] == log["block"].max()
        online.append(aligned.presentations[newest])
        return aligned

    monkeypatch.setattr("evoalign.loop.scoring.align", spied)
    (row,) = load_sessions(run_evolution(settings.model_copy(update={"folder": str(folder / "light")})))
    offline = offline_rates(row)
    of_blocks = pd.concat(online)[lambda frame: frame["valid"]]
    assert (of_blocks["onset_source"] == "photodiode").all()
    assert of_blocks["onset_s"].tolist() == offline["onset_s"].tolist()
    assert of_blocks["image"].tolist() == offline["image"].tolist()


def test_rates_from_an_nwb_file_are_those_of_its_recording(replayed):
    folder, settings = replayed
    as_nwb(open_recording(settings.replay.raw), folder / "s.nwb")
    replay = settings.replay.model_copy(update={"raw": (str(folder / "s.nwb"),), "photodiode": ""})
    sheet = run_evolution(settings.model_copy(update={"folder": str(folder / "from_nwb"), "replay": replay}))
    (row,) = load_sessions(sheet)
    of_recording = row.model_copy(update={"raw": settings.replay.raw})
    offline = offline_rates(of_recording).groupby(["block", "image"])["rate"].mean()
    online = online_rates(folder / "from_nwb")
    assert [online[key] for key in offline.index] == offline.tolist()
    assert len(online) == 4 * 12


def test_a_recording_that_is_too_short_is_told_and_what_was_shown_stays(replayed):
    folder, settings = replayed
    longer = settings.model_copy(update={"folder": str(folder / "longer"), "n_blocks": 5})
    with pytest.raises(InputError, match="the recording has 48 presentations"):
        run_evolution(longer)
    records = read_journal(folder / "longer" / JOURNAL)
    assert sum(record["kind"] == "scored" for record in records) == 4


def test_a_replay_keeps_its_speed(replayed, monkeypatch):
    folder, settings = replayed
    naps = []
    monkeypatch.setattr("evoalign.loop.replay.time.sleep", naps.append)
    monkeypatch.setattr("evoalign.loop.replay.time.monotonic", lambda: 100.0)
    replay = settings.replay.model_copy(update={"speed": 4.0})
    run_evolution(settings.model_copy(update={"folder": str(folder / "slow"), "replay": replay}))
    log = read_log(settings.replay.log, Events())
    ends = log["onset_s"].to_numpy()[11::12] - log["onset_s"].iloc[0] + 0.4
    np.testing.assert_allclose(naps, ends / 4, atol=0.02)


def test_a_replay_without_log_is_refused(replayed):
    folder, settings = replayed
    replay = settings.replay.model_copy(update={"log": ""})
    with pytest.raises(InputError, match="needs a recording and its log"):
        run_evolution(settings.model_copy(update={"folder": str(folder / "none"), "replay": replay}))
