"""A file is walked once for its content: each job of a session opens the same one."""

import shutil
import subprocess
from pathlib import Path

import h5py
import pytest

from evoalign.errors import InputError
from evoalign.nwb import integrity
from evoalign.nwb.integrity import check_integrity


@pytest.fixture
def walks(monkeypatch, tmp_path):
    """The files that were walked, of a user whose cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    walked, run = [], subprocess.run

    def counted(command, **how):
        walked.append(Path(command[3]).name)
        return run(command, **how)

    monkeypatch.setattr(integrity.subprocess, "run", counted)
    return walked


@pytest.fixture
def file(packaged, tmp_path):
    return Path(shutil.copy(packaged[1], tmp_path / "file.nwb"))


def test_a_file_is_walked_once_wherever_it_lies(walks, file, tmp_path):
    for path in (file, file, shutil.copy(file, tmp_path / "copy.nwb")):
        check_integrity(path)
    assert walks == ["file.nwb"]


def test_what_was_changed_is_walked_again(walks, file):
    check_integrity(file)
    with h5py.File(file, "r+") as opened:
        opened["general/experiment_description"][()] = "another"
    check_integrity(file)
    assert len(walks) == 2


def test_a_limit_that_was_not_tried_is(walks, file):
    check_integrity(file, object_cpu_s=5)
    check_integrity(file, object_cpu_s=4)
    assert len(walks) == 2


def test_a_damaged_file_is_refused_each_time(walks, file):
    raw = bytearray(file.read_bytes())
    place = raw.index(b"GCOL")
    raw[place + 16 : place + 4096] = bytes(4080)
    file.write_bytes(raw)
    for _ in range(2):
        with pytest.raises(InputError, match="no readable NWB file"):
            check_integrity(file, object_cpu_s=0.3)
    assert len(walks) == 2


def test_a_file_that_changes_while_it_is_walked_is_refused(walks, file, monkeypatch):
    run = integrity.subprocess.run

    def changed_meanwhile(command, **how):
        ended = run(command, **how)
        file.write_bytes(file.read_bytes() + b" ")
        return ended

    monkeypatch.setattr(integrity.subprocess, "run", changed_meanwhile)
    with pytest.raises(InputError, match="changed while it was read"):
        check_integrity(file)
    monkeypatch.setattr(integrity.subprocess, "run", run)
    check_integrity(file)
    assert len(walks) == 2


def test_without_a_cache_and_where_a_file_is_large_each_opening_walks(walks, file, monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("no folder")
    for _ in range(2):
        check_integrity(file)
    (tmp_path / "cache").unlink()
    monkeypatch.setattr(integrity, "KNOWN_BYTES", 1000)
    for _ in range(2):
        check_integrity(file)
    assert len(walks) == 4
