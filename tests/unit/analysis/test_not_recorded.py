"""A presentation in which a unit was not recorded has no count: results are those without it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from test_encoding_session import config, frames, small_session
from test_image_features import localizer

from evoalign.analysis.encoding import encode_session
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session.analyse import analyse_session
from evoalign.analysis.session.selectivity import selectivity_tables
from evoalign.responses.session_responses import shared_presentations

FEW = {"n_permutations": 5, "n_bootstrap": 20, "projections": ("full",), "schemes": ("image",)}


def lost(responses, rows, presentations):
    """The responses without a record of some units in some presentations, whose counts are 0 there."""
    recorded = np.ones((len(responses.units), len(responses.presentations)), bool)
    recorded[np.ix_(rows, presentations)] = False
    counts = np.where(recorded[:, :, None], responses.counts, 0).astype(np.uint16)
    return replace(responses, counts=counts, recorded=recorded)


def without(responses, presentations):
    valid = responses.presentations["valid"].to_numpy().copy()
    valid[presentations] = False
    return replace(responses, presentations=responses.presentations.assign(valid=valid))


def test_a_block_in_which_the_preferred_electrode_saturated_is_left_out_and_not_silent():
    ours = small_session()
    hit = np.flatnonzero(ours.presentations["block"] == 4)[3:21]
    found = experiment_from(lost(ours, [0], hit), config().analysis)
    wanted = experiment_from(without(ours, hit), config().analysis)
    assert np.array_equal(found.rates, wanted.rates) and np.array_equal(found.block, wanted.block)
    assert (found.n_unrecorded, found.n_invalid) == (18, 0) and (wanted.n_unrecorded, wanted.n_invalid) == (
        0,
        18,
    )
    # Another unit of the session has all presentations.
    assert len(experiment_from(lost(ours, [0], hit), config().analysis, unit=6).rates) == len(
        ours.presentations
    )
    tables_found = analyse_session(lost(ours, [0], hit), config())
    for name, frame in analyse_session(without(ours, hit), config()).items():
        kept = frame.drop(columns=["n_invalid", "n_unrecorded"], errors="ignore")
        pd.testing.assert_frame_equal(
            tables_found[name].drop(columns=["n_invalid", "n_unrecorded"], errors="ignore"), kept
        )


def test_a_unit_that_was_never_recorded_is_no_silent_unit_and_does_not_stop_the_run(caplog):
    ours = small_session()
    found = analyse_session(lost(ours, [0], np.arange(len(ours.presentations))), config())
    assert list(found) == ["success"] and found["success"].empty
    assert "recorded in none of the valid presentations" in caplog.text


@pytest.mark.parametrize("rows", [[0], [0, 1, 2]])
def test_the_encoding_leaves_out_what_units_lack(rows):
    ours = small_session()
    hit = np.arange(40, 60)
    found = encode_session(lost(ours, rows, hit), config(**FEW), frames())
    for name, frame in encode_session(without(ours, hit), config(**FEW), frames()).items():
        pd.testing.assert_frame_equal(found[name], frame)


def test_a_unit_that_lacks_much_is_left_out_of_the_encoding_and_named(caplog):
    ours = small_session()
    found = encode_session(lost(ours, [1], np.arange(120)), config(**FEW), frames())
    assert set(found["encoding"]["unit"]) == {5, 7} and "units 6 were not recorded" in caplog.text
    whole = encode_session(ours, config(**FEW), frames())["encoding"].query("unit != 6")
    columns = ["unit", "space", "start_ms", "r2", "linear_share", "n"]
    pd.testing.assert_frame_equal(
        found["encoding"][columns].reset_index(drop=True), whole[columns].reset_index(drop=True)
    )


def test_what_few_units_have_is_left_out_before_units_are():
    ours = small_session()
    rows, shared = shared_presentations(
        lost(ours, [0, 1], np.arange(100)), np.arange(3), np.ones(len(ours.presentations), bool), 0.1
    )
    assert rows.tolist() == [0, 1, 2] and not shared[:100].any() and shared[100:].all()


def test_selectivity_is_over_the_presentations_of_each_unit():
    ours, _ = localizer(20, 6, 4, np.random.default_rng(0), gain=15.0)
    hit = np.arange(10, 50)
    found = selectivity_tables(lost(ours, [1, 2], hit), config().analysis)["selectivity"]
    whole = selectivity_tables(ours, config().analysis)["selectivity"]
    part = selectivity_tables(without(ours, hit), config().analysis)["selectivity"]
    columns = ["unit", "n", "f", "p", "ceiling", "rate_hz", "best_image"]
    wanted = pd.concat([whole.iloc[[0]], part.iloc[[1, 2]], whole.iloc[[3]]], ignore_index=True)
    pd.testing.assert_frame_equal(found[columns], wanted[columns])
