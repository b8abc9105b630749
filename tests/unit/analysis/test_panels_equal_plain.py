"""The pooled panels equal a plain pandas and scipy implementation, and recover what a study planted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from statsmodels.stats.multitest import multipletests

from evoalign import study
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session import dynamics
from evoalign.analysis.session.analyse import analyse_experiment
from evoalign.analysis.session.results import SessionResults
from evoalign.analysis.settings import Analysis
from evoalign.responses.rates import rates
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.study_rates import draw_truth
from evoalign.simulate.study_session import simulate_responses

pytestmark = pytest.mark.slow

CONFIG = study.Config(
    device="cpu", analysis=Analysis(n_bootstrap=400, n_permutations=200, bins_ms=(5, 10, 25, 50))
)
SETTINGS = CONFIG.analysis
SPAN = (CONFIG.responses.start_ms, CONFIG.responses.stop_ms)
BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def designs():
    # Of short runs, for the plain implementation makes a call of scipy for each block of each window.
    return [one for one in draw_study(60, seed=2) if one.n_blocks <= 30][:20]


@pytest.fixture(scope="module")
def sessions(designs):
    responses = [simulate_responses(one, *SPAN) for one in designs]
    experiments = [
        experiment_from(one, SETTINGS, unstable=design.unstable)
        for one, design in zip(responses, designs, strict=True)
    ]
    return responses, [analyse_experiment(one, SETTINGS, 0) for one in experiments]


@pytest.fixture(scope="module")
def pooled(sessions):
    return pool_sessions(sessions[1], CONFIG)


@pytest.fixture(scope="module")
def plain(designs, sessions):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import population_plain
    each = [
        population_plain.session(one, SETTINGS, design.unstable)
        for one, design in zip(sessions[0], designs, strict=True)
    ]
    return each, population_plain.pool(each, SETTINGS)


def bins_of(frame, width):
    return frame[frame["stop_ms"] - frame["start_ms"] == width]


def test_each_session(sessions, plain):
    for tables, expected in zip(sessions[1], plain[0], strict=True):
        row = tables["experiments"].iloc[0]
        assert (row["valid"], row["n_blocks"]) == (expected["valid"], expected["n_blocks"])
        assert row["normaliser_hz"] == pytest.approx(expected["normaliser"])
        for _, test in tables["success"].iterrows():
            reference = expected["tests"][test["statistic"], test["thread"]]
            assert (test["t"], test["p"]) == pytest.approx(tuple(reference), rel=1e-6)
        tau = tables["time_constants"].set_index(["level", "theta", "thread"])["first_above"]
        for column, theta in enumerate((SETTINGS.time_constant_theta, SETTINGS.time_constant_alternative)):
            for row_, level in enumerate(("bslinit", "bsl", "zero")):
                own = [tau[level, theta, thread] for thread in (0, 1)]
                np.testing.assert_equal(own, expected["tau"][row_, column])
        for width, reference in expected["share"].items():
            own = bins_of(tables["attribution"], width).sort_values(["thread", "start_ms"])
            share = own["share"].to_numpy().reshape(2, -1)
            np.testing.assert_allclose(share, reference, rtol=1e-6, atol=1e-9)
        centre = tables["centres"].set_index(["curve", "thread"])["centre_ms"]
        curves = ("first", "best", "last", "attribution")
        own = [[centre[curve, thread] for curve in curves] for thread in (0, 1)]
        np.testing.assert_allclose(own, expected["centre"])
        contrast = tables["contrast"]
        if len(contrast):
            binned = contrast[contrast["window"] == "binned"].sort_values("start_ms")
            np.testing.assert_allclose(binned["difference"], expected["difference"], atol=1e-9)
            np.testing.assert_allclose(binned["t"], expected["late_t"], rtol=1e-6)
        # Both draw their own evolutions without a rise.
        peaks = tables["success"].set_index(["thread", "statistic"])["p_selected"]
        own = [[peaks[thread, name] for name in ("maxinit", "maxend")] for thread in (0, 1)]
        np.testing.assert_allclose(own, expected["p_selected"], atol=0.2)


def test_population_trajectories(pooled, plain):
    each, reference = plain
    windows = each[0]["windows"]
    frame = pooled["population_trajectories"]
    seen = 0
    assert {"both", "both_strict"} <= set(frame["selection"])
    for (area, selection, start, stop), own in frame.groupby(["area", "selection", "start_ms", "stop_ms"]):
        panel, at = reference[area][selection], windows.index((start, stop))
        own = own.sort_values("block_index")
        for thread, kind in enumerate(("texture", "object")):
            np.testing.assert_allclose(own[f"{kind}_mean"], panel["mean"][at, thread], rtol=1e-9)
        if panel["n"] > 2:
            for name in ("t", "p", "q"):
                np.testing.assert_allclose(own[name], panel[name][at], rtol=1e-6, atol=1e-12)
        seen += 1
    assert seen == len(windows) * frame.groupby(["area", "selection"]).ngroups


def test_intervals_are_those_of_a_plain_bootstrap(pooled, plain):
    frame = pooled["population_trajectories"]
    own = frame[(frame["area"] == "IT") & (frame["selection"] == "valid") & (frame["window"] == "evoked")]
    own = own.sort_values("block_index")
    panel = plain[1]["IT"]["valid"]
    for thread, kind in enumerate(("texture", "object")):
        low, high = panel["low"][0, thread], panel["high"][0, thread]
        off = np.r_[own[f"{kind}_low"] - low, own[f"{kind}_high"] - high] / np.r_[high - low, high - low]
        assert abs(off.mean()) < 0.05 and np.abs(off).max() < 0.25


def test_population_psth(pooled, plain):
    frame = pooled["population_psth"]
    for (area, selection), rows in frame.groupby(["area", "selection"]):
        for at, stage in enumerate(("first", "best", "last")):
            own = rows[rows["stage"] == stage].sort_values("time_ms")
            for thread, kind in enumerate(("texture", "object")):
                expected = plain[1][area][selection]["psth"][at][thread]
                np.testing.assert_allclose(own[f"{kind}_mean"], expected, rtol=1e-9, atol=1e-12)


def test_success_by_space(designs, pooled):
    """Counted from the experiments' table: fc6, BigGAN and BigGAN_class by area and over all."""
    own = pooled["experiments"]
    own = own[own["valid"]]
    table = pooled["success_splits"]
    assert set(table["split"]) == {"space"} and (table["threshold"] == SETTINGS.success_p).all()
    seen = 0
    for row in table.itertuples():
        some = own if row.area == "all" else own[own["area"] == row.area]
        thread = 0 if row.kind == "texture" else 1
        some = some[some[f"space_{thread}"] == row.name]
        k = int(((some[f"p_{thread}"] < SETTINGS.success_p) & (some[f"t_{thread}"] > 0)).sum())
        assert (row.k, row.n) == (k, len(some)) and row.rate == k / len(some)
        interval = stats.beta(k + 1, len(some) - k + 1).ppf([0.05, 0.95])
        assert (row.low, row.high) == pytest.approx(tuple(interval))
        seen += row.n * (row.area != "all")
    assert seen == 2 * len(own)
    assert {"fc6", "BigGAN", "BigGAN_class"} == set(table["name"])


