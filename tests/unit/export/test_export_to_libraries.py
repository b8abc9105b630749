"""Exports used as their libraries use them: rates and PSTHs equal ours, files keep what was there."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import elephant.statistics
import neo
import numpy as np
import pandas as pd
import pynapple as nap
import pytest
import quantities as pq
import spikeinterface as si

from evoalign import cli, tables
from evoalign.errors import InputError
from evoalign.events.tables import PRESENTATIONS
from evoalign.export.neo_block import to_neo
from evoalign.export.pynapple_objects import to_pynapple
from evoalign.export.spikeinterface_analyzer import to_spikeinterface
from evoalign.files import sha256
from evoalign.formats.blackrock.write import write_nsx
from evoalign.formats.opening import open_recording
from evoalign.nwb.tables import RAW_FILES
from evoalign.nwb.write import write_nwb
from evoalign.recordings.tables import SEGMENTS, WORDS
from evoalign.responses.session_responses import count_spikes
from evoalign.sorting.tables import ARTEFACTS, SPIKES, UNITS

sys.path.append(str(Path(__file__).parents[1] / "nwb"))
from session_to_package import CONFIG, RATE_HZ, full_session, stream


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return full_session(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def paused(session):
    """The same with a pause from 20 to 25 s."""
    rows = [("broadband", 0, 0.0, 600_000, RATE_HZ), ("broadband", 1, 25.0, 450_000, RATE_HZ)]
    segments = tables.conform(pd.DataFrame(rows, columns=SEGMENTS.names), SEGMENTS)
    return replace(session, segments=segments)


def times_of(session, unit):
    return np.sort(session.spikes.loc[session.spikes["unit"] == unit, "time_s"].to_numpy())


def test_elephants_rate_of_a_unit_is_ours(session):
    block = to_neo(session)
    (segment,) = block.segments
    assert len(segment.spiketrains) == len(session.units)
    for unit, train in zip(session.units.to_dict("records"), segment.spiketrains, strict=True):
        rate = elephant.statistics.mean_firing_rate(train).rescale("Hz").item()
        assert rate == pytest.approx(unit["rate_hz"], rel=1e-9)
        assert (train.annotations["unit"], train.annotations["area"]) == (unit["unit"], "V4")
        assert train.annotations["preferred"] == unit["preferred"]


def test_elephants_psth_around_the_epochs_is_ours(session):
    (segment,) = to_neo(session).segments
    (shown,) = segment.epochs
    good = np.asarray(shown.array_annotations["valid"])
    onsets = shown.times.rescale("s").magnitude[good]
    unit = int(session.units["unit"].iloc[1])
    train = segment.spiketrains[1]
    # Trials start at 0; half a nanosecond keeps a spike at an edge on its own side of it.
    trials = [
        train.time_slice((on - 1e-10) * pq.s, (on + 0.2) * pq.s).time_shift(-(on - 5e-10) * pq.s)
        for on in onsets
    ]
    trials = [neo.SpikeTrain(t.magnitude, units="s", t_start=0, t_stop=0.2001) for t in trials]
    found = elephant.statistics.time_histogram(
        trials, bin_size=10 * pq.ms, t_start=0 * pq.s, t_stop=0.2 * pq.s
    )
    ours = count_spikes(session.spikes, [unit], onsets, 0, 200)[0].sum(axis=0).reshape(20, 10).sum(axis=1)
    np.testing.assert_array_equal(found.magnitude[:, 0], ours)
    assert ours.sum() > 10


def test_presentations_words_and_groups_are_in_the_block(session):
    block = to_neo(session)
    (segment,) = block.segments
    (shown,) = segment.epochs
    known = session.presentations[session.presentations["onset_s"].notna()]
    assert shown.labels.tolist() == known["image"].tolist()
    for name in ("block", "thread", "space", "trial"):
        assert shown.array_annotations[name].tolist() == known[name].tolist()
    np.testing.assert_allclose(shown.durations.magnitude, 0.1, atol=1e-9)
    (words,) = segment.events
    assert (
        words.name == "digital" and words.array_annotations["word"].tolist() == session.words["word"].tolist()
    )
    assert [len(group.spiketrains) for group in block.groups] == [1] * len(session.units)
    assert block.annotations["space_of_thread_1"] == "object" and block.annotations["start_utc"].endswith(
        "+00:00"
    )


def test_a_pause_makes_two_segments_and_no_spike_is_lost(paused):
    block = to_neo(paused)
    assert len(block.segments) == 2
    for unit, group in zip(paused.units["unit"], block.groups, strict=True):
        joined = np.concatenate([train.times.rescale("s").magnitude for train in group.spiketrains])
        np.testing.assert_allclose(joined, times_of(paused, unit), rtol=0, atol=1e-12)
        assert group.spiketrains[1].t_start == 25 * pq.s
    onsets = np.concatenate([s.epochs[0].times.magnitude for s in block.segments if s.epochs])
    assert len(onsets) == paused.presentations["onset_s"].notna().sum()


def test_signals_are_read_when_asked_for(session):
    block = to_neo(session, {"broadband": stream(n=3_000, segments=2)})
    (segment,) = block.segments
    first, second = segment.analogsignals
    assert (float(first.t_start), float(second.t_start)) == (0.5, 10.5)
    loaded = second.load(time_slice=(10.52 * pq.s, 10.53 * pq.s))
    wanted = stream(n=3_000, segments=2).read(1, 600, 900) * 0.25
    np.testing.assert_allclose(loaded.rescale("uV").magnitude, wanted, atol=1e-3)


def test_a_block_comes_back_from_a_nix_file(paused, tmp_path):
    block = to_neo(paused)
    io = neo.io.NixIO(str(tmp_path / "s.nix"), "ow")
    io.write_block(block)
    io.close()
    io = neo.io.NixIO(str(tmp_path / "s.nix"), "ro")
    back = io.read_block()
    io.close()
    assert len(back.segments) == 2
    for ours, theirs in zip(block.segments, back.segments, strict=True):
        assert len(ours.spiketrains) == len(theirs.spiketrains)
        for a, b in zip(ours.spiketrains, theirs.spiketrains, strict=True):
            np.testing.assert_array_equal(a.magnitude, b.magnitude)
            for name in ("unit", "channel", "kind", "area", "label", "preferred"):
                assert a.annotations[name] == b.annotations[name]
        for a, b in zip(ours.epochs + ours.events, theirs.epochs + theirs.events, strict=True):
            np.testing.assert_array_equal(a.magnitude, b.magnitude)
            assert a.labels.tolist() == b.labels.tolist()
            for name in a.array_annotations:
                assert a.array_annotations[name].tolist() == b.array_annotations[name].tolist(), name


def test_pynapples_rates_are_by_observed_time(paused):
    objects = to_pynapple(paused)
    observed = 20.0 + 15.0
    for unit in paused.units["unit"]:
        times = times_of(paused, unit)
        inside = np.count_nonzero((times <= 20) | (times >= 25))
        assert objects["units"]["rate"].loc[unit] == pytest.approx(inside / observed, rel=1e-6)
    assert objects["units"]["preferred"].tolist() == paused.units["preferred"].astype(int).tolist()
    assert objects["units"]["area"].unique().tolist() == ["V4"]


def test_pynapples_psth_is_ours(session):
    objects = to_pynapple(session)
    onsets = nap.Ts(objects["presentations"].start)
    unit = int(session.units["unit"].iloc[1])
    peri = nap.compute_perievent(objects["units"][unit], onsets, (0.0, 0.2))
    ours = count_spikes(session.spikes, [unit], onsets.t, 0, 200)[0]
    found = np.array([len(one) for one in peri.values()])
    np.testing.assert_array_equal(found, ours.sum(axis=1))
    valid = session.presentations[session.presentations["valid"]]
    assert objects["presentations"]["image"].tolist() == valid["image"].tolist()
    assert objects["words"]["digital"].d.tolist() == session.words["word"].tolist()


@pytest.mark.parametrize("beyond_s", [0.0, 1e-15, 0.02])
def test_images_without_a_blank_between_them_stay_presentations_of_their_own(session, beyond_s):
    """pynapple joins intervals of which one ends later than the next begins, by a rounding error as well."""
    presentations = session.presentations.copy()
    valid = presentations.index[presentations["valid"]]
    onset_s = presentations.loc[valid, "onset_s"].sort_values()
    presentations.loc[onset_s.index[:-1], "offset_s"] = onset_s.to_numpy()[1:] + beyond_s
    shown = to_pynapple(replace(session, presentations=presentations))["presentations"]
    in_order = presentations.loc[onset_s.index]
    assert shown["image"].tolist() == in_order["image"].tolist()
    assert shown["offset_s"].tolist() == in_order["offset_s"].tolist()
    np.testing.assert_allclose(shown.start, onset_s, rtol=0, atol=1e-9)
    np.testing.assert_allclose(shown.end[:-1], onset_s[1:], rtol=0, atol=1.1e-6)


def test_two_presentations_of_one_onset_are_refused(session):
    presentations = session.presentations.copy()
    first, second = presentations.index[presentations["valid"]][:2]
    presentations.loc[second, "onset_s"] = presentations.loc[first, "onset_s"]
    with pytest.raises(InputError, match="begin at the same time"):
        to_pynapple(replace(session, presentations=presentations))


@pytest.fixture(scope="module")
def recorded(session, tmp_path_factory):
    """The session beside a raw file of two seconds: spikes on its electrodes, where its sorted units fire."""
    folder = tmp_path_factory.mktemp("raw")
    rng = np.random.default_rng(4)
    samples = rng.normal(0, 40, (60_000, 5))
    spikes = []
    for unit in range(3):
        own = np.sort(rng.choice(np.arange(300, 59_000, 100), 60, replace=False))
        for at in own:
            samples[at - 10 : at + 20, unit] -= 400 * np.exp(-((np.arange(-10, 20) / 6.0) ** 2))
        spikes += [(unit, at / RATE_HZ) for at in own]
    path = folder / "s1.ns6"
    write_nsx(path, [samples.round().astype(np.int16)], channel_ids=[1, 2, 3, 4, 5], gain_uv=0.25)
    rows = session.units[session.units["unit"] < 3].assign(n_spikes=60, rate_hz=30.0)
    table = tables.conform(pd.DataFrame(spikes, columns=SPIKES.names), SPIKES)
    none = tables.empty(ARTEFACTS)
    shapes = session.waveforms[session.waveforms["unit"] < 3]
    return replace(session, units=rows, spikes=table, waveforms=shapes, artefacts=none), path


def test_spikeinterface_opens_the_analyzer_with_our_units_and_spikes(recorded, tmp_path):
    contents, path = recorded
    analyzer = to_spikeinterface(contents, open_recording(path), tmp_path / "analyzer")
    assert analyzer.unit_ids.tolist() == [0, 1, 2]
    for unit in (0, 1, 2):
        train = analyzer.sorting.get_unit_spike_train(unit)
        np.testing.assert_array_equal(train, np.rint(times_of(contents, unit) * RATE_HZ))
    again = si.load_sorting_analyzer(tmp_path / "analyzer")
    metrics = again.get_extension("quality_metrics").get_data()
    assert (metrics["snr"] > 3).all()
    peaks = again.get_extension("templates").get_templates().min(axis=1)
    assert peaks.argmin(axis=1).tolist() == [0, 1, 2]  # each unit is largest on its own electrode


def command(*arguments):
    return cli.main([str(one) for one in arguments])


@pytest.fixture
def packaged(recorded, tmp_path):
    contents, path = recorded
    place = tmp_path / "s1.nwb"
    files = tables.conform(pd.DataFrame([(str(path), sha256(path))], columns=RAW_FILES.names), RAW_FILES)
    contents = replace(contents, raw_files=files, settings={"nwb.raw": json.dumps("link")})
    write_nwb(place, contents, CONFIG)
    return place


def test_the_command_writes_files_that_each_library_opens(packaged, capsys):
    command("export", "neo", packaged)
    io = neo.io.NixIO(capsys.readouterr().out.strip(), "ro")
    assert len(io.read_block().segments[0].spiketrains) == 3
    io.close()
    command("export", "pynapple", packaged)
    folder = Path(capsys.readouterr().out.strip())
    assert len(nap.load_file(str(folder / "units.npz"))) == 3
    command("export", "spikeinterface", packaged, "--to", packaged.parent / "si")
    assert si.load_sorting_analyzer(packaged.parent / "si").unit_ids.tolist() == [0, 1, 2]


def test_signals_of_linked_raw_files_go_into_the_nix_file(packaged, capsys):
    command("export", "neo", packaged, "--signals")
    io = neo.io.NixIO(capsys.readouterr().out.strip(), "ro")
    (signal,) = io.read_block().segments[0].analogsignals
    assert signal.shape == (60_000, 5)
    io.close()


def test_an_export_never_replaces_the_nwb_file(packaged, capsys):
    before = packaged.read_bytes()
    assert command("export", "neo", packaged, "--to", packaged) == 1
    assert "would replace" in capsys.readouterr().err
    assert packaged.read_bytes() == before


def test_a_session_without_sorted_units_has_no_analyzer(session, tmp_path):
    path = tmp_path / "a.ns6"
    write_nsx(path, [np.zeros((3_000, 2), np.int16)], channel_ids=[1, 2])
    none = replace(session, units=session.units[session.units["kind"] == "online"])
    with pytest.raises(InputError, match="no sorted units"):
        to_spikeinterface(none, open_recording(path), tmp_path / "analyzer")


def test_an_empty_session_is_a_block_without_trains(session, tmp_path):
    empty = replace(
        session,
        units=tables.empty(UNITS),
        spikes=tables.empty(SPIKES),
        presentations=tables.empty(PRESENTATIONS),
        words=tables.empty(WORDS),
    )
    (segment,) = to_neo(empty).segments
    assert not segment.spiketrains and not segment.epochs and not segment.events
    assert len(to_pynapple(empty)["units"]) == 0
