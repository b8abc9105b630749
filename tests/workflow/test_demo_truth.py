"""The demo's results against what was planted, all the way through the voltages."""

import json

import numpy as np
import pandas as pd
import pytest
import spikeinterface as si
from scipy import stats
from spikeinterface.comparison import compare_sorter_to_ground_truth

SESSIONS = [f"{area}_{vendor}" for area in ("V1", "V4", "IT") for vendor in ("blackrock", "plexon")]
CLOCK_HZ = 30_000.0

pytestmark = pytest.mark.slow


def truth_of(demo, session):
    folder = demo / f"data/demo/{session}/truth"
    return json.loads((folder / "truth.json").read_text()), folder


def pooled(demo, name):
    return pd.read_parquet(demo / f"results/population/trajectories/{name}.parquet")


def sorting(times_s):
    frames = np.rint(np.sort(times_s) * CLOCK_HZ).astype(np.int64)
    return si.NumpySorting.from_samples_and_labels([frames], [np.zeros(len(frames), int)], CLOCK_HZ)


def late_contrast(demo, area):
    """Object minus texture over the time bins, in late blocks, pooled over an area's experiments."""
    contrast = pooled(demo, "population_contrast")
    own = contrast[(contrast["area"] == area) & (contrast["window"] == "binned")]
    assert (own["n"] == 2).all() and len(own) == 20
    return own


@pytest.mark.parametrize("session", SESSIONS)
def test_the_preferred_unit_is_found_in_the_voltages(demo, session):
    planted, folder = truth_of(demo, session)
    true = pd.read_parquet(folder / "spikes.parquet").query(f"unit == {planted['preferred_unit']}")["time_s"]
    sorted_ = demo / f"results/sessions/{session}/sorting"
    units = pd.read_parquet(sorted_ / "units.parquet")
    (found,) = units.loc[units["preferred"] & (units["kind"] == "sorted"), "unit"]
    times = pd.read_parquet(sorted_ / "spikes.parquet").query(f"unit == {found}")["time_s"]
    compared = compare_sorter_to_ground_truth(sorting(true), sorting(times), delta_time=0.4)
    assert compared.get_performance()["accuracy"].iloc[0] >= 0.9


@pytest.mark.parametrize("session", SESSIONS)
def test_onsets_are_those_of_the_light(demo, session):
    _, folder = truth_of(demo, session)
    true = pd.read_parquet(folder / "presentations.parquet")
    found = pd.read_parquet(demo / f"results/sessions/{session}/events/presentations.parquet")
    assert found["image"].tolist() == true["image"].tolist()
    assert found["valid"].mean() >= 0.999
    error_ms = 1000 * np.abs(found["onset_s"] - true["onset_s"])[found["valid"]]
    assert np.percentile(error_ms, 99) <= 0.5


def test_v1_favours_the_texture_space(demo):
    final = pooled(demo, "activation").query("area == 'V1' and stage == 'final'")
    by_kind = final.set_index(["session", "kind"])["value"].unstack()  # noqa: PD010
    assert (by_kind["texture"] > by_kind["object"] + 0.3).all()
    contrast = late_contrast(demo, "V1")
    assert (contrast.query("50 <= start_ms < 90")["high"] < 0).all()
    assert not ((contrast["z_q"] < 0.05) & (contrast["mean"] > 0)).any()


def test_pit_is_led_by_texture_early_and_by_objects_late(demo):
    contrast = late_contrast(demo, "IT")
    assert (contrast.query("50 <= start_ms < 80")["high"] < 0).all()
    assert (contrast.query("120 <= start_ms < 200")["low"] > 0).all()


@pytest.mark.parametrize("session", SESSIONS)
def test_the_crossover_is_the_planted_one(demo, session):
    planted, _ = truth_of(demo, session)
    found = pooled(demo, "crossover").query(f"session == '{session}'").iloc[0]
    if planted["crossover_ms"] is None:
        assert np.isnan(found["crossover_ms"]), "no crossover where none was planted"
    else:
        assert abs(found["crossover_ms"] - planted["crossover_ms"]) <= 20


