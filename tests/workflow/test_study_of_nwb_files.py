"""A simulated study enters as NWB files, and the population's tables and figures show what was planted."""

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from running import copy_checkout, snakemake

from evoalign.analysis.session.dynamics import late_blocks
from evoalign.responses.rates import rates
from evoalign.simulate.study import main as simulate
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.study_rates import draw_truth
from evoalign.study import load_config

pytestmark = pytest.mark.slow

N_EXPERIMENTS = 8
KNOBS = {
    "results": "results_study",
    "analysis": {"n_bootstrap": 100, "n_permutations": 100, "bins_ms": [10, 50]},
    "encoding": {"n_permutations": 50, "n_bootstrap": 50, "n_alphas": 20, "projection_dims": [4]},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = copy_checkout(tmp_path_factory.mktemp("study"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        simulate(["data/study", "--experiments", str(N_EXPERIMENTS)])
    config = yaml.safe_load((folder / "config/config.yaml").read_text())
    for name, changed in KNOBS.items():
        config[name] = {**config.get(name, {}), **changed} if isinstance(changed, dict) else changed
    config["sessions"] = "data/study/sessions.tsv"
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    snakemake("--cores", 2, cwd=folder)
    return folder


def read(study, name):
    return pd.read_parquet(study / f"results_study/population/trajectories/{name}.parquet")


def test_experiments_count_as_they_were_planned(study):
    designs = pd.read_table(study / "data/study/truth/designs.tsv").set_index("session")
    found = read(study, "experiments").set_index("session")
    assert len(found) == N_EXPERIMENTS
    pd.testing.assert_series_equal(found["valid"], designs["valid"].loc[found.index], check_names=False)
    assert (found["area"] == designs["area"].loc[found.index]).all()
    assert (found.loc[~found["valid"], "reason"] != "").all()


def planted_contrasts(experiments, config):
    """Late object minus texture of each area's valid experiments, from the planted rates; [bin] each."""
    settings, span = config.analysis, (config.responses.start_ms, config.responses.stop_ms)
    found = {}
    for design in draw_study(N_EXPERIMENTS):
        row = experiments.loc[design.session]
        if not row["valid"]:
            continue
        planted = torch.from_numpy(draw_truth(design, *span).rates / 1000)
        smooth = rates(planted, span[0], settings.smoothing_sigma_ms, settings.window_ms)
        first = late_blocks(int(row["n_blocks"]), settings.late_fraction)
        late = smooth[:, first : int(row["n_blocks"])].mean(1).reshape(2, -1, settings.figure_bin_ms).mean(-1)
        found.setdefault(design.area, []).append((late[1] - late[0]).numpy() / row["normaliser_hz"])
    return {area: np.mean(each, axis=0) for area, each in found.items()}


def test_planted_differences_are_recovered(study):
    config = load_config(study / "config/config.yaml")
    experiments = read(study, "experiments").set_index("session")
    frame = read(study, "population_contrast")
    frame = frame[frame["window"] == "binned"].sort_values("start_ms")
    planted = planted_contrasts(experiments, config)
    assert set(planted) == set(frame["area"]) >= {"IT", "V4"}
    inside, signs = [], []
    for area, truth in planted.items():
        own = frame[frame["area"] == area]
        inside += ((own["low"] <= truth) & (truth <= own["high"])).tolist()
        clear = (np.abs(truth) > 0.1) & (own["z_q"] < 0.05)
        signs += (np.sign(own["mean"]) == np.sign(truth))[clear].tolist()
        assert (own.loc[own["stop_ms"] <= 40, "z_q"] > 0.01).all()
    assert len(inside) >= 40 and np.mean(inside) >= 0.9
    assert len(signs) >= 8 and all(signs)


def test_every_population_figure_and_the_report_are_there(study):
    figures = study / "results_study/figures/population"
    drawn = {path.stem for path in figures.glob("*.png")}
    assert {"success_activation", "binned_trajectories", "attribution", "specifications"} <= drawn
    for name in drawn:
        assert (figures / f"{name}.txt").read_text().strip() and list(figures.glob(f"{name}_*.csv"))
    page = (study / "results_study/report.html").read_text(encoding="utf-8")
    assert page.count('<details id="session-') == N_EXPERIMENTS
