from pathlib import Path

import pytest

from evoalign import provenance as p
from evoalign.study import Config


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("from evoalign.study import load_config\n")
    return path


def test_the_hash_covers_what_a_script_reaches_and_no_more(script, monkeypatch):
    seen: list[Path] = []
    monkeypatch.setattr(p, "_hash", lambda files: seen.extend(files) or "")
    p.library_hash.__wrapped__(script)
    names = {file.name for file in seen}
    assert {"study.py", "errors.py"} <= names
    assert not {"tables.py", "job.py"} & names


def test_a_changed_line_of_library_code_changes_the_hash(script, tmp_path, monkeypatch):
    copy = tmp_path / "evoalign"
    copy.mkdir()
    for name in ("errors.py", "study.py"):
        (copy / name).write_bytes((p.ROOT / name).read_bytes())
    monkeypatch.setattr(p, "ROOT", copy)
    before = p.library_hash.__wrapped__(script)
    assert p.library_hash.__wrapped__(script) == before
    (copy / "errors.py").write_text((copy / "errors.py").read_text() + "\n# changed\n")
    assert p.library_hash.__wrapped__(script) != before


def test_where_it_runs_does_not_change_the_config_hash_but_a_knob_does():
    assert p.config_hash(Config(device="cpu", results="elsewhere")) == p.config_hash(Config())
    assert p.config_hash(Config(seed=1)) != p.config_hash(Config())


def test_provenance_names_version_commit_config_and_inputs():
    facts = p.provenance(Config(), {"a.nev": "00ff"})
    assert facts["input:a.nev"] == "00ff"
    assert facts["config"] == p.config_hash(Config())
    assert {"version", "commit", "numpy", "torch"} <= set(facts)