def test_two_experiments_an_area_have_no_crossover_whatever_was_planted(demo):
    found = pooled(demo, "crossover").query("scope == 'area'")
    assert set(found["area"]) == {"V1", "V4", "IT"} and (found["n"] <= 2).all()
    assert found[["crossover_ms", "low_ms", "high_ms"]].isna().all(axis=None)
    assert set(found["reason"]) == {"fewer than 5 experiments"}
    latencies = pooled(demo, "latencies")
    assert latencies["latency_ms"].isna().all()
    assert set(latencies["reason"]) == {"fewer than 5 experiments"}


def test_the_areas_contrast_has_the_planted_signs_before_and_after_the_planted_crossover(demo):
    planted = [truth_of(demo, f"IT_{vendor}")[0] for vendor in ("blackrock", "plexon")]
    rates = np.array([[one["converged_rates_hz"][f"thread{i}"] for i in (0, 1)] for one in planted])
    binned = (rates[:, 1] - rates[:, 0]).mean(0).reshape(20, 10).mean(1)
    mean = late_contrast(demo, "IT").sort_values("start_ms")["mean"].to_numpy()
    clear = np.abs(binned) > 0.2 * np.abs(binned).max()
    assert clear.sum() >= 10 and {-1, 1} == set(np.sign(binned[clear]))
    np.testing.assert_array_equal(np.sign(mean[clear]), np.sign(binned[clear]))


def test_planted_spikes_reach_the_responses_of_the_preferred_unit(demo):
    """Counts around onsets, from the truth alone, agree with what went through sorting and NWB."""
    import zarr

    for session in ("V1_plexon", "IT_blackrock"):
        planted, folder = truth_of(demo, session)
        spikes = pd.read_parquet(folder / "spikes.parquet")
        true = np.sort(spikes.query(f"unit == {planted['preferred_unit']}")["time_s"].to_numpy())
        onsets = pd.read_parquet(folder / "presentations.parquet")["onset_s"].to_numpy()
        expected = np.searchsorted(true, onsets + 0.2) - np.searchsorted(true, onsets + 0.05)
        place = demo / f"results/sessions/{session}/responses.zarr"
        group = zarr.open_group(str(place), mode="r")
        units = pd.read_parquet(place / "units.parquet")
        (row,) = np.flatnonzero(units["preferred"] & (units["kind"] == "sorted"))
        start = -group.attrs["start_ms"]
        counted = group["counts"][row][:, start + 50 : start + 200].sum(axis=1)
        assert np.corrcoef(expected, counted)[0, 1] > 0.97
        assert counted.sum() == pytest.approx(expected.sum(), rel=0.05)


def test_the_tuning_sessions_axes_are_the_planted_ones(demo):
    true = pd.read_csv(demo / "data/demo/IT_tuning/truth/axes.tsv", sep="\t")
    found = pd.read_parquet(demo / "results/population/tuning/tuning_axes.parquet")
    both = true.merge(found, on=["subspace", "axis"], suffixes=("_true", ""))
    assert len(both) == len(true) == 19
    planted = both["kind"] != "flat"
    assert both.loc[planted, "tuned"].mean() >= 0.9 and both.loc[~planted, "tuned"].mean() <= 0.4
    tuned = both[planted & both["tuned"]]
    assert (np.abs(tuned["peak"] - tuned["peak_true"]) <= 0.12).mean() >= 0.8
    overview = pd.read_parquet(demo / "results/population/tuning/tuning_sessions.parquet")
    assert overview["evolution"].tolist() == ["IT_blackrock"]
    blocks = pd.read_parquet(demo / "results/sessions/IT_blackrock/trajectories/trajectories.parquet")
    own = blocks.query("kind == 'object' and stimuli == 'generated' and window == 'evoked'")
    own = own.sort_values("block_index").assign(std_hz=own["sem_hz"] * own["n"] ** 0.5)
    last, first = own[["mean_hz", "std_hz", "n"]].iloc[[-1, 0]].to_numpy()
    test = stats.ttest_ind_from_stats(*last, *first)
    assert overview["evolution_p"].tolist() == pytest.approx([test.pvalue])
    assert overview["success"].tolist() == [
        "succeeds" if test.pvalue < 0.01 and test.statistic > 0 else "fails"
    ]


def test_no_rule_reads_the_truth(demo):
    for name in ("rules", "scripts"):
        for file in (demo / "workflow" / name).iterdir():
            text = file.read_text()
            # The demo's own rules write it; nothing else may name it.
            assert file.name in ("demo.smk", "demo.py", "demo_tuning.py") or "truth" not in text, file
