"""The demo's sessions that enter as NWB files: what they hold, and that in one nothing is planted."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evoalign import study, tables
from evoalign.files import sha256
from evoalign.nwb.read import read_nwb
from evoalign.responses.session_responses import responses_from
from evoalign.simulate.settings import Demo
from evoalign.simulate.shared import SHARED_AN_AREA, shared_sessions, write_shared_session
from evoalign.simulate.tables import TRUE_PRESENTATIONS
from evoalign.sorting.tables import SPIKES

ROOT = Path(__file__).parents[3]
CONFIG = study.Config(demo=Demo(n_blocks=4, shared_images_per_thread=6, references_per_thread=1))
SESSIONS = {session.session: session for session in shared_sessions(CONFIG.demo)}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    for name in ("IT_shared1", "untuned_shared"):
        write_shared_session(
            folder / name / f"{name}.nwb", SESSIONS[name], CONFIG.demo, CONFIG, CONFIG.analysis.baseline_ms
        )
    return folder


def test_the_demos_sheet_and_its_rule_name_the_shared_sessions():
    sheet = pd.read_csv(ROOT / "config/sessions.tsv", sep="\t", keep_default_na=False)
    own = sheet[sheet["session"].str.contains("shared")]
    assert own["session"].tolist() == list(SESSIONS)
    assert own["subject"].tolist() == [session.subject for session in SESSIONS.values()]
    assert own["nwb"].tolist() == [f"data/demo/{name}/{name}.nwb" for name in SESSIONS]
    rule = (ROOT / "workflow/rules/demo.smk").read_text()
    assert f"number=range(1, {SHARED_AN_AREA + 1})" in rule and '"untuned_shared"' in rule


def test_no_two_sessions_share_seed_day_or_site(written):
    for name in ("seed", "start"):
        assert len({getattr(session, name) for session in SESSIONS.values()}) == len(SESSIONS)
    contents = read_nwb(written / "IT_shared1/IT_shared1.nwb")
    assert contents.site == "Shared-M/IT_shared1"


def test_a_shared_file_holds_units_presentations_and_latents_but_no_voltages(written):
    contents = read_nwb(written / "IT_shared1/IT_shared1.nwb")
    presentations = contents.presentations
    assert len(presentations) == 4 * 2 * (6 + 1)
    assert set(contents.latents) == {(block, thread) for block in range(1, 5) for thread in (0, 1)}
    assert contents.units["preferred"].sum() == 1
    preferred = contents.units[contents.units["preferred"]].iloc[0]
    assert preferred["channel"] == CONFIG.demo.shared_electrodes and preferred["amplitude_uv"] > 140
    assert contents.area == "IT" and contents.channels["kind"].eq("neural").all()
    assert contents.units["snr"].between(5, 25).all()
    # References, and the best image of each thread and block: several where their rates are equal.
    of_blocks = [name.split("_gen_")[0] for name in contents.images if not name.startswith("block000")]
    assert len(set(of_blocks)) == 4 * 2 <= len(of_blocks) < 20
    assert len(contents.images) - len(of_blocks) == 2


def test_its_responses_are_those_of_the_planted_spikes(written):
    contents = read_nwb(written / "IT_shared1/IT_shared1.nwb")
    truth = written / "IT_shared1/truth"
    planted = json.loads((truth / "truth.json").read_text())
    spikes = tables.read(truth / "spikes.parquet", SPIKES)
    times = spikes.query(f"unit == {planted['preferred_unit']}")["time_s"].to_numpy()
    onsets = tables.read(truth / "presentations.parquet", TRUE_PRESENTATIONS)["onset_s"].to_numpy()
    expected = np.searchsorted(times, onsets + 0.2) - np.searchsorted(times, onsets + 0.05)
    responses = responses_from(contents, CONFIG.responses)
    (row,) = np.flatnonzero(responses.units["preferred"])
    found = responses.counts[row][:, 50 - responses.start_ms : 200 - responses.start_ms].sum(axis=1)
    assert found.tolist() == expected.tolist() and found.sum() > 100


def test_nothing_is_planted_in_the_untuned_session(written):
    truth = written / "untuned_shared/truth"
    planted = json.loads((truth / "truth.json").read_text())
    assert planted["tuned"] is False and planted["crossover_ms"] is None
    true = tables.read(truth / "presentations.parquet", TRUE_PRESENTATIONS)
    assert true[["texture_match", "object_match"]].nunique().tolist() == [1, 1]


def test_equal_designs_give_equal_bytes(written, tmp_path):
    again = tmp_path / "IT_shared1/IT_shared1.nwb"
    write_shared_session(again, SESSIONS["IT_shared1"], CONFIG.demo, CONFIG, CONFIG.analysis.baseline_ms)
    assert sha256(again) == sha256(written / "IT_shared1/IT_shared1.nwb")
