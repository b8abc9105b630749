"""Compiled code is that of the sources as they are, also of those that a compiled function takes from."""

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
import time
from pathlib import Path

import numba
import pytest

import evoalign
from evoalign.compiling import UNUSED_S, _remove_unused

PARTS = """from evoalign.compiling import compiled
NUMBER = {number}
@compiled()
def part(x):
    return x + {number}
"""
WHOLE = """from evoalign.compiling import compiled
from parts import NUMBER, part
@compiled(fastmath=True)
def whole(x):
    return 10 * part(x) + NUMBER
print(whole(1), len(whole.stats.cache_hits))
"""


def run(folder, **environment):
    """The result, and of how many signatures compiled code was taken from the disk."""
    path = os.pathsep.join([str(folder), str(Path(evoalign.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-B", "-c", "import whole"],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(word) for word in done.stdout.split()]


@pytest.mark.parametrize("is_named", [False, True])
def test_a_change_of_what_a_compiled_function_takes_from_another_file_is_seen(tmp_path, is_named):
    (tmp_path / "whole.py").write_text(WHOLE)
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "named") if is_named else ""}
    results = []
    for number in (1, 1, 5):
        (tmp_path / "parts.py").write_text(PARTS.format(number=number))
        results.append(run(tmp_path, **environment))
    assert results == [[21, 0], [21, 1], [65, 0]]
    assert (tmp_path / "named").exists() == is_named


def test_compiled_code_of_a_month_ago_is_removed(tmp_path):
    for name, age_s in (
        ("compiled-old", UNUSED_S + 60),
        ("compiled-new", UNUSED_S - 60),
        ("other", 2 * UNUSED_S),
    ):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    _remove_unused(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["compiled-new", "other"]


def compiled_functions():
    """All compiled functions of the package, by where they are used."""
    for module in pkgutil.walk_packages(evoalign.__path__, "evoalign."):
        source = Path(module.module_finder.path) / f"{module.name.rpartition('.')[2]}.py"
        if source.exists() and "compiling import compiled" in source.read_text(encoding="utf-8"):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, numba.core.registry.CPUDispatcher):
                    yield module.name, name, value


def test_compiled_functions_take_from_their_own_folder_alone():
    found = list(compiled_functions())
    assert len(found) > 30
    for user, name, function in found:
        its_folder = Path(inspect.getfile(function.py_func)).parent
        assert "compiled-" in function.stats.cache_path, (user, name)
        for taken in function.py_func.__code__.co_names:
            value = function.py_func.__globals__.get(taken)
            if isinstance(value, numba.core.registry.CPUDispatcher):
                assert Path(inspect.getfile(value.py_func)).parent == its_folder, (user, name, taken)
