"""Files as arrays over a memory map, and names as text."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np

from evoalign.errors import InputError


def map_bytes(path: Path) -> np.ndarray:
    """Map a file into memory, without reading it.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    uint8 array [byte]
        Read-only.

    Raises
    ------
    InputError
        The file is missing, no file, empty, or may not be read.
    """
    try:
        with path.open("rb") as stream:
            content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise InputError("the file does not exist", path, "correct the path") from None
    except IsADirectoryError:
        raise InputError("this is a folder, not a recording file", path, "name the file") from None
    except PermissionError:
        raise InputError("the file may not be read", path, "give yourself the right to read it") from None
    except ValueError:
        raise InputError("the file is empty", path, "copy it again from the acquisition PC") from None
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}", path) from error
    return np.frombuffer(content, np.uint8)


def as_words(content: np.ndarray, dtype: type = np.uint16) -> np.ndarray:
    """View bytes, ``[byte]``, as 16-bit words, ``[word]``; a last odd byte is left out."""
    return content[: content.size // 2 * 2].view(dtype)


def text(field: bytes) -> str:
    """Return a fixed-width text field up to its first zero byte."""
    return bytes(field).split(b"\0", 1)[0].decode("utf-8", "replace").strip()
