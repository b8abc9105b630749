"""The tabulator key, as docs/install.md sets it up: the shell completes commands, options and files."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs/install.md"
COMPLETED = """
{source}
COMP_WORDS=({words}) COMP_CWORD={last}
_shtab_evoalign 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def source():
    (line,) = re.findall(r"^source <\(evoalign (.*)\)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    command = [sys.executable, "-m", "evoalign.cli", *line.split()]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("evoalign ins", ["inspect"]),
        ("evoalign e", ["evolve", "export"]),
        ("evoalign inspect --pn", ["--png"]),
        ("evoalign inspect day", ["day1.nev", "day1.ns6"]),
        ("evoalign align day1.nev --log lo", ["log.tsv"]),
        ("evoalign spaces f", ["fetch"]),
    ],
)
def test_the_shell_completes(tmp_path, source, words, completed):
    for name in ("day1.nev", "day1.ns6", "log.tsv"):
        (tmp_path / name).touch()
    script = COMPLETED.format(source=source, words=words, last=len(words.split()) - 1)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == completed
