"""Images of a block as files: another library reads them as they were, and they appear whole."""

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn
from PIL import Image

from evoalign import files
from evoalign.evolution.loop import ShownImage
from evoalign.loop import study_files
from evoalign.loop.png import stored_png


@given(stn.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_another_library_reads_the_pixels_that_were_written(pixels):
    with Image.open(io.BytesIO(stored_png(pixels))) as image:
        image.verify()  # checksums of all pieces
    with Image.open(io.BytesIO(stored_png(pixels))) as image:
        assert image.format == "PNG" and image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_an_image_above_the_size_of_a_stored_block_is_read_too():
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)  # of deflate: 65,535 bytes
    with Image.open(io.BytesIO(stored_png(pixels))) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)


def image_of(value):
    return ShownImage(f"image{value}", np.full((8, 8, 3), value, np.uint8), 1, 0, "texture", value, False)


def test_files_are_whole_and_known_by_their_checksum(tmp_path):
    written = study_files.write_images(tmp_path, [image_of(1), image_of(2)])
    assert list(written) == ["image1", "image2"]
    for file in written.values():
        assert hashlib.sha256(file.file.read_bytes()).hexdigest() == file.sha256
    assert sorted(p.name for p in (tmp_path / "images").iterdir()) == ["image1.png", "image2.png"]


def test_an_image_that_a_power_failure_left_empty_is_written_again(tmp_path):
    written = study_files.write_images(tmp_path, [image_of(1)])["image1"]
    content = written.file.read_bytes()
    written.file.write_bytes(b"")
    study_files.write_images(tmp_path, [image_of(1)])
    assert written.file.read_bytes() == content


def test_what_could_not_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_exchange", full)
    with pytest.raises(OSError, match="No space"):
        files.write_bytes_whole(tmp_path / "a.png", b"content")
    assert not list(tmp_path.iterdir())


def test_files_and_their_folder_are_flushed(tmp_path, monkeypatch):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        files.write_bytes_whole(path, b"content")
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda d: flushed.append(Path(f"/proc/self/fd/{d}").readlink()))
    files.flush_files(paths)
    assert flushed == [path.resolve() for path in [*paths, tmp_path]]
