"""Workers of pytest-xdist: the tests one keeps together, to make once what they share; threads; style.

Also loads every module with contracts of tables, so that tests find a contract by its name.
"""

import importlib
import pkgutil
import sys
from pathlib import PurePath

import pytest
import torch
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

import evoalign

pytest_plugins = ["narrow_generators", "chromium_browser"]

for _module in pkgutil.walk_packages(evoalign.__path__, "evoalign."):
    if _module.name.endswith(".tables") or _module.name.startswith("evoalign.analysis.population."):
        importlib.import_module(_module.name)

# An example may take long on a busy machine, and the first one loads libraries.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(autouse=True, scope="module")
def own_style():
    """Each file of tests begins with matplotlib's own style; drawing a set of figures sets the study's."""
    yield
    if "matplotlib" in sys.modules:
        sys.modules["matplotlib"].rc_file_defaults()


# Files of tests/workflow that look at the same finished run (its conftest.py). The longest first.
TOGETHER = {
    "demo": ("test_demo_results", "test_demo_truth", "test_demo_figures"),
    "study": (
        "test_slurm",
        "test_reruns",
        "test_nwb_interchange",
        "test_small_study",
        "test_killed_runs",
        "test_object_storage",
        "test_cache",
        "test_run_provenance",
        "test_changed_files",
    ),
}
RUNS = {file: run for run, files in TOGETHER.items() for file in files}


def group(nodeid):
    """The run that a test of the workflow looks at, or its file; the folder of a unit test."""
    file = PurePath(nodeid.split("::")[0])
    if "workflow" not in file.parts:
        return str(file.parent)
    return RUNS.get(file.stem, str(file))


class Together(LoadScopeScheduling):
    """Gives a worker whole groups.

    Marks of groups (`--dist loadgroup`) have no effect with pytest 9.2 and pytest-xdist 3.8.
    """

    def _split_scope(self, nodeid):
        return group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return Together(config, log)


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        # Workers that each use every core wait for one another: what takes 4 s of a core took 20.
        torch.set_num_threads(1)


def pytest_collection_modifyitems(config, items):
    for item in items:
        # One that waits for ever shows where, and takes no hour (pyproject.toml: a workflow's run).
        if "unit" in PurePath(item.nodeid.split("::")[0]).parts and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))
    if hasattr(config, "workerinput"):
        # What takes longest begins first, so that no worker waits for it at the end.
        order = {name: place for place, name in enumerate(TOGETHER)}
        items.sort(key=lambda item: order.get(group(item.nodeid), len(TOGETHER)))
