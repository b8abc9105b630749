"""The page on the command line: each of its examples runs, and it names every command."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from evoalign import cli
from evoalign.commands import arguments

sys.path.append(str(Path(__file__).parent))
from rig_files import schedule, write_log, write_rig

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
NAMES = [command.__name__.rsplit(".", 1)[-1] for command in cli.COMMANDS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the page supposes to be there, and the study that its second block makes."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "data").mkdir()
    write_rig(folder / "data/day1", schedule())
    write_log(folder / "data/day1.tsv", schedule())
    return folder


@pytest.mark.slow
def test_every_example_runs(folder, monkeypatch, capfd):
    assert len(BLOCKS) >= 6
    for block in BLOCKS:
        monkeypatch.chdir(folder)
        for line in block.splitlines():
            words = shlex.split(line)
            if words[0] == "cd":
                monkeypatch.chdir(words[1])
                continue
            assert words[0] == "evoalign"
            assert cli.main(words[1:]) == 0, f"{line}\n{capfd.readouterr()}"
    assert (folder / "psth.png").exists() and (folder / "day1_sorting/units.tsv").exists()


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_on_the_page_and_its_help_holds_examples_that_parse(name, capsys):
    assert f"`evoalign {name}" in PAGE
    module = cli.COMMANDS[NAMES.index(name)]
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    examples = [line for part in module.EXAMPLES.strip().splitlines() for line in part.split("; ")]
    for example in examples:
        assert example in shown
        words = shlex.split(example)
        if words[0] == "evoalign":
            assert cli.make_parser().parse_args(words[1:]).run is not None


def test_the_settings_of_the_folder_count_where_none_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert arguments.read_config(None).study == "demo"
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("study: mine\n")
    assert arguments.read_config(None).study == "mine"


def test_a_pipe_that_is_closed_is_no_error(folder):
    command = f"{sys.executable} -m evoalign.cli inspect {folder}/data/day1.nev | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("day1.nev: blackrock") and done.stderr == ""
