"""Every message that the code can end in is on the manual's page, and those explained are really said."""

import re
import sys
from pathlib import Path

import pytest

from evoalign import cli
from evoalign.errors import InputError
from evoalign.sheet import load_sessions
from evoalign.study import load_config

sys.path.append(str(Path(__file__).parents[3] / "docs"))
from pages import messages
from pages.raised import GAP, calls, raised_errors

ROOT = Path(__file__).parents[3]
EXPLAINED = re.findall(
    r"^### (.+)$", (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE
)
# These pass on what a step within said, which is an entry by itself, or what pydantic says of a value.
PASS_ON = {
    "nwb.columns", "nwb.external", "nwb.read", "settings", "storage", "tables",
    "formats.neo_rawio.checked", "events.tsv", "commands.check_machine",
    "formats.pl2.contents", "formats.plx.write_headers",
}  # fmt: skip


def test_every_place_that_raises_has_its_entry():
    places = {f"{module}:{call.lineno}" for module, call, _ in calls()["InputError"]}
    errors = raised_errors()
    assert len(places) > 400
    assert {error.place for error in errors} == places
    unsaid = places - {error.place for error in errors if error.says_something}
    assert {place.partition(":")[0] for place in unsaid} <= PASS_ON
    assert len(unsaid) < 16
    page = messages.page()
    assert all(messages._shown(error.what) in page for error in errors)


@pytest.mark.parametrize("heading", EXPLAINED)
def test_what_is_explained_is_what_the_code_says(heading):
    said = {error.what.replace(GAP, "…") for error in raised_errors()}
    # pydantic's own is put together from parts.
    assert heading in said | {"unknown key '…'"}


def test_twenty_are_explained():
    assert len(set(EXPLAINED)) == len(EXPLAINED) >= 20


BAD_SHEETS = {
    "empty": "session\tsubject\n",
    "twice": "session\tsubject\traw\na\tm\tx.plx\na\tm\ty.plx\n",
    "column": "session\tsubject\trawr\na\tm\tx.plx\n",
}
BAD_CONFIGS = {"key": "studdy: a\n", "yaml": "study: [a\n", "list": "- a\n", "missing": None}


@pytest.mark.parametrize("text", BAD_SHEETS.values(), ids=BAD_SHEETS)
def test_a_real_message_of_the_sheet_is_found_on_the_page(tmp_path, text):
    sheet = tmp_path / "sessions.tsv"
    sheet.write_text(text)
    _is_on_the_page(lambda: load_sessions(sheet))


@pytest.mark.parametrize("text", BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_real_message_of_the_settings_is_found_on_the_page(tmp_path, text):
    config = tmp_path / "config.yaml"
    if text is not None:
        config.write_text(text)
    _is_on_the_page(lambda: load_config(config))


@pytest.mark.parametrize(
    "line",
    [
        "inspect none.nev", "inspect empty.plx", "inspect cut.plx", "inspect empty.nev", "inspect empty.pl2",
        "inspect empty.bhv2", "inspect empty.tsv", "inspect empty.nwb", "inspect text.txt", "check empty.ns6",
        "run", "check", "new full", "export neo none.nwb", "align none.nev --log none.tsv --to there",
        "figures none.nwb --to there",
    ],
)  # fmt: skip
def test_a_real_message_of_the_command_is_found_on_the_page(tmp_path, monkeypatch, capsys, line):
    monkeypatch.chdir(tmp_path)
    for suffix in ("plx", "nev", "ns6", "pl2", "bhv2", "tsv", "nwb"):
        (tmp_path / f"empty.{suffix}").touch()
    (tmp_path / "cut.plx").write_bytes(b"\x58\x45\x4c\x50" + bytes(100))
    (tmp_path / "text.txt").write_text("no log\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    assert cli.main(line.split()) == 1
    output = capsys.readouterr()
    (what,) = re.findall(
        r"(?:InputError: |  FAIL +)(.*?)(?=\n +where:|\n +hint:|$)", output.err + output.out, re.DOTALL
    )
    assert messages.entries_of(what.strip()), what


def _is_on_the_page(call):
    with pytest.raises(InputError) as caught:
        call()
    what = caught.value.what
    # What pydantic says of a key or a value is explained by hand.
    assert messages.entries_of(what) or re.match(r"unknown key '|\S+: (Field required|Input should)", what), (
        what
    )
