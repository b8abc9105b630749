"""One set of pins for pip, conda, Docker and Apptainer, and one for object storage on top of it."""

import importlib.metadata
import re
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from evoalign.pipeline.versions import read_lock

ENVS = Path(__file__).parents[2] / "envs"
RECIPES = ("Dockerfile", "apptainer.def")


def test_conda_has_the_pins_of_the_lock():
    dependencies = yaml.safe_load((ENVS / "environment.yaml").read_text())["dependencies"]
    (pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    assert sorted(pip) == sorted((ENVS / "requirements.lock").read_text().split())


@pytest.mark.parametrize("name", ["requirements.lock", "storage.lock", "cerebus.lock", "manual.lock"])
def test_every_package_is_pinned_exactly(name):
    assert len(read_lock(ENVS / name)) == len((ENVS / name).read_text().split())


def test_the_pins_of_object_storage_move_no_other_and_need_no_more():
    """They are installed without their dependencies, so that nothing but this says what is missing."""
    lock, storage = (read_lock(ENVS / name) for name in ("requirements.lock", "storage.lock"))
    assert not set(lock) & set(storage)
    pins = lock | storage
    unmet = set()
    for package in storage:
        for line in importlib.metadata.requires(package) or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                version = pins.get(canonicalize_name(need.name), "")
                if not need.specifier.contains(version or "0", prereleases=True) or not version:
                    unmet.add((package, canonicalize_name(need.name)))
    # Every botocore so far asks for python-dateutil below 3, and runs with the pinned 4 (docs/storage.md).
    # When one asks no longer, these pins go into requirements.lock.
    assert unmet == {("botocore", "python-dateutil")}


def test_the_pins_of_cerebus_move_no_other_and_need_no_more():
    lock, cerebus = (read_lock(ENVS / name) for name in ("requirements.lock", "cerebus.lock"))
    assert not set(lock) & set(cerebus)
    needs = [Requirement(line) for package in cerebus for line in importlib.metadata.requires(package) or []]
    needs = [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    pins = lock | cerebus
    assert needs
    assert all(need.specifier.contains(pins[canonicalize_name(need.name)]) for need in needs)


def test_the_pins_of_the_manual_move_no_other_and_need_no_more():
    lock, manual = (read_lock(ENVS / name) for name in ("requirements.lock", "manual.lock"))
    assert not set(lock) & set(manual)
    for package in manual:
        for line in importlib.metadata.requires(package) or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                version = (lock | manual)[canonicalize_name(need.name)]
                assert need.specifier.contains(version, prereleases=True), (package, line)


@pytest.mark.parametrize("name", RECIPES)
def test_a_container_installs_the_lock_and_nothing_else(name):
    text = (ENVS / name).read_text()
    installs = re.findall(
        r"^\s*(?:RUN )?(pip install.*|apt-get install.*|conda install.*)$", text, flags=re.M
    )
    assert len(installs) == 1
    assert installs[0].endswith("--requirement /opt/evoalign/envs/requirements.lock")
    assert "envs/requirements.lock /opt/evoalign/envs/requirements.lock" in text


def test_all_have_the_same_python():
    bases = {re.search(r"python:(\S+)", (ENVS / name).read_text())[1] for name in RECIPES}
    conda = (ENVS / "environment.yaml").read_text()
    assert len(bases) == 1
    assert bases.pop().startswith(re.search(r"python=(\S+)", conda)[1])


def test_the_apptainer_recipe_has_its_sections_and_no_unknown_ones():
    text = (ENVS / "apptainer.def").read_text()
    sections = re.findall(r"^%(\w+)", text, flags=re.M)
    assert set(sections) <= {"files", "environment", "post", "runscript", "test", "labels", "help"}
    assert {"files", "post"} <= set(sections)
    assert re.search(r"^Bootstrap: docker\nFrom: \S+:\S+$", text, flags=re.M)
