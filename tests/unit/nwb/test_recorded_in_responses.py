"""Blanked voltage of a packaged session takes presentations from the units that it concerns."""

from dataclasses import replace

import numpy as np
import pandas as pd
from session_to_package import CONFIG, full_session

from evoalign import tables
from evoalign.responses.session_responses import responses_from
from evoalign.responses.store import read_responses, write_responses
from evoalign.sorting.tables import ARTEFACTS


def test_artefacts_of_a_packaged_session_reach_the_responses(tmp_path):
    contents = full_session(tmp_path / "images")
    shown = contents.presentations
    unit = contents.units.query("kind == 'sorted'").iloc[0]
    hit = shown.index[shown["block"] == 2]
    start_s, stop_s = shown.loc[hit, "onset_s"].min(), shown.loc[hit, "onset_s"].max() + 0.1
    blanked = pd.DataFrame(
        {"reason": "saturated", "group": "", "channel": int(unit["channel"]), "start_s": [start_s],
         "stop_s": [stop_s]}
    )  # fmt: skip
    responses = responses_from(
        replace(contents, artefacts=tables.conform(blanked, ARTEFACTS)), CONFIG.responses
    )
    plain = responses_from(replace(contents, artefacts=tables.empty(ARTEFACTS)), CONFIG.responses)
    row = responses.units.index[responses.units["unit"] == unit["unit"]][0]
    assert not responses.recorded[row, hit].any()
    others = np.flatnonzero(~shown["onset_s"].between(start_s - 0.5, stop_s + 0.5))
    assert len(others) > 5
    assert np.array_equal(responses.recorded[row, others], plain.recorded[row, others])
    elsewhere = (responses.units["channel"] != unit["channel"]) | (responses.units["kind"] == "online")
    assert np.array_equal(responses.recorded[elsewhere], plain.recorded[elsewhere])
    write_responses(responses, tmp_path / "r.zarr")
    assert np.array_equal(read_responses(tmp_path / "r.zarr").recorded, responses.recorded)
