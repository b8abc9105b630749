"""Chunks of an HDF5 data set, compressed here and stored as they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import deflate
import h5py
import numcodecs
import numpy as np
from hdmf.data_utils import DataChunk
from numpy.typing import NDArray

Corner = tuple[int, ...]

# Chunks that wait for a thread or for the disk, for each thread: enough to keep it busy, few for the memory.
AHEAD = 4


def write_chunks(
    dataset: h5py.Dataset, chunks: Iterable[DataChunk], level: int | None, threads: int = 1
) -> None:
    """Fill a chunked data set; every HDF5 reader opens it with the filters that it has.

    The filters are HDF5's own shuffle and gzip. Its library runs them with zlib;
    libdeflate writes the same format in half the time. Threads share the
    compression; chunks are stored in their order, so the file has the same
    bytes with any number of them.

    Parameters
    ----------
    dataset : h5py.Dataset
        Empty, of two or three dimensions; its filters are shuffle and gzip, or none.
    chunks : iterable of DataChunk
        Parts of it that begin at the edge of a chunk and end at one, or at the
        edge of the data set.
    level : int, optional
        Of compression, 1 to 9; None where the data set has no filters.
    threads : int
        How many compress at a time.
    """
    waiting: deque[tuple[Corner, Future[bytes]]] = deque()

    def store_oldest() -> None:
        corner, packed = waiting.popleft()
        dataset.id.write_direct_chunk(corner, packed.result())

    with ThreadPoolExecutor(threads) as pool:
        for corner, values in _cut_all(chunks, dataset.chunks):
            waiting.append((corner, pool.submit(_packed, values, level)))
            if len(waiting) > AHEAD * threads:
                store_oldest()
        while waiting:
            store_oldest()


def _cut_all(chunks: Iterable[DataChunk], shape: Corner) -> Iterator[tuple[Corner, NDArray[np.generic]]]:
    for chunk in chunks:
        first = [axis.start for axis in chunk.selection]
        for corner, values in _cut(np.asarray(chunk.data), shape):
            yield tuple(a + b for a, b in zip(first, corner, strict=True)), values


def _cut(data: NDArray[np.generic], shape: Corner) -> Iterator[tuple[Corner, NDArray[np.generic]]]:
    """Cut an array into chunks with their corners; HDF5 stores whole chunks, zeros beyond the edge."""
    counts = [-(-n // size) for n, size in zip(data.shape, shape, strict=True)]
    for place in np.ndindex(*counts):
        corner = tuple(k * size for k, size in zip(place, shape, strict=True))
        values = data[tuple(slice(a, a + size) for a, size in zip(corner, shape, strict=True))]
        if values.shape != shape:
            padded = np.zeros(shape, data.dtype)
            padded[tuple(slice(0, n) for n in values.shape)] = values
            values = padded
        yield corner, values


def _packed(values: NDArray[np.generic], level: int | None) -> bytes:
    values = np.ascontiguousarray(values)
    if level is None:
        return values.tobytes()
    return bytes(deflate.zlib_compress(numcodecs.Shuffle(values.dtype.itemsize).encode(values), level))
