"""Pictures are read by a list of formats, modes and sizes."""

import struct
import zlib

import numpy as np
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


def png(values, colour):
    """A PNG of 16 bits a sample, as its specification says; PIL cannot write one of colour."""

    def chunk(kind, content):
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def tiff(width, content, bits, zero_is=1, samples=1):
    """A TIFF of one row, as its specification says; `zero_is` 0: white, 1: black, 2: red, green and blue."""
    place = 8 + 2 + 9 * 12 + 4
    many = struct.pack(f"<{samples}H", *[bits] * samples)
    bit_cell = struct.pack("<I", place) if samples > 2 else many.ljust(4, b"\0")
    content_at = place + (len(many) if samples > 2 else 0)
    cells = {256: width, 257: 1, 258: bit_cell, 259: 1, 262: zero_is, 273: content_at, 277: samples, 278: 1}
    entries = b"".join(
        struct.pack("<HHI", tag, 3, samples if tag == 258 else 1)
        + (cell if isinstance(cell, bytes) else struct.pack("<I", cell))
        for tag, cell in (cells | {279: len(content)}).items()
    )
    head = b"II*\0" + struct.pack("<IH", 8, 9) + entries + struct.pack("<I", 0)
    return head + (many if samples > 2 else b"") + content


GREY = np.array([0, 257, 25_700, 32_767, 65_279, 65_535], np.uint16)
EIGHT = np.round(GREY / 257).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_is_scaled_white_to_white(suffix, tmp_path):
    content = png(GREY[None], 0) if suffix == ".png" else tiff(len(GREY), GREY.tobytes(), 16)
    (tmp_path / f"a{suffix}").write_bytes(content)
    np.testing.assert_array_equal(ImageFolder(tmp_path, ["a"])["a"], EIGHT[None])


def test_16_bit_grey_whose_0_is_white_is_turned_around(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(len(GREY), GREY.tobytes(), 16, zero_is=0))
    np.testing.assert_array_equal(ImageFolder(tmp_path, ["a"])["a"], 255 - EIGHT[None])


def test_8_bit_grey_whose_0_is_white_is_turned_around(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(len(GREY), EIGHT.tobytes(), 8, zero_is=0))
    np.testing.assert_array_equal(ImageFolder(tmp_path, ["a"])["a"], 255 - EIGHT[None])


def test_12_bit_grey_is_scaled_by_its_own_white(tmp_path):
    values = [0, 16, 2047, 2048, 4079, 4095]
    bits = "".join(f"{value:012b}" for value in values)
    (tmp_path / "a.tif").write_bytes(tiff(len(values), int(bits, 2).to_bytes(len(bits) // 8, "big"), 12))
    wanted = np.round(np.array(values) * 255 / 4095).astype(np.uint8)
    np.testing.assert_array_equal(ImageFolder(tmp_path, ["a"])["a"], wanted[None])


COLOURS = np.array([[[0, 255, 256, 65_535], [65_535, 32_768, 1, 65_535]]], np.uint16)
SIXTEEN = {
    "RGB as PNG": png(COLOURS[..., :3], 2),
    "RGBA as PNG": png(COLOURS, 6),
    "grey and alpha as PNG": png(COLOURS[..., :2], 4),
    "RGB as TIFF": tiff(2, COLOURS[..., :3].tobytes(), 16, zero_is=2, samples=3),
}


@pytest.mark.parametrize("kind", SIXTEEN)
def test_colours_of_16_bits_are_refused_for_their_lower_byte_would_be_lost(kind, tmp_path):
    (tmp_path / "a.png").write_bytes(SIXTEEN[kind])
    _refused(tmp_path, "16 bits a colour, of which 8 can be read")


def test_colours_of_8_bits_are_kept(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype(np.uint8)
    for suffix in ("png", "tif", "bmp"):
        Image.fromarray(pixels).save(tmp_path / f"{suffix}.{suffix}")
        np.testing.assert_array_equal(ImageFolder(tmp_path, [suffix])[suffix], pixels)