def test_success_by_optimiser(sessions):
    named = []
    for at, one in enumerate(sessions[1]):
        optimisers = ("thread", np.array(["CMA-ES", ("CMA-ES", "Adam")[at % 2]], dtype=object))
        named.append(SessionResults(one.evolution.assign(experiments_optimiser=optimisers), {}))
    table = pool_sessions(named, CONFIG)["success_splits"]
    table = table[(table["split"] == "optimiser") & (table["area"] == "all")].set_index(["kind", "name"])
    valid = [bool(one["experiments"]["valid"].iloc[0]) for one in named]
    assert table["n"].to_dict() == {
        ("texture", "CMA-ES"): sum(valid),
        ("object", "CMA-ES"): sum(valid[::2]),
        ("object", "Adam"): sum(valid[1::2]),
    }


def test_the_last_psth_is_the_final_activation(pooled):
    """5A's last block is that of 4B: its mean over the evoked window is the final activation."""
    first, last = SETTINGS.evoked_ms
    psth = pooled["population_psth"]
    evoked = psth[(psth["time_ms"] >= first) & (psth["time_ms"] < last)]
    means = evoked.groupby(["stage", "area", "selection"])[["texture_mean", "object_mean"]].mean()
    for stage, name in (("first", "initial"), ("last", "final")):
        tests = pooled["activation_tests"]
        tests = tests[tests["stage"] == name].set_index(["area", "selection"])
        own = means.loc[stage]
        assert len(own) == len(tests) > 4
        for kind in ("texture_mean", "object_mean"):
            np.testing.assert_allclose(own[kind], tests[kind].loc[own.index], rtol=1e-9)


