"""A recording without units goes all the way: a valid NWB file, and a page and a report that say so."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import spikeinterface as si
from session_to_package import CONFIG, N_CHANNELS, RATE_HZ, full_session

from evoalign import tables
from evoalign.analysis.encoding import encode_session
from evoalign.analysis.pooling.tuning import pool_tuning
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.session.analyse import analyse_session
from evoalign.analysis.session.results import read_results
from evoalign.errors import InputError
from evoalign.figures.captions import FigureSettings
from evoalign.figures.report_tables import notes
from evoalign.figures.session_pages import draw_session
from evoalign.nwb.read import read_nwb
from evoalign.nwb.validate import validate
from evoalign.nwb.write import write_nwb
from evoalign.recordings.tables import ONLINE_SPIKES
from evoalign.responses.session_responses import responses_from
from evoalign.sorting.preferred import choose_preferred
from evoalign.sorting.sort import sort
from evoalign.sorting.tables import UNITS

PREFERRED = 2  # channel
GRAVE = {"ERROR", "PYNWB_VALIDATION", "CRITICAL", "BEST_PRACTICE_VIOLATION"}


def recorded(counts, contents):
    """The session's contents as sorting leaves them, when these voltages were recorded."""
    recording = si.NumpyRecording([counts], RATE_HZ, channel_ids=np.arange(1, N_CHANNELS + 1))
    recording.set_channel_gains(0.25)
    recording.set_channel_offsets(0.0)
    found = sort(recording, contents.channels, CONFIG.sorting, seed=0)
    found = choose_preferred(found, tables.empty(ONLINE_SPIKES), PREFERRED, 1)
    made = {
        name: getattr(found, name) for name in ("units", "spikes", "waveforms", "bad_channels", "artefacts")
    }
    return replace(contents, envelope=None, **made)


@pytest.fixture(
    scope="module",
    params=[
        (list(range(N_CHANNELS)), "every electrode was left out", "no unit was found"),
        ([PREFERRED - 1], "1 of 5 electrodes left out", "no unit on the preferred electrode was found"),
    ],
    ids=["all electrodes are flat", "the preferred electrode is flat"],
)
def silent(request, tmp_path_factory):
    """Session read back from its NWB file, the file, and what page and report must say."""
    dead, on_page, in_report = request.param
    folder = tmp_path_factory.mktemp("silent")
    counts = (
        np.random.default_rng(0).normal(0, 36, (round(12 * RATE_HZ), N_CHANNELS)).round().astype(np.int16)
    )
    counts[:, dead] = 0
    contents = recorded(counts, full_session(folder / "images"))
    path = folder / "s1.nwb"
    write_nwb(path, contents, CONFIG)
    return read_nwb(path), path, on_page, in_report


def texts(figure):
    axes = [text.get_text() for one in figure.axes for text in one.texts]
    return " | ".join([figure.get_suptitle(), *axes])


def test_a_session_without_units_is_packaged_analysed_and_drawn_with_a_note(silent, tmp_path, caplog):
    contents, path, on_page, in_report = silent
    assert not (contents.units["kind"] == "sorted").any() and not contents.units["preferred"].any()
    if contents.units.empty:  # with multi-units the file is as any other
        findings = validate(path, CONFIG)
        assert not set(findings["importance"]) & GRAVE, findings.to_string()

    responses = responses_from(contents, CONFIG.responses)
    with caplog.at_level(logging.WARNING):
        analyse_session(responses, CONFIG, preferred="2a").write(tmp_path / "found", {})
        encoded = encode_session(responses, CONFIG)
    found = read_results(tmp_path / "found")
    assert all(frame.empty for frame in (found | encoded).values())
    assert "s1 is not analysed" in caplog.text
    pooled, tuning = pool_sessions([found], CONFIG), pool_tuning([found], {}, CONFIG)
    assert all(frame.empty for frame in (pooled | tuning).values())

    settings = FigureSettings(CONFIG.analysis, CONFIG.encoding, CONFIG.tuning)
    drawn = {one.name: one for one in draw_session(contents, found | encoded, settings, CONFIG.sorting)}
    assert set(drawn) == {"alignment", "quality", "raster"}
    assert on_page in texts(drawn["quality"].figure)

    files = {name: tmp_path / f"s1/{name}.parquet" for name in ("sorting/units", "events/alignment")}
    tables.write(contents.units, UNITS, files["sorting/units"])
    tables.write_all(pooled, tmp_path / "pooled", {})
    tables.write_all(tuning, tmp_path / "tuning", {})
    given = {"pooled": [tmp_path / "pooled"], "tuning": [tmp_path / "tuning"]}
    given |= {"units": [files["sorting/units"]], "alignment": [files["events/alignment"]]}
    assert notes(given, ["s1"]) == {"s1": f"not analysed: {in_report}"}


def test_a_unit_asked_for_by_number_is_looked_for(silent):
    contents = silent[0]
    responses = responses_from(contents, CONFIG.responses)
    if contents.units.empty:
        with pytest.raises(InputError, match="there is no unit 0"):
            analyse_session(responses, CONFIG, unit=0)
    else:
        found = analyse_session(responses, CONFIG, unit=int(contents.units["unit"][0]), preferred="2a")
        assert len(found["experiments"]) == 1
