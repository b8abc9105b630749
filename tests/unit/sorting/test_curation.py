"""Curation by hand wins: labels, merges, splits and removals, of SpikeInterface's format and of phy."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from evoalign import tables
from evoalign.errors import InputError
from evoalign.formats.spikeinterface_recording import stream_recording
from evoalign.sheet import Session, check_curations
from evoalign.sorting.curation import curate
from evoalign.sorting.quality import metrics
from evoalign.sorting.recorded import RecordedTime
from evoalign.sorting.result import SortingResult, UnitSpikes
from evoalign.sorting.settings import Sorting
from evoalign.sorting.tables import SPIKES, UNITS, WAVEFORMS
from evoalign.sorting.traces import Chunk, Traces

DEFINITIONS = {"quality": {"label_options": ["good", "noise", "MUA"], "exclusive": True}}
SPANS = [(0.0, 6.0), (7.0, 13.0)]


def sorted_rows(result):
    return result.units[result.units["kind"] == "sorted"].reset_index(drop=True)


def times_of(result, unit):
    return result.spikes.loc[result.spikes["unit"] == unit, "time_s"].to_numpy()


def saved(folder, **parts):
    content = {"format_version": "2", "unit_ids": [0, 1, 2], "label_definitions": DEFINITIONS, **parts}
    (folder / "curation.json").write_text(json.dumps(content))
    return folder / "curation.json"


def labelled(unit, *labels):
    return {"unit_id": unit, "labels": {"quality": list(labels)}}


def curated(recorded, path):
    recording, channels, found = recorded
    return curate(found, path, channels, recording.segments, Sorting())


def test_a_curation_that_changes_nothing_gives_the_same_tables(recorded, tmp_path):
    found = recorded[2]
    result = curated(recorded, saved(tmp_path))
    for name in ("units", "spikes", "waveforms", "bad_channels", "artefacts"):
        pd.testing.assert_frame_equal(getattr(result, name), getattr(found, name), check_exact=True)


def test_labels_win_over_thresholds(recorded, tmp_path):
    path = saved(tmp_path, manual_labels=[labelled(0, "MUA"), labelled(2, "noise")])
    assert sorted_rows(recorded[2])["label"].tolist() == ["good"] * 3
    assert sorted_rows(curated(recorded, path))["label"].tolist() == ["mua", "good", "noise"]


def test_removed_units_are_gone_and_others_stay(recorded, tmp_path):
    found, result = recorded[2], curated(recorded, saved(tmp_path, removed=[1]))
    assert len(sorted_rows(result)) == 2
    assert result.units["unit"].tolist() == list(range(len(found.units) - 1))
    np.testing.assert_array_equal(times_of(result, 1), times_of(found, 2))
    for kind in ("multiunit",):
        before, after = (r.units[r.units["kind"] == kind]["n_spikes"].tolist() for r in (found, result))
        assert before == after


def test_merged_units_have_all_spikes_their_mean_waveform_and_new_metrics(recorded, tmp_path):
    recording, channels, found = recorded
    result = curated(recorded, saved(tmp_path, merges=[{"unit_ids": [0, 1]}]))
    row = sorted_rows(result).iloc[0]
    both = np.sort(np.concatenate([times_of(found, 0), times_of(found, 1)]))
    both = both[np.diff(both, prepend=-1) >= 3e-4]
    np.testing.assert_array_equal(times_of(result, row["unit"]), both)
    nothing = np.zeros(0)
    expected = metrics(
        UnitSpikes("sorted", 1, both, nothing, nothing, nothing), 1.0, RecordedTime(SPANS), Sorting()
    )
    for name in ("n_spikes", "rate_hz", "isi_violations_ratio", "presence_ratio"):
        assert row[name] == pytest.approx(expected[name])
    # Cut the waveforms out of the voltages again, and average.
    traces = Traces(stream_recording(recording.streams["broadband"]), channels, Sorting())
    cut = []
    for segment, (start, _) in enumerate(SPANS):
        values = traces.filtered(Chunk(segment, 0, 180_000))[0]
        inside = [t for unit in (0, 1) for t in times_of(found, unit) if start <= t < start + 6]
        at = np.rint((np.array(inside) - start) * 30_000).astype(int)
        at = at[(at >= 30) & (at < 180_000 - 60)]
        cut.append(values[at[:, None] + np.arange(-30, 60)])
    shape = result.waveforms[result.waveforms["unit"] == row["unit"]]
    np.testing.assert_allclose(shape["mean_uv"], np.concatenate(cut).mean(axis=0), atol=1.0)
    np.testing.assert_allclose(shape["sd_uv"], np.concatenate(cut).std(axis=0), atol=1.5)


def test_a_unit_can_be_split_by_the_indices_of_its_spikes(recorded, tmp_path):
    found = recorded[2]
    first = list(range(0, len(times_of(found, 0)), 2))
    split = {"unit_id": 0, "mode": "indices", "indices": [first]}
    result = curated(recorded, saved(tmp_path, splits=[split]))
    parts = sorted_rows(result)
    parts = parts[parts["channel"] == 1]
    assert len(parts) == 3
    trains = [times_of(result, unit) for unit in parts["unit"]]
    assert any(np.array_equal(train, times_of(found, 0)[first]) for train in trains)
    np.testing.assert_array_equal(
        np.sort(np.concatenate(trains)), np.sort(np.concatenate([times_of(found, 0), times_of(found, 1)]))
    )
    unknown = parts[~parts["unit"].isin(result.waveforms["unit"])]
    assert len(unknown) == 2 and unknown["snr"].isna().all(), "the waveform of a part is not known"


def test_names_as_text_and_sortingviews_older_format_are_read(recorded, tmp_path):
    (tmp_path / "c.json").write_text(
        json.dumps({"labelsByUnit": {"0": ["mua"], "1": ["accept"], "2": ["reject"]}, "mergeGroups": []})
    )
    assert sorted_rows(curated(recorded, tmp_path / "c.json"))["label"].tolist() == ["mua", "good", "noise"]
    path = saved(tmp_path, unit_ids=["0", "1", "2"], removed=["1"])
    assert len(sorted_rows(curated(recorded, path))) == 2


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"unit_ids": [0, 1, 2, 7]}, "made for other units: 7"),
        ({"unit_ids": [0, 1]}, "made for other units: 2"),
        ({"merges": [{"unit_ids": [0, 9]}]}, "9 is not in the unit list"),
        ({"merges": [{"unit_ids": [0, 2]}]}, "lie on electrodes [1, 2]"),
        ({"manual_labels": [labelled(0, "good", "noise")]}, "exclusive"),
        ({"splits": [{"unit_id": 0, "indices": [[10**7]]}]}, ""),
        ({"format_version": "9"}, ""),
        ({"unit_ids": None}, ""),
    ],
)
def test_a_curation_that_does_not_fit_is_one_message(recorded, tmp_path, parts, words):
    with pytest.raises(InputError) as caught:
        curated(recorded, saved(tmp_path, **parts))
    assert words in str(caught.value)
    assert "curation.json" in str(caught.value.where)


@pytest.mark.parametrize("content", ["", "[1, 2]", "{", "\x00", '{"a": 1}'])
def test_a_damaged_curation_is_one_message(recorded, tmp_path, content):
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(InputError, match="curation"):
        curated(recorded, tmp_path / "c.json")


def test_nothing_to_curate_is_one_message(recorded, tmp_path):
    recording, channels, found = recorded
    empty = SortingResult(*(tables.empty(c) for c in (UNITS, SPIKES, WAVEFORMS)), found.bad_channels)
    with pytest.raises(InputError, match="no sorted units"):
        curate(empty, saved(tmp_path), channels, recording.segments, Sorting())


@pytest.fixture
def phy(exported, tmp_path):
    """A folder in which phy may be used: what is read of it."""
    folder = tmp_path / "phy"
    folder.mkdir()
    for name in ("spike_clusters.npy", "spike_templates.npy", "cluster_si_unit_ids.tsv", "cluster_group.tsv"):
        shutil.copy(exported / "phy" / name, folder / name)
    return folder


def use_phy(folder, merged=(), groups=()):
    """Save as phy does: merged clusters get a new number, groups stand in a table."""
    clusters = np.load(folder / "spike_clusters.npy")
    if merged:
        clusters[np.isin(clusters, merged)] = clusters.max() + 1
    np.save(folder / "spike_clusters.npy", clusters)
    table = pd.DataFrame(groups, columns=["cluster_id", "group"])
    table.to_csv(folder / "cluster_group.tsv", sep="\t", index=False)


def test_phy_that_was_not_used_changes_nothing(recorded, phy):
    result = curated(recorded, phy)
    for name in ("units", "spikes", "waveforms"):
        pd.testing.assert_frame_equal(getattr(result, name), getattr(recorded[2], name), check_exact=True)


def test_phys_merges_and_groups_are_those_of_the_other_format(recorded, phy, tmp_path):
    use_phy(phy, merged=[0, 1], groups=[(2, "noise"), (3, "good")])
    same = saved(
        tmp_path, merges=[{"unit_ids": [0, 1]}], manual_labels=[labelled(2, "noise"), labelled(0, "good")]
    )
    of_phy, of_json = curated(recorded, phy / "cluster_group.tsv"), curated(recorded, same)
    for name in ("units", "spikes", "waveforms"):
        pd.testing.assert_frame_equal(getattr(of_phy, name), getattr(of_json, name), check_exact=True)
    assert sorted_rows(of_phy)["label"].tolist() == ["good", "noise"]


def test_phy_of_another_sorting_or_without_its_files_is_one_message(recorded, phy):
    clusters = np.load(phy / "spike_clusters.npy")
    np.save(phy / "spike_clusters.npy", clusters[:-1])
    with pytest.raises(InputError, match="spikes, the sorting"):
        curated(recorded, phy)
    np.save(phy / "spike_clusters.npy", clusters)
    np.save(phy / "spike_templates.npy", np.zeros_like(clusters))
    with pytest.raises(InputError, match="unit 0 has"):
        curated(recorded, phy)
    (phy / "spike_templates.npy").unlink()
    with pytest.raises(InputError, match=r"params\.py"):
        curated(recorded, phy)


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        ("cluster_group.tsv", "cluster_id\tgroup\n1\tnoise\n", ["good", "noise", "good"]),
        ("cluster_group.tsv", "cluster_id\tgroup\n0\t\n1\tnoise\n2\t \n", ["good", "noise", "good"]),
        ("cluster_group.tsv", "cluster_id\tgroup\n0\n1\tMUA\n", ["good", "mua", "good"]),  # no tab at all
        ("cluster_group.tsv", "cluster_id\tgroup\n0.0\tmua\n1\tnan\n", ["mua", "good", "good"]),
        ("cluster_groups.csv", "cluster_id\tgroup\n2\tmua\n", ["good", "good", "mua"]),  # phy 1
        ("other.tsv", "", ["good", "good", "good"]),  # nothing was labelled
    ],
)
def test_blank_labels_of_phy_and_a_missing_table_are_no_labels(recorded, phy, name, text, labels):
    (phy / "cluster_group.tsv").unlink(missing_ok=True)
    (phy / name).write_text(text)
    assert sorted_rows(curated(recorded, phy))["label"].tolist() == labels


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("cluster_id\tgroup\n0\tgood\n\tnoise\n", "cluster_id is blank"),
        ("cluster_id\tgroup\n0\tgood\nx\tnoise\n", "'x' is no number of a cluster"),
        ("cluster_id\tgroup\n0\tgood\n1.5\tnoise\n", "'1.5' is no number"),
    ],
)
def test_a_cluster_of_phy_without_its_number_is_named_by_its_row(recorded, phy, text, what):
    (phy / "cluster_group.tsv").write_text(text)
    with pytest.raises(InputError, match=what) as error:
        curated(recorded, phy)
    assert error.value.where.endswith("cluster_group.tsv, row 3")


def test_a_curation_inside_the_results_is_refused():
    kept = Session(session="s1", subject="A", raw="a.ns6", curation="curations/s1.json")
    check_curations([kept], "results")
    lost = kept.model_copy(update={"curation": "results/sessions/s1/phy"})
    with pytest.raises(InputError, match="would be overwritten"):
        check_curations([kept, lost], "results")
