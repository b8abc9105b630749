"""The loop: what it writes, what it survives, what it refuses."""

import importlib
import json
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zmq

from evoalign import files, tables
from evoalign.cli import main
from evoalign.errors import InputError
from evoalign.events.latent_codes import attach_latents, check_images, read_codes
from evoalign.events.log import read_log
from evoalign.events.photodiode import Photodiode
from evoalign.events.searches import read_searches
from evoalign.events.settings import Events
from evoalign.loop import command, live, protocol
from evoalign.loop.client import DisplayClient, simulated_shower
from evoalign.loop.command import JOURNAL, run_evolution
from evoalign.loop.history import History, recorded_fields
from evoalign.loop.interfaces import Recorded, Round, ToShow
from evoalign.loop.journal import Journal, read_journal
from evoalign.loop.scoring import Scores
from evoalign.loop.settings import load_evolve
from evoalign.loop.simulated import ModelRecorder, SimulatedDisplay, plan_round
from evoalign.loop.zeromq_display import ZeromqDisplay
from evoalign.recordings.recording import spike_table
from evoalign.recordings.tables import WORDS
from evoalign.sheet import load_sessions
from evoalign.study import Config

# By a path that its children search too.
sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
loop_kills = importlib.import_module("loop_kills")
settings_of, outcome = loop_kills.settings_of, loop_kills.outcome


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    return folder, run_evolution(settings_of(folder, 3))


def test_a_finished_run_is_a_session(finished):
    folder, sheet = finished
    (row,) = load_sessions(sheet, exists=lambda path: Path(path).exists())
    log = read_log(row.log, Events(), row.spaces)
    codes = read_codes(row.latents)
    assert {key: len(names) for key, (_, names) in codes.items()} == {
        (block, thread): 4 + thread for block in (1, 2, 3) for thread in (0, 1)
    }
    attached = attach_latents(log, codes)
    assert (attached["latent_row"] == log["latent_row"]).all()
    check_images(log, row.images)
    assert set(log["block"]) == {1, 2, 3}
    assert row.raw == (str(folder / "killed.nev"),)


def test_what_searched_is_told_beside_the_latents_with_its_settings(finished):
    folder, _ = finished
    settings = settings_of(folder, 3)
    threads, _ = command.start(settings, Config())
    searches = read_searches(folder / "latents")
    for thread, told, asked in zip(threads, searches.values(), settings.threads, strict=True):
        assert told.space == thread.space.describe()
        assert told.optimiser["name"] == asked.optimiser
        assert float(told.optimiser["first_step"]) == thread.space.initial_sigma
        assert int(told.optimiser["images"]) == asked.images
        assert int(told.optimiser["latents"]) == thread.space.latent_dim


def test_fitness_reaches_the_optimiser_in_the_order_of_its_latents(tmp_path, monkeypatch):
    """Thread 0's fitness is made a function of its latents: what it is told must be that function."""
    told = []
    start = command.start

    def spied(settings, study):
        threads, references = start(settings, study)
        tell = threads[0].optimiser.tell
        threads[0].optimiser.tell = lambda codes, fitness: (
            told.append((codes, fitness)),
            tell(codes, fitness),
        )
        return threads, references

    def first_latents(self, log, words, spikes, photodiode=None, segments=None):
        codes = read_codes(tmp_path / "run" / "latents")
        rates = np.array(
            [
                1.0 if row.reference else codes[row.block, row.thread][0][row.latent_row, 0]
                for row in log.itertuples()
            ]
        )
        return Scores(rates, np.zeros(len(rates)))

    monkeypatch.setattr(command, "start", spied)
    monkeypatch.setattr(command.Scorer, "windows", first_latents)
    run_evolution(settings_of(tmp_path / "run", 3))
    assert len(told) == 3
    for codes, fitness in told:
        np.testing.assert_allclose(fitness, codes[:, 0], rtol=0, atol=1e-12)


def test_killed_and_disturbed_evolutions_end_byte_for_byte_as_the_undisturbed(tmp_path):
    killed, unequal, n_shown = loop_kills.compare(tmp_path, seed=3, kills=3, share=0.05)
    assert not unequal
    assert sum(killed.values()) >= 2
    assert n_shown >= 3 * 11


