"""The dot of Fig. 4C, followed by hand through the sessions' files as docs/developing.md does."""

import re
from pathlib import Path

import numpy as np
import pytest

from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session.analyse import analyse_experiment
from evoalign.analysis.session.results import DATASET, read_results
from evoalign.analysis.settings import Analysis
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.study_session import simulate_responses
from evoalign.study import Config

PAGE = Path(__file__).parents[3] / "docs" / "developing.md"
CONFIG = Config(
    device="cpu", analysis=Analysis(bins_ms=(50,), figure_bin_ms=50, n_bootstrap=20, n_permutations=50)
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Sessions of V4, as their jobs write them: six runs of different length."""
    designs = [one for one in draw_study(170) if one.area == "V4" and not one.unstable and one.n_blocks >= 15]
    folders = []
    for design in sorted(designs, key=lambda one: one.n_blocks)[:6]:
        experiment = experiment_from(simulate_responses(design, -50, 250), CONFIG.analysis)
        folder = tmp_path_factory.mktemp("sessions") / design.session
        analyse_experiment(experiment, CONFIG.analysis, 0).write(folder)
        folders.append(folder)
    return folders


def test_the_dot_is_what_the_page_computes(folders):
    (code,) = re.findall(r"test_way_of_one_number.py -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names = {"paths": [folder / DATASET for folder in folders]}
    exec(code, names)
    pooled = pool_sessions([read_results(folder) for folder in folders], CONFIG)
    frame = pooled["population_trajectories"]
    frame = frame[(frame["window"] == "evoked") & (frame["selection"] == "valid")].sort_values("block_index")
    assert (frame["n"] == len(folders)).all() and pooled["experiments"]["n_blocks"].nunique() > 1
    np.testing.assert_allclose(names["t"], frame["t"], rtol=1e-9)
    np.testing.assert_allclose(names["q"], frame["q"], rtol=1e-9)
    assert names["larger"].tolist() == frame["larger"].tolist() and "texture" in set(frame["larger"])
