"""The commands of docs/loop.md, from a fresh copy of the checkout: a loop with simulated rig, to figures."""

import itertools
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from running import ROOT, SMALL_SETTINGS, copy_checkout, snakemake

from evoalign.loop.journal import read_journal

pytestmark = pytest.mark.slow

LIMIT_S = 600


def commands():
    """Return the commands of the page's first block, as lists of words."""
    block = re.search(r"```bash\n(.*?)```", (ROOT / "docs/loop.md").read_text(encoding="utf-8"), re.DOTALL)[1]
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def start(words, folder):
    """Start a command as its line says, with this Python in place of the one in .venv."""
    known = {"python": [sys.executable], "evoalign": [sys.executable, "-m", "evoalign.cli"]}
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow"), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([*known[words[0]], *words[1:]], cwd=folder, env=environment, **pipes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the checkout whose evolution and study are small."""
    folder = copy_checkout(tmp_path_factory.mktemp("loop"))
    study = yaml.safe_load((folder / "config/config.yaml").read_text())
    for section, settings in SMALL_SETTINGS.items():
        study.setdefault(section, {}).update(settings)
    (folder / "config/config.yaml").write_text(yaml.safe_dump(study))
    evolve = yaml.safe_load((folder / "config/evolve_cerebus.yaml").read_text())
    evolve["n_blocks"] = 5
    for thread in evolve["threads"]:
        thread["images"] = 6
    (folder / "config/evolve_cerebus.yaml").write_text(yaml.safe_dump(evolve))
    return folder


def test_the_five_commands_lead_from_nothing_to_figures(folder):
    pytest.importorskip("pycbsdk", reason="envs/cerebus.lock is not installed")
    environment, install, rig, server, pipeline = commands()
    assert environment[:3] == ["python", "-m", "venv"]
    files = [name for option, name in itertools.pairwise(install) if option == "-r"]
    assert files and all((folder / name).is_file() for name in files)
    rig[rig.index("--speed") + 1] = "20"  # seconds of the rig in a second: nothing else is shortened
    showing = start(rig, folder)
    evolving = start(server, folder)
    try:
        said = evolving.communicate(timeout=LIMIT_S)[0]
        assert evolving.returncode == 0, said + (showing.kill() or showing.communicate()[0])
        assert showing.wait(timeout=30) == 0
    finally:
        showing.kill()
        evolving.kill()
    sheet = folder / next(word for word in pipeline if word.startswith("sessions=")).split("=", 1)[1]
    assert str(sheet.relative_to(folder)) in said
    name = pd.read_csv(sheet, sep="\t")["session"].iloc[0]
    # The figures of the session: those of a study, of one session alone, are in other tests.
    snakemake(*pipeline[1:], "--", f"results/figures/{name}", cwd=folder)
    figures = {path.stem for path in (folder / f"results/figures/{name}").glob("*.svg")}
    assert {"paired_evolution", "evolved_images", "stacked_psth", "raster"} <= figures
    rates_are_those_of_the_loop(folder, name)


def rates_are_those_of_the_loop(folder, name):
    """Hold the trajectory that the pipeline draws against the rates by which the loop was steered."""
    records = read_journal(folder / f"results/loop/{name}/journal.jsonl")
    scored = [record for record in records if record["kind"] == "scored"]
    online = {
        (record["block"], thread): np.mean(
            [
                rate
                for image, rate in record["rates"].items()
                if f"block{record['block']:03d}_thread00{thread}" in image
            ]
        )
        for record in scored
        for thread in (0, 1)
    }
    drawn = pd.read_parquet(folder / f"results/sessions/{name}/trajectories/trajectories.parquet")
    drawn = drawn[(drawn["stimuli"] == "generated") & (drawn["window"] == "evoked")]
    offline = drawn.set_index(["block", "thread"])["mean_hz"]
    assert len(online) == len(offline) == 10
    np.testing.assert_allclose([online[key] for key in offline.index], offline, rtol=1e-12)
