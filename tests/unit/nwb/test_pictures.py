"""Pictures are read by a list of formats, modes and sizes."""

import pytest
from PIL import Image

from evoalign.errors import InputError
from evoalign.nwb.images import ImageFolder


def _refused(folder, words):
    with pytest.raises(InputError, match=words) as caught:
        ImageFolder(folder, ["a"])["a"]
    assert caught.value.where == str(folder / "a.png") and caught.value.hint


def test_a_format_that_is_not_on_the_list_is_refused_whatever_the_suffix(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png", format="EPS")
    _refused(tmp_path, "cannot be read")


def test_an_image_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path):
    Image.new("1", (8_000, 8_000)).save(tmp_path / "a.png")
    _refused(tmp_path, "8000 x 8000 pixels, more than 50 million")


def test_a_bomb_is_a_message(tmp_path):
    Image.new("1", (20_000, 20_000)).save(tmp_path / "a.png")
    _refused(tmp_path, "cannot be read")


def test_a_mode_that_is_no_picture_of_grey_or_colour_is_refused(tmp_path):
    Image.new("LAB", (4, 4)).save(tmp_path / "a.png", format="TIFF")
    _refused(tmp_path, "mode LAB")
