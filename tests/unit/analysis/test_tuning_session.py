"""Simulated tuning sessions: what was planted is found, and pooled by the success of evolutions before."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest
from threadpoolctl import threadpool_limits

from evoalign import study, tables
from evoalign.analysis.encoding import encode_session
from evoalign.analysis.pooling.tuning import TABLES, pool_tuning, success_of
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session.analyse import analyse_session
from evoalign.analysis.session.results import SessionResults
from evoalign.analysis.settings import Analysis, Tuning
from evoalign.analysis.tuning.fractions import MEASURES
from evoalign.analysis.tuning.session import tune_session
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.study_session import simulate_responses
from evoalign.simulate.tuning import TuningDesign, planted_kinds, simulate_tuning_responses

CONFIG = study.Config(device="cpu", tuning=Tuning(gp_restarts=3))
SHAPES = {"centred": "bell", "shifted": "bell", "rising": "monotonic", "falling": "monotonic"}


def design(session="s1", seed=4, **more):
    start = dt.datetime(2026, 3, 20, 10, 0, tzinfo=dt.UTC)
    return TuningDesign(session, "A", "IT", "6a", 6, start, seed, **more)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """As in a job of the pipeline: threads only cost, in matrices of nine rows."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def planted():
    return planted_kinds(design(repeats=20)).set_index(["subspace", "axis"])


@pytest.fixture(scope="module")
def found():
    return tune_session(simulate_tuning_responses(design(repeats=20), -50, 250), CONFIG)


def test_planted_axes_are_tuned_and_flat_ones_are_not(found, planted):
    axes = found["tuning_axes"].set_index(["subspace", "axis"]).loc[planted.index]
    flat = planted["kind"] == "flat"
    assert flat.sum() >= 2 and (~flat).sum() >= 10
    assert axes["common"].all() and (axes["n_distances"] == 9).all() and (axes["n"] == 240).all()
    assert axes.loc[~flat, "tuned"].all()
    # Of 19 axes at most a few flat ones; at p < 0.01 not one is likely.
    assert not axes.loc[flat, "tuned"].any()


def test_shapes_and_peaks_are_the_planted_ones(found, planted):
    axes = found["tuning_axes"].set_index(["subspace", "axis"]).loc[planted.index]
    axes = axes[planted["kind"] != "flat"]
    true = planted.loc[axes.index]
    right = axes["shape"] == true["kind"].map(SHAPES)
    bells = true["kind"].isin(["centred", "shifted"])
    assert right[~bells].all()
    # A hundredth of a spike/s is soon passed where noise bends a flank.
    assert right[bells].mean() >= 0.8
    # Beyond its peak at 0.24 a shifted bell falls by a fifth of its height: the process may smooth that away.
    assert not axes.loc[true["kind"] == "centred", "monotonic"].any()
    assert (np.abs(axes["peak"] - true["peak"]) <= 0.1).mean() >= 0.9
    centred = true["kind"] == "centred"
    assert axes.loc[centred, "width"].median() == pytest.approx(0.25, abs=0.06)
    np.testing.assert_allclose(axes.loc[centred, "mean"], 0, atol=0.06)


def test_rates_are_the_planted_ones(found, planted):
    curves = found["tuning_curves"]
    origin = curves[curves["distance"] == 0]
    assert (origin["n"] == 80).all()
    assert np.ptp(origin["mean_hz"]) == 0, "all axes share the origin"
    assert origin["mean_hz"].iloc[0] == pytest.approx(60, abs=3 * origin["sem_hz"].iloc[0])
    slopes = found["tuning_axes"].set_index(["subspace", "axis"])["slope_hz"]
    rising = planted.index[planted["kind"] == "rising"].union(planted.index[planted["kind"] == "falling"])
    np.testing.assert_allclose(slopes[rising], 50 / planted.loc[rising, "peak"], rtol=0.25)


def test_tables_keep_their_contracts_and_the_same_comes_twice(found):
    for name, frame in found.items():
        assert len(tables.conform(frame, tables.contract_of(name)))
    again = tune_session(simulate_tuning_responses(design(repeats=20), -50, 250), CONFIG)
    for name, frame in found.items():
        pd.testing.assert_frame_equal(frame, again[name])