@pytest.mark.parametrize("n_records", [1, 2, 9, 13, 14, 15, 20])
def test_a_run_that_stopped_after_any_record_goes_on_to_the_same_end(
    finished, tmp_path, monkeypatch, n_records
):
    """As a process that dies before its next record, without the time that killing one takes."""
    settings = settings_of(tmp_path / "run", 3)
    append = live.Journal.append

    class Stopped(BaseException):
        pass

    def stop_later(journal, record):
        if journal.n_records >= n_records:
            raise Stopped
        append(journal, record)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(live.Journal, "append", stop_later)
        run_evolution(settings)
    run_evolution(settings)
    assert outcome(tmp_path / "run") == outcome(finished[0])


def test_a_finished_run_can_be_made_longer(finished, tmp_path):
    settings = settings_of(tmp_path / "run", 3)
    run_evolution(settings.model_copy(update={"n_blocks": 2}))
    run_evolution(settings)
    assert outcome(tmp_path / "run") == outcome(finished[0])


def test_other_settings_do_not_go_on_with_a_run(tmp_path):
    settings = settings_of(tmp_path / "run", 3).model_copy(update={"n_blocks": 1})
    run_evolution(settings)
    with pytest.raises(InputError, match="begun with another references"):
        run_evolution(settings.model_copy(update={"references": 2}))


def test_a_journal_of_another_version_is_refused(tmp_path):
    settings = settings_of(tmp_path / "run", 3)
    with Journal(tmp_path / "run" / JOURNAL) as journal:
        journal.append({"kind": "begun", "version": 1, "settings": {}})
    with pytest.raises(InputError, match="the journal has version 1, this program writes 2"):
        run_evolution(settings)


def test_what_was_recorded_comes_back_from_the_journal_bit_for_bit():
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, 1e5, 1000))
    spikes = spike_table(rng.integers(1, 40_000, 1000), rng.integers(0, 256, 1000), times)
    words = pd.DataFrame(
        {
            "time_s": times[:4],
            "word": [0, 65_535, 2**40, -1],
            "source": ["serial", "digital", "serial", ""],
            "segment": [0, 0, 1, 1],
        }
    )
    words = tables.conform(words, WORDS)
    light = Photodiode(times[:7], np.empty(0))
    for part in (Recorded(words, spikes, light, (0.0, 13.0)), Recorded(words[:0], spikes[:0])):
        record = json.loads(json.dumps({"kind": "recorded", "block": 1, "round": 0} | recorded_fields(part)))
        history = History()
        history.take(record)
        back = history.recorded[1, 0]
        pd.testing.assert_frame_equal(back.words, part.words, check_exact=True)
        pd.testing.assert_frame_equal(back.spikes, part.spikes, check_exact=True)
        assert back.offsets_s == part.offsets_s
        if part.photodiode is None:
            assert back.photodiode is None
        else:
            np.testing.assert_array_equal(back.photodiode.on_s, light.on_s)
            np.testing.assert_array_equal(back.photodiode.off_s, light.off_s)


def test_without_room_the_next_block_is_not_begun(tmp_path):
    settings = settings_of(tmp_path / "run", 3)
    run_evolution(settings.model_copy(update={"n_blocks": 1}))
    before = outcome(tmp_path / "run")
    with pytest.raises(InputError, match="block 2 is begun with 1e"):
        run_evolution(settings.model_copy(update={"min_free_mb": 1e12}))
    assert outcome(tmp_path / "run") == before


def test_images_of_lost_words_are_shown_again(tmp_path, monkeypatch):
    """The words of one trial are lost in the first round of block 2."""
    take = ModelRecorder.take
    lost = []

    def without_a_trial(self, request, presentations):
        recorded = take(self, request, presentations)
        if (request.block, request.round) != (2, 0):
            return recorded
        trial = presentations[-1].trial
        of_trial = [p for p in presentations if p.trial == trial]
        lost.extend(p.name for p in of_trial)
        first_s = recorded.words.loc[recorded.words["word"] == 9, "time_s"].iloc[-3]
        return Recorded(recorded.words[recorded.words["time_s"] < first_s], recorded.spikes)

    monkeypatch.setattr(ModelRecorder, "take", without_a_trial)
    run_evolution(settings_of(tmp_path / "run", 3))
    records = read_journal(tmp_path / "run" / JOURNAL)
    again = [r["name"] for r in records if r["kind"] == "shown" and (r["block"], r["round"]) == (2, 1)]
    assert lost
    assert set(again) == set(lost)
    scored = next(r for r in records if r["kind"] == "scored" and r["block"] == 2)
    assert len(scored["rates"]) == 11


