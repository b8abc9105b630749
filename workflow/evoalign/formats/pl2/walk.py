"""Walk over the data blocks of a .pl2 file."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from evoalign.compiling import compiled

# How `step_blocks` ended
FULL, DONE, CUT, BAD_TYPE, BAD_LENGTH = range(5)
CHUNK = 1 << 14
PAGE_WORDS = 2048  # of 4096 bytes, the smallest unit in which a file is brought into memory


@dataclass(frozen=True)
class Blocks2:
    """Data blocks, in the order of the file.

    Attributes
    ----------
    kind : uint8 array [block]
        Block type.
    source : uint8 array [block]
    channel : int32 array [block]
        From 1 within the source; 0 in start/stop blocks.
    n : int64 array [block]
        Samples, spikes or events.
    points : int32 array [block]
        Points of a waveform; 0 but in spike blocks.
    tick : int64 array [block]
        Time stamp of the first sample, spike or event.
    word : int64 array [block]
        Where the payload starts in the file, in 16-bit words.
    """

    kind: np.ndarray
    source: np.ndarray
    channel: np.ndarray
    n: np.ndarray
    points: np.ndarray
    tick: np.ndarray
    word: np.ndarray

    def take(self, rows: np.ndarray) -> Blocks2:
        """Return the blocks at `rows`, an index array ``[row]``."""
        return Blocks2(*(getattr(self, column.name)[rows] for column in fields(self)))


@compiled()
def _u64(words: np.ndarray, at: int) -> int:
    low = int(words[at]) | (int(words[at + 1]) << 16)
    return low | (int(words[at + 2]) << 32) | (int(words[at + 3]) << 48)


@compiled()
def _touch(words: np.ndarray, touched: np.ndarray) -> None:
    for page in range(0, words.size, PAGE_WORDS):
        touched[0] ^= words[page]


@compiled()
def step_blocks(
    words: np.ndarray,
    at: int,
    touched: np.ndarray,
    kind: np.ndarray,
    source: np.ndarray,
    channel: np.ndarray,
    count: np.ndarray,
    points: np.ndarray,
    tick: np.ndarray,
    word: np.ndarray,
) -> tuple[int, int, int]:
    """Fill the arrays, ``[block]``, with the blocks from word `at` on, up to the last of `words`.

    `words` is the file up to there, uint16 ``[word]``. Every page of it is touched in turn,
    as the kernel reads ahead of whoever reads all, and not of whoever jumps from
    header to header; `touched`, uint16 ``[1]``, keeps the compiler from leaving that out.

    Returns
    -------
    n, at, end : int
        Blocks filled in, the word where the walk stands, and how it ended.
    """
    stop = words.size
    n = 0
    while n < kind.size:
        if at == stop:
            return n, at, DONE
        if stop - at < 8:
            return n, at, CUT
        block_type = words[at] & 0xFF
        shape = 0
        if block_type == 0x42:
            items = int(words[at + 3])
            item_words = 1
        elif block_type == 0x31:
            shape = int(words[at + 3])
            items = _u64(words, at + 4)
            item_words = 5 + shape
        elif block_type == 0x5A or block_type == 0x59:
            # u64 from word 3 on; its upper words and the word after it are 0
            items = int(words[at + 3]) | (int(words[at + 4]) << 16)
            item_words = 5
            if words[at + 5] != 0 or words[at + 6] != 0 or words[at + 7] != 0:
                return n, at, BAD_LENGTH
        else:
            return n, at, BAD_TYPE
        if items <= 0 or items > stop - at:
            return n, at, BAD_LENGTH if items <= 0 else CUT
        payload = items * item_words
        if payload > stop - at - 8:
            return n, at, CUT
        if words[at + 1] != payload & 0xFFFF:
            return n, at, BAD_LENGTH
        kind[n] = block_type
        source[n] = words[at] >> 8
        channel[n] = words[at + 2]
        count[n] = items
        points[n] = shape
        tick[n] = _u64(words, at + 4 if block_type == 0x42 else at + 8)
        word[n] = at + 8
        n += 1
        _touch(words[at : at + payload], touched)
        at += (8 + payload + 7) // 8 * 8
        if at > stop:
            # the padding of the last block may be missing after a crash
            at = stop
    return n, at, FULL


def walk(words: np.ndarray, at: int, stop: int) -> tuple[Blocks2, int, int]:
    """Walk all data blocks from word `at` up to word `stop` of a file, uint16 ``[word]``.

    Returns
    -------
    blocks : Blocks2
    at : int
        The word where the walk ended.
    end : int
        DONE, or what is wrong there: CUT, BAD_TYPE or BAD_LENGTH.
    """
    dtypes = ("u1", "u1", "i4", "i8", "i4", "i8", "i8")
    size = max(1, min(CHUNK, (stop - at) // 8 + 1))
    buffers: list[np.ndarray] = [np.empty(size, dtype) for dtype in dtypes]
    touched = np.zeros(1, np.uint16)
    chunks: list[list[np.ndarray]] = []
    end = FULL
    while end == FULL:
        n, at, end = step_blocks(words[:stop], at, touched, *buffers)
        chunks.append([buffer[:n].copy() for buffer in buffers])
    return Blocks2(*(np.concatenate(column) for column in zip(*chunks, strict=True))), at, end