def test_a_tuning_session_is_recognised_by_its_image_names(found, caplog):
    responses = simulate_tuning_responses(design(repeats=20), -50, 250)
    own = analyse_session(responses, CONFIG)
    assert set(own) == set(found)
    pd.testing.assert_frame_equal(own["tuning_axes"], found["tuning_axes"])
    assert all(frame.empty for frame in encode_session(responses, CONFIG).values())
    responses.presentations["image"] = "scene_nat"
    own = analyse_session(responses, CONFIG)
    assert list(own) == ["success", "selectivity", "image_responses", "image_psth"] and own["success"].empty
    assert own["selectivity"]["p"].isna().all(), "one image alone"
    assert "is not analysed as a paired evolution: none of its presentations has a block" in caplog.text
    assert all(frame.empty for frame in encode_session(responses, CONFIG).values()), "it has no latents"


def test_an_axis_of_few_distances_is_measured_but_not_fitted():
    responses = simulate_tuning_responses(design(repeats=2), -50, 250)
    cut = responses.presentations["image"].str.fullmatch("noise_eig5_lin-?0.(16|24|32)")
    responses.presentations.loc[cut, "valid"] = False
    found = tune_session(responses, CONFIG)
    keys = [
        set(zip(found[n]["subspace"], found[n]["axis"], strict=True))
        for n in ("tuning_curves", "tuning_axes")
    ]
    assert keys[0] - keys[1] == {("noise", 5)}


@pytest.fixture(scope="module")
def many():
    """Tuning sessions after evolutions that succeed and fail."""
    settings = study.Config(device="cpu", tuning=Tuning(gp_restarts=2))
    sessions, follows = [], {}
    for i in range(16):
        one = design(f"t{i:02d}", seed=100 + i, succeeds=i % 2 == 0, repeats=6)
        sessions.append(tune_session(simulate_tuning_responses(one, -50, 250), settings))
        follows[one.session] = f"e{i:02d}"
    return sessions, follows


def evolutions(succeeds):
    """The rows of trajectories that pooling reads: the texture thread rises, the object thread where told."""
    return [{"trajectories": trajectories(f"e{i:02d}", good)} for i, good in enumerate(succeeds)]


def trajectories(session, rises, kinds=("texture", "object")):
    rows = [
        {"session": session, "thread": thread, "kind": kind, "block_index": block, "mean_hz": mean}
        for thread, kind in enumerate(kinds)
        for block, mean in enumerate((20.0, 60.0, 40.0 if rises or kind == "texture" else 21.0))
    ]
    return pd.DataFrame(rows).assign(stimuli="generated", window="evoked", sem_hz=1.0, n=25)


def test_fractions_differ_by_success_as_planted(many):
    sessions, follows = many
    pooled = pool_tuning([*sessions, *evolutions([i % 2 == 0 for i in range(16)])], follows, CONFIG)
    fractions = pooled["tuning_fractions"].set_index(["area", "subspace", "success", "measure"]).sort_index()
    own = fractions.loc[("all", "both")]
    assert own.loc[("all", "tuned"), "n"] == 16 * 19
    # Planted: 80 and 75 % tuned; of these 62 and 13 % with their peak at the origin.
    planted = {
        ("succeeds", "tuned"): 0.8,
        ("fails", "tuned"): 0.75,
        ("succeeds", "centre"): 0.625,
        ("fails", "centre"): 0.1 / 0.75,
    }
    for key, expected in planted.items():
        row = own.loc[key]
        assert row["low"] - 0.06 <= expected <= row["high"] + 0.06, key
    tests = pooled["tuning_tests"].set_index(["area", "subspace", "measure"]).sort_index()
    assert tests.loc[("all", "both", "bell"), "q"] < 0.001
    assert tests.loc[("all", "both", "monotonic"), "p"] < 0.001, "one-sided: fewer after success"
    assert (tests.loc[("all", "both", ["bell", "monotonic", "centre"]), "session_p"] < 0.002).all()
    assert tests.loc[("all", "both", "tuned"), "session_p"] > 0.01
    assert (tests.loc[("all", "both"), ["sessions_succeed", "sessions_fail"]] == 8).all(axis=None)
    for measure, alternative in MEASURES.items():
        row = tests.loc[("all", "both", measure)]
        k, n = ([row[f"{x}_{g}"] for g in ("succeeds", "fails")] for x in "kn")
        assert (row["z"], row["p"]) == pytest.approx(proportions_ztest(k, n, alternative=alternative))
        assert row["alternative"] == alternative
    for q, p in (("q", "p"), ("session_q", "session_p")):
        adjusted = multipletests(tests.loc[("all", "both"), p], method="fdr_bh")[1]
        np.testing.assert_allclose(tests.loc[("all", "both"), q], adjusted)
    sums = (
        pooled["tuning_peaks"]
        .groupby(["area", "subspace", "success"])[["k", "n"]]
        .agg({"k": "sum", "n": "max"})
    )
    assert (sums["k"] == sums["n"]).all()