def test_success_attribution_time_constants_and_centres(pooled, plain):
    rate = pooled["success_rates"].set_index(["area", "threshold", "threads"])
    tau = pooled["population_time_constants"].set_index(["area", "level", "theta"])
    centre = pooled["population_centres"].set_index(["area", "curve"])
    for area, panels in plain[1].items():
        expected = panels["rates"]
        for thread, kind in enumerate(("texture", "object")):
            row = rate.loc[(area, SETTINGS.success_p, kind)]
            assert (row["k"], row["n"]) == (expected["k"][thread], expected["n"])
            assert (row["low"], row["high"]) == pytest.approx(tuple(expected["interval"][thread]))
        if min(expected["k"]) < 2:
            continue
        cells = [(level, theta) for level in ("bslinit", "bsl", "zero") for theta in (0.8, 0.632)]
        own = [tau.loc[(area, *cell), "p"] for cell in cells]
        np.testing.assert_allclose(own, [test.pvalue for test in expected["tau"]])
        own = [centre.loc[(area, curve), "p"] for curve in ("first", "best", "last", "attribution")]
        np.testing.assert_allclose(own, [test.pvalue for test in expected["centre"]])
        attribution = pooled["population_attribution"]
        for width in SETTINGS.bins_ms:
            share = bins_of(attribution[attribution["area"] == area], width).sort_values("start_ms")
            p = [test.pvalue for test in expected[f"share {width}"]]
            np.testing.assert_allclose(share["p"], p, rtol=1e-6)
            np.testing.assert_allclose(share["q"], multipletests(p, method="fdr_bh")[1])


def test_convergence_of_areas_and_spaces(pooled, plain):
    table = pooled["time_constant_tests"]
    keys = ["area_1", "area_2", "space_1", "space_2", "level", "theta"]
    own = table.set_index(keys).sort_index()
    assert own.index.is_unique
    seen = 0
    for area, panels in plain[1].items():
        for key, expected in panels["convergence"].items():
            kinds = ("texture", "object")
            names = (area, area, *kinds) if key == "spaces" else (area, key[0], *2 * (kinds[key[1]],))
            for row, level in enumerate(("bslinit", "bsl", "zero")):
                for column, theta in enumerate((0.8, 0.632)):
                    found = own.loc[(*names, level, theta)]
                    np.testing.assert_allclose(
                        [found["t"], found["p"]],
                        [expected.statistic[row, column], expected.pvalue[row, column]],
                        rtol=1e-9,
                    )
                    interval = [found["low"], found["high"]]
                    ends = expected.confidence_interval()
                    np.testing.assert_allclose(interval, [ends.low[row, column], ends.high[row, column]])
                    seen += np.isfinite(found["p"])
    assert seen == table["p"].notna().sum() >= 18
    for _, family in table.dropna(subset="p").groupby(["level", "theta"]):
        np.testing.assert_allclose(family["q"], multipletests(family["p"], method="fdr_bh")[1])
    study_ = table[table["study"] & (table["level"] == "bslinit") & (table["theta"] == 0.8)]
    named = {tuple(row) for row in study_[["area_1", "space_1", "area_2", "space_2"]].to_numpy()}
    pairs = {("IT", "texture", area, "texture") for area in plain[1] if area != "IT"}
    assert named == pairs | {("IT", "texture", "IT", "object")}


