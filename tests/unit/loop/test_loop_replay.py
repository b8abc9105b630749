"""A rate computed during a session is that of the finished session, over three vendors' files."""

import numpy as np
import pytest

from evoalign.analysis.settings import AnalysisConfig
from evoalign.errors import InputError
from evoalign.events.align import align
from evoalign.events.align_session import find_photodiode
from evoalign.events.latent_codes import read_codes
from evoalign.events.log import read_log
from evoalign.events.settings import Events
from evoalign.formats.opening import open_recording
from evoalign.loop.command import JOURNAL, run_evolution
from evoalign.loop.journal import read_journal
from evoalign.loop.settings import Evolve
from evoalign.responses.rates import rates, windowed
from evoalign.responses.session_responses import count_spikes
from evoalign.responses.settings import Responses
from evoalign.sheet import load_sessions
from evoalign.simulate.demo import PHOTODIODE, simulate_session
from evoalign.simulate.settings import Demo

DEMO = Demo(n_electrodes=4, n_blocks=4, images_per_thread=5, references_per_thread=1)
RAW = {"blackrock": ("{}.nev", "{}.ns6"), "plexon": ("{}.plx",), "neuralynx": ("{}_neuralynx",)}


@pytest.fixture(scope="module", params=sorted(RAW))
def replayed(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    simulate_session(folder / "s", area="IT", vendor=request.param, settings=DEMO, seed=5)
    return folder, _settings(folder, request.param)


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
                "photodiode": PHOTODIODE[vendor],
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


def test_online_rates_equal_offline_rates_exactly(replayed):
    folder, settings = replayed
    sheet = run_evolution(settings)
    (row,) = load_sessions(sheet)
    assert row.photodiode == settings.replay.photodiode
    offline = offline_rates(row).groupby(["block", "image"])["rate"].mean()
    records = read_journal(folder / "run" / JOURNAL)
    online = {
        (record["block"], name): rate
        for record in records
        if record["kind"] == "scored"
        for name, rate in record["rates"].items()
    }
    assert len(online) == 4 * 12
    assert len(set(online.values())) > 20
    assert set(offline.index) == set(online)
    assert [online[key] for key in offline.index] == offline.tolist()
    codes = read_codes(row.latents)
    assert set(codes) == {(block, thread) for block in range(1, 5) for thread in (0, 1)}


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
