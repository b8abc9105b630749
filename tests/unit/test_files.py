import errno
import hashlib
import os
import shutil

import pytest

from evoalign.files import atomic_write, no_space, pieces, remove_partials, sha256


def test_a_failed_write_leaves_the_old_file_and_no_trace(tmp_path):
    path = tmp_path / "out" / "a.txt"
    with atomic_write(path) as partial:
        partial.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as partial:
        partial.write_text("new, but")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_until_the_end_nothing_stands_under_the_name(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_write(path) as partial:
        partial.write_text("x")
        assert not path.exists()
    assert path.read_text() == "x"


def test_a_folder_replaces_a_folder_whole(tmp_path):
    path = tmp_path / "store"
    for name in ("one", "two"):
        with atomic_write(path) as partial:
            partial.mkdir()
            (partial / name).write_text(name)
    assert [p.name for p in path.iterdir()] == ["two"]


def test_sha256_is_hashlibs_and_a_folders_depends_on_names_and_contents(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    before = sha256(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert sha256(tmp_path) != before


def test_while_a_folder_is_replaced_its_name_holds_a_whole_one_or_none(tmp_path, monkeypatch):
    path = tmp_path / "store"
    with atomic_write(path) as partial:
        partial.mkdir()
        (partial / "one").touch()
    seen = []
    rmtree = shutil.rmtree

    def watch(folder, *rest, **named):
        seen.append(sorted(p.name for p in path.iterdir()))
        rmtree(folder, *rest, **named)

    monkeypatch.setattr("evoalign.files.shutil.rmtree", watch)
    with atomic_write(path) as partial:
        partial.mkdir()
        (partial / "two").touch()
    assert seen == [["two"]], "the old one goes when the new one stands"


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "store"
    with atomic_write(path) as partial:
        partial.mkdir()
        (partial / "old").touch()
    replace = type(path).replace

    def refuse(self, target):
        if target == path and not self.name.endswith("-old-store"):
            raise OSError(errno.EIO, "refused")
        return replace(self, target)

    monkeypatch.setattr(type(path), "replace", refuse)
    with pytest.raises(OSError, match="refused"), atomic_write(path) as partial:
        partial.mkdir()
    assert [p.name for p in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_what_killed_processes_left_of_an_output_is_removed_and_nothing_else(tmp_path):
    for name in (".partial-7-a[1].txt", ".partial-8-old-a[1].txt", ".partial-7-b.txt", "a[1].txt"):
        (tmp_path / name).mkdir()
    remove_partials(tmp_path / "a[1].txt")
    assert {p.name for p in tmp_path.iterdir()} == {".partial-7-b.txt", "a[1].txt"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_known_however_a_library_wraps_it(number):
    error = OSError(number, os.strerror(number))
    assert no_space(error)
    assert no_space(RuntimeError(f"write failed: {error}"))
    try:
        try:
            raise error
        except OSError:
            raise ValueError("cannot write") from None
    except ValueError as wrapped:
        assert no_space(wrapped)
    assert not no_space(OSError(errno.EACCES, "denied"))
    assert not no_space(ValueError("no samples"))


def test_pieces_outlive_a_job_that_fails_for_its_own_version_and_go_when_it_ends_well(tmp_path):
    with pytest.raises(KeyboardInterrupt), pieces(tmp_path / "out", "1") as folder:
        with atomic_write(folder / "a") as partial:
            partial.write_text("a piece")
        raise KeyboardInterrupt
    with pieces(tmp_path / "out", "2") as folder:
        assert not folder.exists()
        assert (tmp_path / "out.pieces/1/a").read_text() == "a piece"
    assert list(tmp_path.iterdir()) == []
