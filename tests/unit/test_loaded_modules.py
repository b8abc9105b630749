"""Which large libraries each script and the command load when they start: each takes 0.4 to 2 s of a job.

Read from the sources: import statements that run when a module is imported, from the script on.
"""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import evoalign

LIBRARY = Path(evoalign.__file__).parent
SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"

LARGE = {
    "dandi", "matplotlib", "neo", "nwbinspector", "pynwb", "scipy.stats", "sklearn", "spikeinterface",
    "statsmodels", "torch", "xarray",
}  # fmt: skip
# What a script, or the rooms that it is made of, compute with. A library that is missing is loaded
# where it is needed, in a function.
NEEDED = {
    "analyzer": {"scipy.stats", "spikeinterface"},
    "axis_images": {"pynwb", "torch"},
    "checksums": set(),
    "curated": {"scipy.stats", "spikeinterface"},
    "dandiset": {"pynwb"},
    "demo": {"torch"},
    "demo_shared": {"pynwb", "torch"},
    "demo_tuning": {"pynwb", "torch"},
    "eigenframe": {"torch"},
    "encoding": {"torch"},
    "envelope": {"scipy.stats", "spikeinterface"},
    "environment": set(),
    "insilico_linearity": {"pynwb", "scipy.stats", "torch", "xarray"},
    "insilico_report": {"matplotlib"},
    "insilico_sessions": {"pynwb", "scipy.stats", "torch", "xarray"},
    "insilico_tables": {"pynwb", "scipy.stats", "torch", "xarray"},
    "insilico_warped": {"scipy.stats", "torch"},
    "nwb": {"pynwb"},
    "nwb_findings": {"nwbinspector", "pynwb"},
    "phy": {"scipy.stats", "spikeinterface"},
    "population": {"torch", "xarray"},
    "population_encoding": {"torch"},
    "population_figures": {"matplotlib"},
    "population_tuning": {"torch", "xarray"},
    "presentations": set(),
    "prototypes": {"pynwb", "torch", "xarray"},
    "provenance": set(),
    "recording": set(),
    "report": {"matplotlib"},
    "responses": {"pynwb"},
    "schemas": set(),
    "session_figures": {"matplotlib", "pynwb", "xarray"},
    "spike_sorting": {"scipy.stats", "spikeinterface"},
    "stimulus_log": set(),
    "trajectories": {"torch", "xarray"},
}


def run_imports(tree):
    """Names that import statements name: those that run when the module does."""
    for node in tree.body if hasattr(tree, "body") else []:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not for_types_alone(node):
            yield from run_imports(node)


def for_types_alone(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


@functools.cache
def imports_of(file):
    return tuple(run_imports(ast.parse(file.read_text(encoding="utf-8"))))


def file_of(name):
    """The file of a module of the library; None of anything else."""
    path = LIBRARY.joinpath(*name.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file if name.partition(".")[0] == "evoalign" and file.is_file() else None


def loaded(file):
    """Modules of the library, and first names of others, that Python loads of its own accord with a file."""
    modules, waiting = set(), list(imports_of(file))
    while waiting:
        name = waiting.pop()
        source = file_of(name)
        if name.partition(".")[0] != "evoalign":
            modules |= {name.partition(".")[0], ".".join(name.split(".")[:2])}
        elif source and name not in modules:
            modules.add(name)
            imported = imports_of(source)
            waiting += [*imported, name.rpartition(".")[0]]
            if "evoalign.discovery" in imported:  # runs all modules of its package
                package = name.rpartition(".")[0]
                waiting += [f"{package}.{other.stem}" for other in source.parent.glob("[a-z]*.py")]
    return modules


def test_every_script_is_listed():
    assert set(NEEDED) == {file.stem for file in SCRIPTS.glob("*.py")}


@pytest.mark.parametrize("script", NEEDED)
def test_a_script_loads_no_large_library_that_it_does_not_compute_with(script):
    assert loaded(SCRIPTS / f"{script}.py") & LARGE == NEEDED[script]


def test_the_command_loads_no_large_library_before_it_knows_what_is_asked():
    assert loaded(LIBRARY / "cli.py") & LARGE == set()


@pytest.mark.parametrize("script", ["report", "stimulus_log"])
def test_what_is_read_from_the_sources_is_what_python_does(script):
    lines = ast.parse((SCRIPTS / f"{script}.py").read_text()).body
    imports = "\n".join(ast.unparse(line) for line in lines if isinstance(line, ast.Import | ast.ImportFrom))
    told = f"{imports}\nimport sys; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout
    own = {name for name in names.split() if name.partition(".")[0] == "evoalign"}
    assert own == {name for name in loaded(SCRIPTS / f"{script}.py") if name.partition(".")[0] == "evoalign"}
    assert set(names.split()) & LARGE == NEEDED[script]


def test_what_inspect_reads_files_with_loads_no_large_library():
    """Of the five modules, that of NWB files reads those of this pipeline without pynwb."""
    for module in ("inspect", "inspect_log", "inspect_nwb", "inspect_recording", "inspect_spikes"):
        assert loaded(LIBRARY / f"commands/{module}.py") & LARGE == set(), module
