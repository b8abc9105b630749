"""Animals, latencies, specifications and the corrected p against independent computations."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM

from evoalign.analysis.population import animals as pooled_animals
from evoalign.analysis.population import latency as pooled_latency
from evoalign.analysis.population import specifications as pooled_specifications
from evoalign.analysis.population.animals import fit_animals
from evoalign.analysis.population.experiments import Study
from evoalign.analysis.population.latency import first_lead
from evoalign.analysis.session.selection import selection_corrected_p
from evoalign.analysis.settings import Analysis
from evoalign.simulate.study_batch import draw_batch

SETTINGS = Analysis(n_bootstrap=200, bins_ms=(10, 50))


@pytest.mark.parametrize("spread", [1.2, 2.0, 10.0])
def test_random_intercept_is_statsmodels_reml(spread):
    rng = np.random.default_rng(0)
    animals = np.repeat(["a", "b", "c", "d", "e"], [6, 9, 12, 4, 20])
    offsets = dict(zip("abcde", spread * rng.standard_normal(5), strict=True))
    values = 0.7 + rng.standard_normal(len(animals)) + np.array([offsets[name] for name in animals])
    found = fit_animals(values, animals)
    fit = MixedLM(values, np.ones((len(values), 1)), animals).fit(reml=True)
    assert fit.converged
    assert found["mean"] == pytest.approx(fit.fe_params[0], rel=1e-4)
    assert found["sem"] == pytest.approx(fit.bse_fe[0], rel=2e-3)
    assert found["sd_animals"] == pytest.approx(np.sqrt(fit.cov_re[0, 0]), rel=2e-3)
    assert found["sd_experiments"] == pytest.approx(np.sqrt(fit.scale), rel=1e-4)
    anova = stats.f_oneway(*(values[animals == name] for name in "abcde"))
    assert (found["f_animals"], found["p_animals"]) == pytest.approx((anova.statistic, anova.pvalue))


def test_animals_that_agree_leave_the_plain_mean():
    # Equal group means: the variance between animals is 0, the error that of one sample.
    values = np.array([1.0, 2.0, 3.0, 1.0, 2.0, 3.0, np.nan])
    found = fit_animals(values, np.array(["a"] * 3 + ["b"] * 4))
    assert found["sd_animals"] == 0 and (found["n"], found["animals"]) == (6, 2)
    assert found["mean"] == pytest.approx(2.0)
    assert found["sem"] == pytest.approx(stats.sem(values[:6]))
    assert found["p"] == pytest.approx(stats.ttest_1samp(values[:6], 0.0).pvalue)


def test_balanced_animals_have_the_closed_form():
    # Balanced: sem^2 is the mean square between over N; variance components from the mean squares.
    groups = np.array([[1.0, 2.0, 4.0, 3.0], [6.0, 8.0, 7.0, 9.0], [2.0, 3.0, 5.0, 6.0]])
    found = fit_animals(groups.ravel(), np.repeat(["a", "b", "c"], 4))
    between = 4 * groups.mean(1).var(ddof=1)
    within = groups.var(1, ddof=1).mean()
    assert found["mean"] == pytest.approx(groups.mean())
    assert found["sem"] == pytest.approx(np.sqrt(between / 12), rel=1e-4)
    assert found["sd_animals"] == pytest.approx(np.sqrt((between - within) / 4), rel=1e-4)


def test_one_animal_gives_no_mixed_model():
    found = fit_animals(np.arange(5.0), np.array(["a"] * 5))
    assert np.isnan(found["mean"]) and np.isnan(found["p_animals"]) and found["animals"] == 1


def slow_latency(values, starts, level, stay):
    above = stats.ttest_1samp(values, 0.0, axis=0)
    ahead = (above.statistic > 0) & (above.pvalue < level)
    for at in range(len(starts) - stay + 1):
        if ahead[at : at + stay].all():
            return float(starts[at])
    return np.nan


@pytest.mark.parametrize("seed", range(5))
def test_latency_is_the_first_lasting_significant_bin(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(9, 20)) + np.r_[np.zeros(8), np.full(12, 1.4)]
    starts = np.arange(0, 200, 10)
    # Drawing an experiment twice is the same as having it twice.
    weights = np.vstack([np.ones(9, dtype=np.int64), rng.multinomial(9, np.full(9, 1 / 9), size=4)])
    found = first_lead(values, weights, starts, 0.05, 3)
    expected = [slow_latency(np.repeat(values, row, axis=0), starts, 0.05, 3) for row in weights]
    np.testing.assert_array_equal(found, expected)
    assert np.isfinite(found).any()


def test_latency_of_too_few_experiments_is_none():
    one = np.ones((1, 20))
    assert np.isnan(first_lead(one, np.ones((3, 1), dtype=np.int64), np.arange(20), 0.05, 3)).all()


@pytest.mark.parametrize(
    ("n", "measured", "interval"), [(4, False, False), (7, True, False), (8, True, True)]
)
def test_few_experiments_have_no_latency_or_one_without_an_interval(n, measured, interval):
    table = pooled_latency.latencies(draw_batch(2, n, SETTINGS, area="V4", n_blocks=20, seed=6).study)
    texture = table[(table["selection"] == "both") & (table["space"] == "texture")]
    assert texture["latency_ms"].notna().eq(measured).all()
    assert texture[["low_ms", "high_ms", "found"]].notna().eq(interval).all(axis=None)
    assert (texture["reason"] == ("" if measured else "fewer than 5 experiments")).all()
    objects = table[(table["selection"] == "both") & (table["space"] == "object")]
    assert set(objects["reason"]) == {"object never leads" if measured else "fewer than 5 experiments"}


def test_planted_latencies_lie_in_their_intervals():
    batch = draw_batch(8, 30, SETTINGS, area="IT", n_blocks=20, seed=6)
    table = pooled_latency.latencies(batch.study)
    table = table[table["selection"] == "both"]
    for space, planted in (("texture", 50), ("object", 110)):
        own = table[table["space"] == space]
        # In bins of 10 ms: the onset's rise takes one of them.
        inside = (own["low_ms"] <= planted + 10) & (own["high_ms"] >= planted)
        assert inside.mean() >= 0.85
        assert (own["found"] > 0.95).all()


def test_animals_of_a_batch_are_means_of_their_experiments():
    batch = draw_batch(3, 8, SETTINGS, seed=7)
    table = pooled_animals.animal_contrast(batch.study)
    late = batch.study.data[["contrast_difference"]].to_dataframe().reset_index("experiment")
    contrast = late.rename(columns=lambda name: name.removeprefix("contrast_"))
    contrast = contrast.join(batch.study.experiments[["subject", "area"]], on="experiment")
    keys = ["area", "subject", "window", "start_ms"]
    expected = contrast.groupby(keys)["difference"].agg(["mean", "sem", "count"])
    found = table.set_index(keys).loc[expected.index]
    np.testing.assert_allclose(found["mean"], expected["mean"])
    np.testing.assert_allclose(found["sem"], expected["sem"])
    assert (found["n"] == expected["count"]).all()
    mixed = pooled_animals.mixed_effects(batch.study)
    assert (mixed["animals"] == 2).all() and len(mixed) == 3 * 21


@pytest.fixture
def small_study():
    """Six experiments of one area, and the known rates of their blocks."""
    rng = np.random.default_rng(8)
    windows = [("evoked", 50, 200), ("binned", 50, 100), ("binned", 100, 150), ("binned", 150, 160)]
    rows, experiments = [], []
    rates = np.full((6, 2, 20, len(windows)), np.nan)
    for k in range(6):
        n_blocks = 15 + k
        for kind in (0, 1):
            for b in range(n_blocks):
                for at, (window, start, stop) in enumerate(windows):
                    rates[k, kind, b, at] = rng.uniform(5, 50)
                    rows.append((f"s{k}", kind, b, window, start, stop, rates[k, kind, b, at]))
        p, selected = 0.03 if k == 4 else 0.001, 0.04 if k == 5 else 0.001
        values = (p, p, 3.0, 3.0, selected, selected)
        experiments.append((f"s{k}", f"s{k}", "AB"[k % 2], "IT", n_blocks, 60.0 + k, *values))
    columns = ["session", "kind", "block_index", "window", "start_ms", "stop_ms", "mean_hz"]
    names = ["session", "site", "subject", "area", "n_blocks", "normaliser_hz", "p_texture", "p_object"]
    names += ["t_texture", "t_object", "p_selected_texture", "p_selected_object"]
    labels = zip(("window", "start_ms", "stop_ms"), zip(*windows, strict=True), strict=True)
    data = xr.Dataset(
        {"trajectories_mean_hz": (("experiment", "kind", "block", "window"), rates)},
        {name: ("window", list(values)) for name, values in labels},
    )
    study = Study(pd.DataFrame(experiments, columns=names), data, pd.DataFrame(), SETTINGS, 0)
    return study, pd.DataFrame(rows, columns=columns)


def test_each_specification_is_a_paired_test_of_its_choices(small_study):
    study, frame = small_study
    found = pooled_specifications.specifications(study)
    # The 10 ms bin is not among the widest; three windows, four selections, three normalization rates.
    assert len(found) == 3 * 4 * 3 and set(found["stop_ms"]) == {200, 100, 150}
    assert found.groupby("selection")["n"].first().to_dict() == {
        "valid": 6,
        "both p < 0.05": 6,
        "both p < 0.01": 5,
        "both p selected < 0.05": 6,
    }
    for _, row in found[found["selection"] == "both p < 0.01"].iterrows():
        late = {}
        for k in (0, 1, 2, 3, 5):
            n_blocks = 15 + k
            own = frame[(frame["session"] == f"s{k}") & (frame["stop_ms"] == row["stop_ms"])]
            own = own[own["block_index"] >= n_blocks - round(n_blocks * 0.5)]
            evoked = frame[(frame["session"] == f"s{k}") & (frame["window"] == "evoked")]
            evoked = evoked[evoked["block_index"] >= n_blocks - round(n_blocks * 0.5)]
            scale = {"maximum": 60.0 + k, "none": 1.0}.get(
                row["normaliser"], evoked.groupby("kind")["mean_hz"].mean().mean()
            )
            late[k] = own.groupby("kind")["mean_hz"].mean() / scale
        texture, object_ = ([late[k][thread] for k in late] for thread in (0, 1))
        test = stats.ttest_rel(object_, texture)
        assert (row["t"], row["p"]) == pytest.approx((test.statistic, test.pvalue))
        assert row["mean"] == pytest.approx(np.mean(object_) - np.mean(texture))
        assert row["effect"] == pytest.approx(test.statistic / np.sqrt(5))


def test_selected_p_is_brute_force():
    # Single responses in place of block moments: the same null, drawn the long way.
    rng = np.random.default_rng(9)
    shown = np.array([6, 8, 8, 8, 8, 5])
    edges = np.r_[0, shown.cumsum()]
    null = {"maxinit": [], "maxend": []}
    for _ in range(3000):
        values = np.split(rng.standard_normal(edges[-1]), edges[1:-1])
        best = min(int(np.argmax([block.mean() for block in values])), 3)
        peak = np.r_[values[best], values[best + 1]]
        null["maxinit"].append(stats.ttest_ind(peak, np.r_[values[0], values[1]]).statistic)
        null["maxend"].append(stats.ttest_ind(peak, np.r_[values[4], values[5]]).statistic)
    for t in (0.5, 1.5, 2.5):
        found = selection_corrected_p(shown, {"maxinit": t, "maxend": t}, 20_000, rng)
        for name, p in found.items():
            brute = np.mean(np.nan_to_num(null[name]) >= t)
            assert abs(p - brute) < 4 * np.sqrt(brute * (1 - brute) / 3000 + 1e-6)


@pytest.mark.parametrize("shown", [[10, 10, 10], [10, 0, 10, 10, 10]])
def test_selected_p_of_runs_that_cannot_be_tested_is_nan(shown):
    rng = np.random.default_rng(10)
    assert np.isnan(selection_corrected_p(np.array(shown), {"maxinit": 2.0}, 100, rng)["maxinit"])
