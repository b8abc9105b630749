"""The manual's first_session.md, done as it stands with a small recording; only the run is left out."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from evoalign import cli

sys.path.append(str(Path(__file__).parents[1] / "commands"))
from rig_files import schedule, write_log, write_rig

PAGE = (Path(__file__).parents[3] / "docs/first_session.md").read_text(encoding="utf-8")
RUN = re.findall(r"<!-- run: tests/unit/manual/test_first_session.py -->\n```bash\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
def test_every_step_runs(tmp_path, monkeypatch, capfd):
    (tmp_path / "data").mkdir()
    write_rig(tmp_path / "data/day1", schedule())
    write_log(tmp_path / "data/day1.tsv", schedule())
    monkeypatch.chdir(tmp_path)
    lines = [line for block in RUN for line in block.splitlines()]
    assert len(lines) == 6
    for line in lines:
        words = shlex.split(line)
        if words[0] == "cd":
            monkeypatch.chdir(words[1])
            fill_in(Path("config/sessions.tsv"))
        else:
            assert cli.main(words[1:]) == 0, f"{line}\n{capfd.readouterr()}"
    output = capfd.readouterr().out
    assert "FAIL" not in output
    assert "report" in output  # of the dry run


def fill_in(sheet):
    """As the page tells: the unit that `inspect` lists, and the spaces."""
    header, row = [line.split("\t") for line in sheet.read_text().splitlines() if not line.startswith("#")]
    cells = dict(zip(header, row, strict=True)) | {"subject": "Alfa", "preferred": "2a"}
    assert {"session", "raw", "log", "arrays", "spaces"} <= set(cells)
    sheet.write_text("\t".join(cells) + "\n" + "\t".join(cells.values()) + "\n")
