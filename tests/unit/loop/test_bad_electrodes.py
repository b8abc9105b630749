"""Artefacts do not count, silence teaches nothing, and an electrode that moved is told."""

import numpy as np
import pytest
from test_live_evolution import settings_of

from evoalign.loop.command import JOURNAL, run_evolution
from evoalign.loop.electrode import BlockRates, block_rates, teaches, warn_of_electrode
from evoalign.loop.interfaces import Recorded
from evoalign.loop.journal import read_journal
from evoalign.loop.scoring import Scores
from evoalign.loop.settings import Evolve
from evoalign.loop.simulated import ModelRecorder
from evoalign.recordings.recording import spike_table

WINDOW_S = 0.045


def answered(baseline_hz, n=80, rates=None):
    return BlockRates(rates or {"a": 5.0, "b": 6.0}, baseline_hz, 0.5, n, 0)


def test_rates_are_means_over_presentations_that_count():
    nan = np.nan
    scores = Scores(
        np.array([10.0, 20.0, nan, 30.0, 500.0, 40.0]), np.array([4.0, 6.0, nan, 8.0, 5.0, 450.0])
    )
    block = block_rates(["a", "b", "a", "a", "b", "c"], scores, 400.0)
    assert block.rates == {"a": 20.0, "b": 20.0}
    assert block.baseline_hz == pytest.approx(6.0)
    assert block.baseline_sem_hz == pytest.approx(2 / np.sqrt(3))
    assert (block.n_presentations, block.n_artefacts) == (3, 2)
    assert block_rates(["a", "b", "a", "a", "b", "c"], scores, 0.0).n_artefacts == 0


def test_a_steady_poisson_unit_is_not_told_to_have_moved():
    """1,000 runs of ten blocks of 80 presentations at 10 spikes/s: no alarm."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(1000):
        baselines = (rng.poisson(10 * WINDOW_S * 80, 10) / (WINDOW_S * 80)).tolist()
        alarms += any(
            warn_of_electrode(b, answered(baselines[b]), baselines[:b], WINDOW_S) for b in range(10)
        )
    assert alarms == 0


@pytest.mark.parametrize("factor", [0.2, 4.0])
def test_an_electrode_that_moved_is_told(factor, caplog):
    rng = np.random.default_rng(0)
    n_told = 0
    for _ in range(100):
        baselines = (rng.poisson(20 * WINDOW_S * 80, 6) / (WINDOW_S * 80)).tolist()
        moved_hz = rng.poisson(20 * factor * WINDOW_S * 80) / (WINDOW_S * 80)
        n_told += bool(warn_of_electrode(7, answered(moved_hz), baselines, WINDOW_S))
    assert n_told >= 99
    assert "has moved" in caplog.text


def test_silence_is_told_and_teaches_nothing():
    assert not teaches(np.zeros(5))
    assert teaches(np.array([0.0, 0.0, 1.0]))
    (message,) = warn_of_electrode(3, answered(0.0, rates={"a": 0.0, "b": 0.0}), [9.0, 10.0], WINDOW_S)
    assert "silent" in message


def test_a_block_of_silence_leaves_the_search_where_it_was(tmp_path, monkeypatch, caplog):
    take, states = ModelRecorder.take, {}

    def silent_in_block_2(self, request, presentations):
        recorded = take(self, request, presentations)
        if request.block != 2:
            return recorded
        is_unit = recorded.spikes["channel"] == self._settings.channel
        return Recorded(recorded.words, recorded.spikes[~is_unit])

    def kept(folder, block, states_of_block):
        states[block] = states_of_block

    monkeypatch.setattr(ModelRecorder, "take", silent_in_block_2)
    monkeypatch.setattr("evoalign.loop.study_files.write_states", kept)
    run_evolution(settings_of(tmp_path / "run", 3))
    assert "block 2: the preferred unit is silent" in caplog.text
    for thread in (0, 1):
        [key] = {"mean", "cma_mean"} & set(states[1][thread])  # of a diagonal and of a full covariance
        means = {block: states[block][thread][key] for block in (1, 2, 3)}
        np.testing.assert_array_equal(means[2], means[1])
        assert not np.array_equal(means[3], means[2])


def test_images_shown_during_an_artefact_are_shown_again(tmp_path, monkeypatch, caplog):
    """A burst of 2 kHz over half a second of the first round of block 2."""
    take = ModelRecorder.take

    def with_burst(self, request, presentations):
        recorded = take(self, request, presentations)
        if (request.block, request.round) != (2, 0):
            return recorded
        start_s = float(recorded.words["time_s"].median())
        spikes, n = recorded.spikes, 1000
        burst = spike_table(
            np.concatenate([spikes["channel"], np.full(n, self._settings.channel)]),
            np.concatenate([spikes["unit"], np.full(n, self._settings.unit)]),
            np.concatenate([spikes["time_s"], start_s + 0.5 * np.arange(n) / n]),
        )
        return Recorded(recorded.words, burst)

    monkeypatch.setattr(ModelRecorder, "take", with_burst)
    run_evolution(settings_of(tmp_path / "run", 3))
    assert "are artefacts and do not count" in caplog.text
    records = read_journal(tmp_path / "run" / JOURNAL)
    again = [r["name"] for r in records if r["kind"] == "shown" and (r["block"], r["round"]) == (2, 1)]
    assert 1 <= len(set(again)) <= 4
    (scored,) = [r for r in records if r["kind"] == "scored" and r["block"] == 2]
    assert len(scored["rates"]) == 11
    assert max(scored["rates"].values()) < Evolve.model_fields["artefact_hz"].default