def test_a_block_without_words_is_shown_again_and_then_told(tmp_path, monkeypatch):
    take = ModelRecorder.take

    def without_words(self, request, presentations):
        recorded = take(self, request, presentations)
        return Recorded(recorded.words.iloc[:0], recorded.spikes)

    with monkeypatch.context() as patch, pytest.raises(InputError, match="no event words"):
        patch.setattr(ModelRecorder, "take", without_words)
        run_evolution(settings_of(tmp_path / "run", 3))
    rounds = [r["round"] for r in read_journal(tmp_path / "run" / JOURNAL) if r["kind"] == "recorded"]
    assert rounds == [0, 1, 2]


def test_an_image_that_never_has_a_rate_favours_nothing():
    np.testing.assert_array_equal(live._with_median([3.0, np.nan, 1.0, 7.0]), [3, 3, 1, 7])
    with pytest.raises(InputError, match="no image of a thread has a rate"):
        live._with_median([np.nan, np.nan])


def test_every_image_of_a_round_is_shown_whole_and_broken_ones_again():
    names = [f"block001_thread000_gen_gen000_{k:06d}" for k in range(600)]
    request = Round(1, 0, [ToShow(name, Path(name), "") for name in names], 0)
    presentations = plan_round(request, None, 2)
    whole = [p.name for p in presentations if p.offset_s is not None]
    broken = [p for p in presentations if p.offset_s is None]
    assert sorted(whole) == names
    assert broken
    assert {p.name for p in broken} <= set(whole)
    assert (np.diff([p.onset_s for p in presentations]) > 0.19).all()
    assert [p.number for p in presentations] == list(range(len(presentations)))


def test_the_command_runs_an_evolution_and_says_where_it_is(tmp_path, capsys):
    config = tmp_path / "evolve.yaml"
    config.write_text(
        f"session: s\nsubject: M\nfolder: {tmp_path / 'run'}\nn_blocks: 1\nmin_free_mb: 1\n"
        "threads: [{space: texture, images: 4}, {space: object, images: 4, optimiser: random}]\n"
    )
    assert main(["evolve", str(config)]) == 0
    assert str(tmp_path / "run" / "sessions.tsv") in capsys.readouterr().out
    assert load_evolve(config).threads[1].optimiser == "random"
    config.write_text(config.read_text().replace("optimiser: random", "optimizer: random"))
    assert main(["evolve", str(config)]) == 1
    assert "did you mean 'optimiser'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[1]", "threads: {", "session: s\nsubject: M\nfolder: f\nthreads: []\n"])
def test_settings_that_are_none_are_told(tmp_path, text):
    (tmp_path / "e.yaml").write_text(text)
    with pytest.raises(InputError):
        load_evolve(tmp_path / "e.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xc1", "no msgpack"),
        (protocol.encode("ask", 1, shown=0).replace(b"version\x01", b"version\x02"), "has version 2"),
        (protocol.encode("dance", 1), "unknown kind 'dance'"),
        (protocol.encode("ask", 1), "field 'shown'"),
        (protocol.encode("ask", 1, shown="0"), "field 'shown'"),
    ],
)
def test_a_wrong_message_is_told(content, message):
    with pytest.raises(InputError, match=message):
        protocol.decode(content, protocol.FROM_CLIENT)


def test_an_address_that_others_can_reach_is_refused_unless_allowed():
    for address in ("tcp://*:5577", "tcp://0.0.0.0:5577", "tcp://192.168.0.9:5577"):
        with pytest.raises(InputError, match="other machines can reach"):
            ZeromqDisplay(address)
    ZeromqDisplay("tcp://127.0.0.1:*").close()
    ZeromqDisplay("tcp://0.0.0.0:*", loopback_only=False).close()


