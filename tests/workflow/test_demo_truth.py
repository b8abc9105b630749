"""The demo's results against what was planted, all the way through the voltages."""

import json

import numpy as np
import pandas as pd
import pytest
import spikeinterface as si
from scipy import stats
from spikeinterface.comparison import compare_sorter_to_ground_truth

SESSIONS = ["V1_plexon", "V4_blackrock", "IT_blackrock"]  # recordings
SHARED = [f"{area}_shared{n}" for area in ("V1", "V4", "IT") for n in (1, 2, 3, 4)]
EXPERIMENTS = 5  # an area: a recording and four shared sessions
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
    assert (own["n"] >= EXPERIMENTS).all() and len(own) == 20
    return own


def planted_crossovers(demo, area):
    """Planted crossovers of an area's experiments, ms; None where none is planted."""
    names = [name for name in (*SESSIONS, *SHARED) if name.startswith(area)]
    return {name: truth_of(demo, name)[0]["crossover_ms"] for name in names}


def encoded(demo, name, **chosen):
    """Rows of a pooled table of the encoding: all latents, folds by image."""
    frame = pd.read_parquet(demo / f"results/population/encoding/{name}.parquet")
    for column, value in {"projection": "full", "scheme": "image", **chosen}.items():
        frame = frame[frame[column] == value]
    return frame


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


@pytest.mark.parametrize("area", ["V1", "V4"])
def test_v1_and_v4_favour_the_texture_space(demo, area):
    final = pooled(demo, "activation").query(f"area == '{area}' and stage == 'final'")
    by_kind = final.set_index(["session", "kind"])["value"].unstack()  # noqa: PD010
    tuned = by_kind.drop(index="untuned_shared", errors="ignore")
    assert len(tuned) == EXPERIMENTS and (tuned["texture"] > tuned["object"]).all()
    contrast = late_contrast(demo, area)
    assert (contrast.query("60 <= start_ms < 90")["high"] < 0).all()
    assert not ((contrast["z_q"] < 0.05) & (contrast["mean"] > 0)).any()


def test_pit_is_led_by_texture_early_and_by_objects_late(demo):
    contrast = late_contrast(demo, "IT")
    assert (contrast.query("50 <= start_ms < 80")["high"] < 0).all()
    assert (contrast.query("120 <= start_ms < 200")["low"] > 0).all()


@pytest.mark.parametrize("session", [*SESSIONS, *SHARED, "untuned_shared"])
def test_a_sessions_crossover_is_the_planted_one(demo, session):
    planted, _ = truth_of(demo, session)
    found = pooled(demo, "crossover").query(f"session == '{session}'").iloc[0]
    if planted["crossover_ms"] is None:
        assert np.isnan(found["crossover_ms"]), "no crossover where none was planted"
    else:
        assert abs(found["crossover_ms"] - planted["crossover_ms"]) <= 20


def test_the_areas_crossover_and_latencies_are_the_planted_ones(demo):
    found = pooled(demo, "crossover").query("scope == 'area' and selection == 'both'").set_index("area")
    assert (found["n"] == EXPERIMENTS).all() and set(found.index) == {"V1", "V4", "IT"}
    planted = np.mean([*planted_crossovers(demo, "IT").values()])
    assert abs(found.loc["IT", "crossover_ms"] - planted) <= 20
    assert found.loc[["V1", "V4"], "crossover_ms"].isna().all()
    latencies = (
        pooled(demo, "latencies").query("selection == 'both'").set_index(["area", "space"])["latency_ms"]
    )
    # Textures from the planted start of the response on; objects after the crossover, in PIT alone.
    for area, start in (("V1", 42), ("V4", 46), ("IT", 50)):
        assert start - 10 <= latencies[area, "texture"] <= start + 30
    assert planted - 10 <= latencies["IT", "object"] <= planted + 30
    assert latencies[[("V1", "object"), ("V4", "object")]].isna().all()


def test_the_specification_curve_shows_what_was_planted(demo):
    frame = pooled(demo, "specifications")
    evoked = frame.query("start_ms == 50 and stop_ms == 200 and n >= @EXPERIMENTS")
    for area in ("V1", "V4"):
        own = evoked[evoked["area"] == area]
        assert len(own) and (own["effect"] < 0).all()
    own = frame.query("area == 'IT' and n >= @EXPERIMENTS")
    assert (own.query("stop_ms <= 90")["effect"] < 0).all() and (
        own.query("start_ms >= 120")["effect"] > 0
    ).all()


def test_units_of_every_area_are_explained(demo):
    found = encoded(demo, "population_encoding").groupby("area")["n_explained"].first()
    assert set(found.index) == {"V1", "V4", "IT"} and (found >= 8).all(), found.to_dict()


def test_the_alignment_index_crosses_over_in_pit_where_it_was_planted(demo):
    index = encoded(demo, "population_encoding", area="IT").set_index("start_ms")
    early, late = index.loc[60:89], index.loc[120:189]
    assert (early["index"] < 0).all() and (early["high"] < 0).all()
    assert (late["index"] > 0).all() and (late["low"] > 0).all()
    crossover = encoded(demo, "population_encoding_crossover", area="IT")["crossover_ms"].iloc[0]
    assert abs(crossover - np.mean([*planted_crossovers(demo, "IT").values()])) <= 20


@pytest.mark.parametrize("area", ["V1", "V4"])
def test_the_alignment_index_of_v1_and_v4_is_texture_led(demo, area):
    index = encoded(demo, "population_encoding", area=area).set_index("start_ms")
    assert (index.loc[60:89, "high"] < 0).all()
    assert encoded(demo, "population_encoding_crossover", area=area)["crossover_ms"].isna().all()
    shares = index.loc[50:199, ["texture", "object"]].mean()
    assert shares["texture"] > 1.5 * shares["object"]


def test_the_session_without_tuning_has_no_more_findings_than_its_tests_level_allows(demo):
    """Each claim is one that a session without tuning breaks in 1 of 1,000 seeds; the seed was not chosen."""
    name, rate = "untuned_shared", 0.001
    planted, _ = truth_of(demo, name)
    assert planted["tuned"] is False and planted["crossover_ms"] is None
    units = encoded(demo, "encoding_units", session=name)
    p = units[["p_texture", "p_object"]].to_numpy()
    assert (p <= 0.05).sum() <= stats.binom.ppf(1 - rate, p.size, 0.05) and np.isfinite(p).all()
    success = pooled(demo, "success").query(f"session == '{name}' and statistic == 'maxinit'")
    assert success["thread"].tolist() == [0, 1] and (success["p_selected"] > rate).all()
    # Shares are 0 within their own standard errors, all windows and units together.
    index = pd.read_parquet(demo / f"results/sessions/{name}/encoding/encoding_index.parquet")
    index = index.query("projection == 'full' and scheme == 'image'")
    for kind in ("texture", "object"):
        error = np.sqrt((index[f"{kind}_sd"] ** 2).sum()) / len(index)
        assert abs(index[kind].mean()) < stats.norm.isf(rate / 2) * error


def test_the_areas_contrast_has_the_planted_signs_before_and_after_the_planted_crossover(demo):
    planted = [truth_of(demo, name)[0] for name in (*SESSIONS, *SHARED) if name.startswith("IT")]
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
            assert (
                file.name in ("demo.smk", "demo.py", "demo_shared.py", "demo_tuning.py")
                or "truth" not in text
            ), file
