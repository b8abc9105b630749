"""What the rule `presentations` calls: stimuli, photodiode and alignment together."""

import numpy as np
import pandas as pd
import pytest

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.align_session import align_session
from evoalign.events.latent_codes import write_codes
from evoalign.events.settings import Events
from evoalign.recordings.recording import Recording
from evoalign.recordings.tables import CHANNELS, ONLINE_SPIKES
from evoalign.sheet import Session
from evoalign.simulate.flashes import photodiode_stream
from evoalign.simulate.rig import simulate_rig
from evoalign.simulate.rig_faults import Faults


@pytest.fixture(scope="module")
def rig():
    return simulate_rig(4, n_presentations=150, faults=Faults(pauses=0, resets=0, broken=0))


@pytest.fixture
def recording(rig):
    end = float(rig.words["time_s"].max()) + 2
    stream = photodiode_stream(rig.truth["onset_s"].to_numpy(), rig.truth["offset_s"].to_numpy(), end, 1000.0)
    channels = pd.DataFrame([(129, "ainp1", "analog", "analog", 1000.0, 1.0)], columns=CHANNELS.names[:6])
    channels = channels.assign(array="", connector="", area="", x_um=np.nan, y_um=np.nan)
    segments = rig.segments.assign(start_s=0.0, n_samples=int(end * 30_000))
    return Recording(
        "blackrock",
        (),
        None,
        tables.conform(channels, CHANNELS),
        segments,
        rig.words,
        tables.empty(ONLINE_SPIKES),
        {"analog": stream},
    )


@pytest.fixture
def session(rig, tmp_path):
    (tmp_path / "images").mkdir()
    for name in rig.log["image"]:
        (tmp_path / "images" / f"{name}.png").touch()
    for (block, thread), rows in rig.log.groupby(["block", "thread"]):
        names = rows["image"].tolist()[::-1]
        write_codes(tmp_path / "latents", block, thread, np.zeros((len(names), 3)), names)
    return Session(
        session="s1",
        subject="m",
        log="log.tsv",
        latents=str(tmp_path / "latents"),
        images=str(tmp_path / "images"),
        photodiode="ainp1",
    )


def test_onsets_are_the_photodiodes_and_rows_the_latents(rig, recording, session):
    result = align_session(rig.log, rig.words, recording=recording, session=session, settings=Events())
    p = result.presentations
    assert result.report["session"].tolist() == ["s1"]
    assert p["valid"].all()
    assert (p["onset_source"] == "photodiode").all()
    # A photodiode sampled at 1 kHz.
    assert np.percentile(1000 * np.abs(p["onset_s"] - rig.truth["onset_s"]), 99) <= 0.5
    assert np.percentile(1000 * np.abs(p["offset_s"] - rig.truth["offset_s"]), 99) <= 0.5
    first = rig.log[(rig.log["block"] == 1) & (rig.log["thread"] == 0)].index
    assert p["latent_row"][first].tolist() == list(range(len(first)))[::-1]


def test_a_row_without_stimuli_and_photodiode_is_enough(rig, recording):
    row = Session(session="s1", subject="m", log="log.tsv")
    p = align_session(rig.log, rig.words, recording=recording, session=row, settings=Events()).presentations
    assert set(p["onset_source"]) <= {"word", "log"}
    assert (p["latent_row"] == -1).all()


def test_wrong_stimuli_stop_the_session(rig, recording, session, tmp_path):
    (tmp_path / "images" / f"{rig.log['image'][3]}.png").unlink()
    with pytest.raises(InputError, match="1 of 150 images are missing"):
        align_session(rig.log, rig.words, recording=recording, session=session, settings=Events())
    next((tmp_path / "latents").iterdir()).unlink()
    with pytest.raises(InputError, match="no codes for"):
        align_session(rig.log, rig.words, recording=recording, session=session, settings=Events())
