"""The additions that docs/developing.md shows work as they stand, in a copy of the library."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import evoalign

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/developing.md").read_text(encoding="utf-8").split("\n## Worked examples\n")[1]
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.S)
FILES = re.findall(r"^### .*: ([\w/]+\.py)$", PAGE, re.M)

STATISTIC = """
from pathlib import Path
from evoalign import tables
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session.analyse import analyse_experiment
from evoalign.analysis.settings import Analysis
from evoalign.figures.captions import FigureSettings
from evoalign.figures.order import ORDER
from evoalign.figures.sets import POPULATION_FIGURES
from evoalign.pipeline import versions
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.study_session import simulate_responses
from evoalign.study import Config

config = Config(device="cpu", analysis=Analysis(n_bootstrap=10, n_permutations=20, bins_ms=(10, 50)))
sessions = []
for design in draw_study(6, seed=3):
    experiment = experiment_from(simulate_responses(design, -50, 250), config.analysis)
    sessions.append(analyse_experiment(experiment, config.analysis, 0))
pooled = pool_sessions(sessions, config)
own = pooled["experiments"]
own = own[own["valid"]]
for row in pooled["object_alone"].itertuples():
    members = own[own["area"] == row.area]
    assert row.n == len(members) and 0 <= row.share <= 1
assert len(pooled["object_alone"]) == own["area"].nunique() > 0
tables.write_all(pooled, "pooled")
back = tables.read_all("pooled")
settings = FigureSettings(config.analysis, config.encoding, config.tuning, config.prototypes)
draw, caption = POPULATION_FIGURES["object_alone"]
figure, source = draw(back, settings)
figure.draw_without_rendering()
assert len(figure.axes[0].patches) == len(source["a"]) and "p < 0.01" in caption(back, settings)
assert ORDER.index("object_alone") < ORDER.index("latency")
for script, module in (("population", "analysis.population"), ("population_figures", "figures.from_tables")):
    imported = versions.modules(f"{SCRIPTS}/{script}.py")
    assert f"evoalign.{module}.object_alone" in imported
"""

FORMAT = """
import json
import numpy as np
from pathlib import Path
from evoalign.errors import InputError
from evoalign.formats.opening import open_recording
from evoalign.formats.spikeinterface_recording import stream_recording

samples = np.arange(60, dtype="<i2").reshape(-1, 3)
head = json.dumps({"rate_hz": 30000.0, "channels": [1, 2, 5], "gain_uv": 0.25}).encode() + b"\\n"
Path("a.oneline").write_bytes(head + samples.tobytes())
recording = open_recording("a.oneline")
np.testing.assert_array_equal(recording.streams["broadband"].read(0, 2, 9, [5, 1]), samples[2:9, [2, 0]])
np.testing.assert_array_equal(stream_recording(recording.streams["broadband"]).get_traces(), samples)
assert recording.channels["channel"].tolist() == [1, 2, 5] and len(recording.words) == 0
Path("cut.oneline").write_bytes((head + samples.tobytes())[:-1])
try:
    open_recording("cut.oneline")
except InputError as error:
    assert "cut" in str(error)
else:
    raise AssertionError("a cut file was read")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A copy of the library with the files of the page, and nothing else changed but one line."""
    folder = tmp_path_factory.mktemp("library")
    shutil.copytree(
        Path(evoalign.__file__).parent, folder / "evoalign", ignore=shutil.ignore_patterns("__pycache__")
    )
    for file, code in zip(FILES, CODE, strict=True):
        target = folder / "evoalign" / file
        if not target.parent.exists():
            target.parent.mkdir()
            (target.parent / "__init__.py").touch()
        target.write_text(code, encoding="utf-8")
    opening = folder / "evoalign/formats/opening.py"
    text = opening.read_text(encoding="utf-8").replace(
        '".plx": open_plx,', '".plx": open_plx,\n    ".oneline": open_oneline,'
    )
    first = "from evoalign.formats.plx.read"
    opening.write_text(
        text.replace(first, f"from evoalign.formats.oneline.read import open_oneline\n{first}"),
        encoding="utf-8",
    )
    return folder


def test_the_page_shows_two_files_of_a_statistic_and_one_of_a_format():
    assert [file.split("/")[0] for file in FILES] == ["analysis", "figures", "formats"]


@pytest.mark.parametrize("program", [STATISTIC, FORMAT], ids=["statistic with figure", "format"])
def test_the_addition_works(program, library, tmp_path):
    text = program.replace("{SCRIPTS}", str(ROOT / "workflow/scripts"))
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=tmp_path,
        env={"PYTHONPATH": str(library), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
