"""A session without blocks and threads goes all the way: pages, and a report that says so."""

import logging
from dataclasses import replace

import pytest
from session_to_package import CONFIG, full_session

from evoalign import tables
from evoalign.analysis.encoding.session import encode_session
from evoalign.analysis.pooling.tuning import pool_tuning
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.session.analyse import analyse_session
from evoalign.figures.captions import FigureSettings
from evoalign.figures.report_tables import notes
from evoalign.figures.session_pages import draw_session
from evoalign.responses.session_responses import responses_from
from evoalign.sorting.tables import UNITS

WAYS = {
    "no blocks, no threads": {"block": -1, "thread": -1},
    "no threads": {"thread": -1},
    "no blocks": {"block": -1},
    "a third thread alone": {"thread": 2},
    "nothing valid": {"valid": False, "reason": "the trial broke while the image was shown"},
}


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    return full_session(tmp_path_factory.mktemp("session") / "images")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("preferred", ["2a", ""])
def test_a_session_that_is_no_evolution_gets_its_pages_and_a_note(contents, way, preferred, tmp_path, caplog):
    shown = replace(contents, presentations=contents.presentations.assign(**WAYS[way]))
    responses = responses_from(shown, CONFIG.responses)
    with caplog.at_level(logging.WARNING):
        found = analyse_session(responses, CONFIG, preferred=preferred)
        encoded = encode_session(responses, CONFIG)
    images = [] if way == "nothing valid" else ["selectivity", "image_responses", "image_psth"]
    assert list(found) == ["success", *images] and found["success"].empty
    assert all(frame.empty for frame in encoded.values())
    assert "is not analysed as a paired evolution" in caplog.text
    pooled, tuning = pool_sessions([found], CONFIG), pool_tuning([found], {}, CONFIG)
    assert all(frame.empty for frame in (pooled | tuning).values())

    settings = FigureSettings(CONFIG.analysis, CONFIG.encoding, CONFIG.tuning)
    drawn = {one.name: one for one in draw_session(shown, found | encoded, settings, CONFIG.sorting)}
    selectivity = {"image_selectivity"} if images else set()
    assert set(drawn) == {"alignment", "quality", "raster"} | selectivity

    files = [tmp_path / f"s1/{name}.parquet" for name in ("sorting/units", "events/alignment")]
    tables.write(shown.units, UNITS, files[0])
    tables.write_all(pooled, tmp_path / "pooled", {})
    tables.write_all(tuning, tmp_path / "tuning", {})
    given = {"pooled": [tmp_path / "pooled"], "tuning": [tmp_path / "tuning"]}
    given |= {"units": [files[0]], "alignment": [files[1]]}
    note = notes(given, ["s1", "an_nwb_file"])
    assert note["s1"].startswith("not analysed as a paired evolution or a tuning session: block and thread")
    assert (
        note["an_nwb_file"]
        == "not analysed as a paired evolution or a tuning session: pages, and selectivity for images, alone"
    )
