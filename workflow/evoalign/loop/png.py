"""Images as PNG without compression, which a display waits for a tenth as long."""

from __future__ import annotations

import struct
import zlib

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB, _BITS = 2, 8


def stored_png(pixels: np.ndarray) -> bytes:
    """Return a PNG whose rows are stored as they are (PNG, third edition, W3C 2025).

    Pillow chooses a filter for each row even where it does not compress: an image of 256 x 256
    takes it 2.4 ms, and 6.2 ms with the fastest compression, for two thirds of the bytes.

    Parameters
    ----------
    pixels : ndarray
        uint8 ``[H, W, 3]``.
    """
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, _BITS, _RGB, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 0)), (b"IEND", b"")]
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
