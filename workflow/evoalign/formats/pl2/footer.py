"""The footer of a .pl2 file, held against its blocks.

The footer lists, channel by channel, where the data blocks are, when they
start and how much they hold: the same numbers as in the blocks, a second time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evoalign.errors import InputError
from evoalign.formats.pl2 import layout as pl2
from evoalign.formats.pl2.walk import Blocks2

Key = tuple[int, int, int]  # block type, source, channel


@dataclass(frozen=True)
class Listed:
    """Entry of the footer for one channel.

    Attributes
    ----------
    at : int
        Byte of its (first) footer record.
    totals : list of int
        Samples, spikes or events: one number a record. Only one record a
        channel was seen; a channel of more than 7281 blocks needs several.
    offset, tick, n : int64 arrays [block]
        Byte, first time stamp and contents of each block.
    """

    at: int
    totals: list[int]
    offset: np.ndarray
    tick: np.ndarray
    n: np.ndarray


def check_footer(content: np.ndarray, at: int, blocks: Blocks2, path: Path, hint: str) -> None:
    """Read the footer from byte `at` to the end of the file and compare it with the blocks.

    `content` is the file, uint8 ``[byte]``.

    Raises
    ------
    InputError
        The footer is damaged, or lists other blocks than the file holds.
    """
    listed = _read_footer(content, at, path, hint)
    order = np.lexsort((blocks.word, blocks.channel, blocks.source, blocks.kind))
    key = np.stack((blocks.kind, blocks.source, blocks.channel), axis=1)[order]
    edges = np.flatnonzero((key[1:] != key[:-1]).any(axis=1)) + 1
    channels_checked: set[Key] = set()
    for rows in np.split(order, edges) if order.size else []:
        channel_blocks = blocks.take(rows)
        kind, source, channel = (
            int(channel_blocks.kind[0]),
            int(channel_blocks.source[0]),
            int(channel_blocks.channel[0]),
        )
        offset = 2 * channel_blocks.word - 16
        footer = listed.get((kind, source, channel))
        if footer is None:
            what = f"a block of source {source}, channel {channel} that the footer does not list"
            raise InputError(what, f"{path}, byte {offset[0]}", hint)
        n_items = int(channel_blocks.n.sum())
        as_listed = all(
            map(
                np.array_equal,
                (footer.offset, footer.tick, footer.n),
                (offset, channel_blocks.tick, channel_blocks.n),
            )
        )
        if not as_listed or (sum(footer.totals) != n_items and set(footer.totals) != {n_items}):
            what = f"source {source}, channel {channel}: the footer lists {footer.totals[-1]} items in "
            what += (
                f"{footer.offset.size} blocks; the file holds {n_items} in {offset.size}, "
                "or they lie elsewhere"
            )
            raise InputError(what, f"{path}, byte {footer.at}", hint)
        channels_checked.add((kind, source, channel))
    missing = [
        footer for channel, footer in listed.items() if channel not in channels_checked and any(footer.totals)
    ]
    if missing:
        what = f"the footer lists {missing[0].totals[-1]} items of a channel without blocks"
        raise InputError(what, f"{path}, byte {missing[0].at}", hint)


def _read_footer(content: np.ndarray, at: int, path: Path, hint: str) -> dict[Key, Listed]:
    listed: dict[Key, Listed] = {}
    while at < content.size:
        if content.size - at < 16:
            raise InputError("the footer is cut", f"{path}, byte {at}", hint)
        head = np.frombuffer(content, pl2.FOOTER_HEAD, 1, at)[0]
        kind = pl2.FOOTER_OF.get(int(head["Tag"]))
        size = 2 * int(head["Words"])
        if kind is None or size % 18 or size > content.size - at - 16:
            what = f"no footer record of a known kind and length: tag 0x{int(head['Tag']):02x}, {size} bytes"
            raise InputError(what, f"{path}, byte {at}", hint)
        k = size // 18
        body = content[at + 16 : at + 16 + size]
        offset, tick = body[: 8 * k].view("<i8"), body[8 * k : 16 * k].view("<i8")
        n = body[16 * k :].view("<u2").astype(np.int64)
        key = (kind, int(head["Source"]), int(head["Channel"]))
        total = int(head["Total"])
        if key in listed:
            earlier = listed[key]
            offset, tick, n = (
                np.concatenate(p) for p in ((earlier.offset, offset), (earlier.tick, tick), (earlier.n, n))
            )
            listed[key] = Listed(earlier.at, [*earlier.totals, total], offset, tick, n)
        else:
            listed[key] = Listed(at, [total], offset, tick, n)
        at += (16 + size + 15) // 16 * 16
    if at != content.size:
        raise InputError("the footer's last record is cut", f"{path}, byte {content.size}", hint)
    return listed