def assert_same_times(found, expected):
    """Where both find a time it is the same; each draws its own sign flips, so at .05 one may stand alone."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    both = np.isfinite(found) & np.isfinite(expected)
    np.testing.assert_allclose(found[both], expected[both], rtol=1e-6)
    assert both.sum() >= 3
    assert (np.isfinite(found) == np.isfinite(expected)).mean() >= 0.85


def test_crossover_of_sessions(sessions, plain):
    pairs = [
        (own["crossover"]["crossover_ms"].iloc[0], expected["crossover"])
        for own, expected in zip(sessions[1], plain[0], strict=True)
        if len(own["crossover"])
    ]
    assert_same_times(*zip(*pairs, strict=True))


def test_contrast_and_crossover(pooled, plain):
    contrast = pooled["population_contrast"].sort_values(["window", "start_ms"])
    crossing = pooled["crossover"]
    crossing = crossing[(crossing["scope"] == "area") & (crossing["selection"] == "valid")]
    crossing = crossing.set_index("area")["crossover_ms"]
    for area, panels in plain[1].items():
        assert crossing[area] == pytest.approx(panels["area_crossover"], rel=1e-6, nan_ok=True)
        expected = panels["contrast"]
        if not expected:
            continue
        evoked, binned = (
            contrast[(contrast["area"] == area) & (contrast["window"] == window)]
            for window in ("evoked", "binned")
        )
        for name in ("p", "z"):
            np.testing.assert_allclose(np.r_[evoked[name], binned[name]], expected[name], rtol=1e-6)
        for name in ("q", "z_q"):
            np.testing.assert_allclose(binned[name], expected[name], rtol=1e-6)


def test_animals_latencies_and_specifications(pooled, plain):
    mixed = pooled["mixed_effects"].sort_values(["window", "start_ms"])
    latency = pooled["latencies"].set_index(["area", "selection", "space"])
    curve = pooled["specifications"].set_index(["area", "selection", "start_ms", "stop_ms", "normaliser"])
    means = []
    for area, panels in plain[1].items():
        own = mixed[mixed["area"] == area]
        own = pd.concat([own[own["window"] == window] for window in ("evoked", "binned")])
        for (_, row), expected in zip(own.iterrows(), panels["mixed"], strict=True):
            if expected:
                assert row["p_animals"] == pytest.approx(expected["p_animals"], rel=1e-6)
                # statsmodels finds no fit where animals do not vary.
                means.append((row["mean"], expected["mean"]))
        for (selection, sign), (time, _) in panels["latency"].items():
            space = "texture" if sign < 0 else "object"
            own = latency.loc[(area, selection, space)]
            # Both draw their own sign flips: p near the level may fall on either side.
            if not 0.02 < own["p"] < 0.1:
                assert own["latency_ms"] == pytest.approx(time, nan_ok=True)
        for row in panels["specifications"].itertuples():
            if "selected" not in row.selection:  # its draws differ
                own = curve.loc[(area, row.selection, row.start, row.stop, row.normaliser)]
                assert (own["n"], own["t"], own["p"]) == pytest.approx((row.n, row.t, row.p), rel=1e-6)
    ours, fitted = np.array([pair for pair in means if np.isfinite(pair[1])]).T
    assert len(fitted) > 0.8 * len(means) >= 20
    np.testing.assert_allclose(ours, fitted, atol=0.02)


def test_clusters(pooled, plain):
    frame = pooled["clusters"]
    for area, panels in plain[1].items():
        for selection in ("valid", "any", "both"):
            expected = panels.get(selection, {}).get("clusters", [])
            own = frame[(frame["area"] == area) & (frame["selection"] == selection)]
            assert [(r.start_ms, r.stop_ms) for r in own.itertuples()] == [
                (10 * a, 10 * b) for a, b, *_ in expected
            ]
            np.testing.assert_allclose(own["mass"], [mass for *_, mass, _ in expected], rtol=1e-6)
            # Both draw their own sign flips; with few experiments ours takes all of them.
            np.testing.assert_allclose(own["p"], [p for *_, p in expected], atol=0.11)


def test_planted_effects_of_the_study_lie_in_their_intervals(designs, pooled):
    """Late object minus texture of each area, from the planted rates, smoothed as the analysis smooths."""
    experiments = pooled["experiments"].set_index("session")
    truths = {}
    for design in designs:
        row = experiments.loc[design.session]
        if not row["valid"]:
            continue
        planted = torch.from_numpy(draw_truth(design, *SPAN).rates / 1000)
        smooth = rates(planted, SPAN[0], SETTINGS.smoothing_sigma_ms, SETTINGS.window_ms)
        first = dynamics.late_blocks(int(row["n_blocks"]), SETTINGS.late_fraction)
        late = smooth[:, first : int(row["n_blocks"])].mean(1).reshape(2, -1, 10).mean(-1)
        truths.setdefault(design.area, []).append((late[1] - late[0]).numpy() / row["normaliser_hz"])
    frame = pooled["population_contrast"]
    inside = []
    for area, planted in truths.items():
        if len(planted) < 4:
            continue
        own = frame[(frame["area"] == area) & (frame["window"] == "binned")].sort_values("start_ms")
        mean = np.mean(planted, axis=0)
        inside += ((own["low"] <= mean) & (mean <= own["high"])).tolist()
    assert len(inside) >= 20 and np.mean(inside) >= 0.95
