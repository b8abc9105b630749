"""The journal of a running evolution: append-only, checksummed, on the disk after each record.

A line is a checksum (CRC-32 of the checksum before it and of the text, 8 hexadecimal
digits), a space, and a record as JSON. A line that a killed process left unfinished
at the end is cut off when the journal is opened again: nobody was told that it was
written. Any other line whose checksum is wrong is damage, and is refused:
a finished line ends with a newline.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import zlib
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

from evoalign.errors import InputError
from evoalign.files import no_space, sync

Record = dict[str, Any]

_CHECKSUM = 8  # hexadecimal digits
_NEVER_WRITTEN = bytes(512)  # a sector that a power failure kept from the disk


class Journal:
    """Records in the order in which they were written; one process has it open.

    Parameters
    ----------
    path : path
        Made when missing, with its folder.

    Attributes
    ----------
    path : pathlib.Path
    records : list of dict
        That were there when it was opened. Those of now are not kept: hours of spikes would fill the memory.
    n_records : int
        Of both.

    Raises
    ------
    InputError
        Another process has the journal open, or a record before the last is damaged.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._lock()
            content = self.path.read_bytes()
            self.records, self._end, self._checksum = _parse(content, self.path)
            self.n_records = len(self.records)
            if self._end < len(content):
                logging.warning("%s: the last record was not finished and is left out", self.path)
                os.ftruncate(self._file, self._end)
            os.fsync(self._file)
            sync(self.path.parent)
        except BaseException:
            os.close(self._file)
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                "another process runs this evolution", self.path, "stop it, or give another folder"
            ) from None

    def append(self, record: Record) -> None:
        """Write a record and wait until it is on the disk.

        Raises
        ------
        InputError
            The disk is full: the journal is as it was before.
        """
        text = json.dumps(record, separators=(",", ":"), allow_nan=False)
        checksum = _next_checksum(self._checksum, text)
        line = f"{checksum} {text}\n".encode()
        try:
            _write(self._file, line, self._end)
            os.fdatasync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._end)
            if no_space(error):
                raise InputError(
                    "the disk is full: the last record could not be written, all before it are there",
                    self.path,
                    "make room and start the same command again",
                ) from None
            raise
        self._end += len(line)
        self._checksum = checksum
        self.n_records += 1

    def close(self) -> None:
        """Let another process have the journal."""
        os.close(self._file)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_journal(path: str | PathLike[str]) -> list[Record]:
    """Return the records of a journal that may be open elsewhere, without one that is being written.

    Raises
    ------
    InputError
        There is no such file, or a record before the last is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("there is no journal", path, "name the folder of an evolution that was begun")
    return _parse(path.read_bytes(), path)[0]


def _parse(content: bytes, path: Path) -> tuple[list[Record], int, str]:
    """Records, the byte after the last, and its checksum."""
    records: list[Record] = []
    checksum, end = "0" * _CHECKSUM, 0
    while (stop := content.find(b"\n", end)) >= 0:
        line = content[end:stop]
        fits, expected = _check(line, checksum)
        if not fits and stop + 1 == len(content) and _NEVER_WRITTEN in line:
            return records, end, checksum
        if not fits:
            raise _damage(len(records) + 1, path, end)
        records.append(json.loads(line[_CHECKSUM + 1 :]))
        checksum, end = expected, stop + 1
    # What is left was not finished, unless it is a finished line whose end was changed.
    if len(content) > end and _check(content[end:-1], checksum)[0]:
        raise _damage(len(records) + 1, path, end)
    return records, end, checksum


def _check(line: bytes, checksum_before: str) -> tuple[bool, str]:
    """Tell whether a line's checksum fits; and the checksum that its text has."""
    expected = _next_checksum(checksum_before, line[_CHECKSUM + 1 :].decode("utf-8", "replace"))
    return line[: _CHECKSUM + 1] == f"{expected} ".encode(), expected


def _damage(number: int, path: Path, byte: int) -> InputError:
    return InputError(
        f"record {number} is damaged: its checksum does not fit",
        f"{path}, byte {byte}",
        "take the file from a backup: what stands after it cannot be trusted either",
    )


def _next_checksum(checksum: str, text: str) -> str:
    return f"{zlib.crc32(f'{checksum} {text}'.encode()):08x}"


def _write(file: int, content: bytes, offset: int) -> None:
    """Write all of it: a system call may write a part."""
    while content:
        n_written = os.pwrite(file, content, offset)
        content, offset = content[n_written:], offset + n_written
