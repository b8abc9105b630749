"""A study of tuning sessions on disk: what is read back is what was simulated, and the sheet links them."""

import numpy as np
import pandas as pd

from evoalign.nwb.read import read_nwb
from evoalign.responses.session_responses import responses_from
from evoalign.responses.settings import Responses
from evoalign.sheet import load_sessions
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.tuning import after_evolution, planted_kinds, simulate_tuning_responses
from evoalign.simulate.tuning_study import main


def test_sessions_come_back_as_simulated_and_follow_their_evolutions(tmp_path):
    main([str(tmp_path), "--experiments", "2", "--seed", "3"])
    designs = draw_study(2, 3)
    sheet = {row.session: row for row in load_sessions(tmp_path / "sessions.tsv")}
    assert list(sheet) == [*(d.session for d in designs), *(f"{d.session}_tuning" for d in designs)]
    tuning = after_evolution(designs[0])
    row = sheet[tuning.session]
    assert (row.follows, row.subject) == (designs[0].session, designs[0].subject)
    found = responses_from(read_nwb(row.nwb), Responses())
    expected = simulate_tuning_responses(tuning, -50, 250)
    np.testing.assert_array_equal(found.counts, expected.counts)
    pd.testing.assert_frame_equal(found.presentations, expected.presentations)
    truth = pd.read_csv(tmp_path / f"truth/{tuning.session}.tsv", sep="\t")
    pd.testing.assert_frame_equal(truth, planted_kinds(tuning))
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "nwb").iterdir()}
    main([str(tmp_path), "--experiments", "2", "--seed", "3"])
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "nwb").iterdir()}
