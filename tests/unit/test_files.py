import hashlib

import pytest

from evoalign.files import sha256, whole


def test_a_failed_write_leaves_the_old_file_and_no_trace(tmp_path):
    path = tmp_path / "out" / "a.txt"
    with whole(path) as partial:
        partial.write_text("old")
    with pytest.raises(RuntimeError), whole(path) as partial:
        partial.write_text("new, but")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_until_the_end_nothing_stands_under_the_name(tmp_path):
    path = tmp_path / "a.txt"
    with whole(path) as partial:
        partial.write_text("x")
        assert not path.exists()
    assert path.read_text() == "x"


def test_a_folder_replaces_a_folder_whole(tmp_path):
    path = tmp_path / "store"
    for name in ("one", "two"):
        with whole(path) as partial:
            partial.mkdir()
            (partial / name).write_text(name)
    assert [p.name for p in path.iterdir()] == ["two"]


def test_sha256_is_hashlibs_and_a_folders_depends_on_names_and_contents(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    before = sha256(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert sha256(tmp_path) != before