def test_curves_are_averaged_over_sessions(many):
    sessions, follows = many
    heat = pool_tuning(sessions, follows, CONFIG)["tuning_heatmap"]
    assert heat["success"].unique().tolist() == ["all"], "no evolution is known"
    row = heat[(heat["subspace"] == "noise") & (heat["axis"] == 5) & (heat["distance"] == 0.24)].iloc[0]
    values = []
    for one in sessions:
        curves = one["tuning_curves"]
        at = curves.query("subspace == 'noise' and axis == 5 and distance == 0.24")["mean_hz"].iloc[0]
        values.append(at / curves["mean_hz"].max())
    assert (row["n"], row["mean"]) == (16, pytest.approx(np.mean(values)))
    assert row["sem"] == pytest.approx(np.std(values, ddof=1) / 16**0.5)


def test_a_session_belongs_to_the_evolution_that_it_follows_or_holds(many):
    sessions, _ = many
    both = {**sessions[1], "trajectories": trajectories("t01", rises=False)}
    overview = pool_tuning([sessions[0], both, *evolutions([True])], {"t00": "e00"}, CONFIG)[
        "tuning_sessions"
    ]
    assert overview["evolution"].tolist() == ["e00", "t01"]
    assert overview["success"].tolist() == ["succeeds", "fails"]


def test_success_is_the_last_block_against_the_first():
    settings = Analysis(n_bootstrap=20, n_permutations=20)
    config = study.Config(device="cpu", analysis=settings)
    designs = draw_study(6, seed=3)
    responses = [simulate_responses(one, -50, 250) for one in designs]
    found = success_of([analyse_session(one, config) for one in responses], config.tuning)
    for design, shown in zip(designs, responses, strict=True):
        evolved = experiment_from(shown, settings)
        rate = evolved.rates[:, 50:200].mean(1)
        own = ~evolved.reference & (evolved.thread == 1)
        last, first = (rate[own & (evolved.block == block)] for block in (evolved.n_blocks - 1, 0))
        expected = stats.ttest_ind(last, first)
        row = found.loc[design.session]
        assert (row["evolution_t"], row["evolution_p"]) == pytest.approx(tuple(expected), rel=1e-9)
        succeeds = expected.pvalue < 0.01 and expected.statistic > 0
        assert row["success"] == ("succeeds" if succeeds else "fails")
    assert found["success"].nunique() == 2


def test_success_is_told_of_one_object_thread_wherever_it_is():
    settings = Tuning()
    swapped = trajectories("a", rises=False, kinds=("object", "texture"))
    fell = trajectories("b", rises=True).assign(mean_hz=lambda f: -f["mean_hz"])
    two = trajectories("c", rises=True, kinds=("object", "object"))
    single = trajectories("d", rises=True).query("block_index == 0")
    found = success_of([{"trajectories": one} for one in (swapped, fell, two, single)], settings)
    assert found["success"].to_dict() == {"a": "fails", "b": "fails", "c": "unknown", "d": "unknown"}
    assert found.loc["b", "evolution_p"] < 0.01, "it falls"
    strict = settings.model_copy(update={"success_p": 1e-300})
    rises = [{"trajectories": trajectories("e", rises=True)}]
    assert success_of(rises, settings)["success"].tolist() == ["succeeds"]
    assert success_of(rises, strict)["success"].tolist() == ["fails"]


def test_nothing_comes_of_a_study_without_tuning_sessions():
    designs = draw_study(2, seed=3)
    settings = Analysis(n_bootstrap=20, n_permutations=20)
    config = study.Config(device="cpu", analysis=settings)
    sessions = [analyse_session(simulate_responses(one, -50, 250), config) for one in designs]
    pooled = pool_tuning(sessions, {}, config)
    assert list(pooled) == list(TABLES) and all(frame.empty for frame in pooled.values())


def test_pooled_evolutions_do_not_see_tuning_sessions(many):
    settings = Analysis(n_bootstrap=20, n_permutations=20)
    config = study.Config(device="cpu", analysis=settings)
    sessions = [analyse_session(simulate_responses(one, -50, 250), config) for one in draw_study(3, seed=3)]
    tuning = SessionResults(None, many[0][0])
    alone, mixed = pool_sessions(sessions, config), pool_sessions([tuning, *sessions], config)
    for name, frame in alone.items():
        pd.testing.assert_frame_equal(frame, mixed[name])