def test_an_image_that_was_not_asked_for_is_not_journaled(tmp_path, caplog):
    """A client that tells nonsense, then the truth: only the truth is yielded."""
    address = f"ipc://{tmp_path}/s"
    server = ZeromqDisplay(address)
    request = Round(1, 0, [ToShow("a", tmp_path, "")], 0)
    (truth,) = plan_round(request, None, 1)
    context = zmq.Context()
    client = context.socket(zmq.DEALER)
    client.connect(address)
    wrong = [replace(truth, name="b"), replace(truth, number=4), replace(truth, block=2)]
    for question, presentation in enumerate([*wrong, truth, truth]):
        client.send(protocol.encode("shown", question, presentation=presentation.as_record()))
    client.send(b"noise")
    client.send(protocol.encode("round_end", 9, block=1, round=0, shown=1))
    assert list(server.show(request, [])) == [truth]
    answers = [protocol.decode(client.recv(), protocol.FROM_SERVER)["next"] for _ in range(6)]
    assert answers == [0, 0, 0, 1, 1, 1]
    assert "not asked for" in caplog.text
    client.close()
    context.term()
    server.close()


def test_a_ledger_of_another_session_is_refused(tmp_path):
    address = f"ipc://{tmp_path}/s"
    server = ZeromqDisplay(address)
    request = Round(1, 1, [ToShow("a", tmp_path, "")], 3)
    before = plan_round(Round(1, 0, [ToShow(n, tmp_path, "") for n in "abc"], 0), None, 1)
    serving = threading.Thread(target=lambda: next(server.show(request, before), None), daemon=True)
    serving.start()
    (tmp_path / "image").write_bytes(b"")
    client = DisplayClient(address, tmp_path / "ledger", simulated_shower(1), 0.5)
    with pytest.raises(InputError):
        client.run()
    client.close()


def test_the_simulated_display_goes_on_where_it_was():
    request = Round(2, 0, [ToShow(n, Path(n), "") for n in "abcdefgh"], 0)
    everything = list(SimulatedDisplay(4).show(request, []))
    assert list(SimulatedDisplay(4).show(request, everything[:5])) == everything[5:]


def test_the_log_has_what_was_shown(finished):
    folder, _ = finished
    log = pd.read_csv(folder / "log.tsv", sep="\t", keep_default_na=False)
    shown = [record for record in read_journal(folder / JOURNAL) if record["kind"] == "shown"]
    assert log["image"].tolist() == [record["name"] for record in shown]
    assert log["block"].tolist() == [record["block"] for record in shown]


def killed_in_a_file(settings, n_written):
    """Run until a file's content is written and its name is not, and end without tidying up."""
    exchange, n_files = files._exchange, []

    def exchange_or_die(partial, path):
        n_files.append(path)
        if len(n_files) == n_written:
            os._exit(0)
        exchange(partial, path)

    files._exchange = exchange_or_die
    run_evolution(settings)
    raise AssertionError("ran to its end")


@pytest.mark.parametrize("n_written", [3, 14, 17])
def test_a_server_killed_while_it_writes_a_file_leaves_nothing_behind(finished, tmp_path, n_written):
    """As kill -9 between a file's content and its name."""
    settings = settings_of(tmp_path / "run", 3)

    process = loop_kills.in_child(killed_in_a_file, (settings, n_written))
    process.join()
    assert process.exitcode == 0
    assert list((tmp_path / "run").rglob(f"{files.PARTIAL}*"))
    run_evolution(settings)
    assert outcome(tmp_path / "run") == outcome(finished[0])
    assert not list((tmp_path / "run").rglob(f"{files.PARTIAL}*"))


def test_a_block_whose_images_do_not_reach_the_disk_is_not_scored(finished, tmp_path, monkeypatch):
    settings = settings_of(tmp_path / "run", 3)

    def full(paths):
        if any("block002" in path.name for path in paths):
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space"):
        patched.setattr(live, "flush_files", full)
        run_evolution(settings)
    scored = [r["block"] for r in read_journal(tmp_path / "run" / JOURNAL) if r["kind"] == "scored"]
    assert scored == [1]
    run_evolution(settings)
    assert outcome(tmp_path / "run") == outcome(finished[0])
