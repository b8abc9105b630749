"""The two ways in which NWB lies on a disk: HDF5, one file; Zarr, a folder whose name ends in ``.zarr``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import deflate
import numcodecs
import numpy as np
import zarr.storage
from hdmf.backends.hdf5 import H5DataIO
from hdmf.backends.io import HDMFIO
from hdmf.data_utils import AbstractDataChunkIterator
from hdmf_zarr import NWBZarrIO, ZarrDataIO, ZarrIO
from numcodecs.compat import ensure_contiguous_ndarray
from pynwb import NWBHDF5IO, NWBFile, get_manager

from evoalign.nwb.chunks import write_chunks
from evoalign.nwb.objects import is_zarr
from evoalign.nwb.settings import Nwb

SMALL_BYTES = 65_536  # an array below is not worth a chunk and its index


def reader(path: Path) -> HDMFIO:
    """Return what reads an NWB file of either kind, to be closed by the caller."""
    return NWBZarrIO(str(path), "r") if is_zarr(path) else NWBHDF5IO(str(path), "r")


class Backend(Protocol):
    """How one NWB file is written; equal content gives equal bytes."""

    def pack(self, data: Any) -> Any:
        """Return an array, or an iterator over chunks, with how it is chunked and compressed."""

    def write(self, nwb: NWBFile, path: Path, threads: int) -> None:
        """Write a file that was built of packed arrays; `threads` compress what comes in chunks."""


def backend_for(path: Path, settings: Nwb) -> Backend:
    """Return what writes one file, Zarr or HDF5 by its name."""
    return ZarrBackend(settings) if is_zarr(path) else Hdf5Backend(settings)


class Hdf5Backend:
    """HDF5; what comes in chunks is compressed here and written past the library's own filters."""

    def __init__(self, settings: Nwb) -> None:
        self._level = None if settings.compression == "none" else settings.compression_level
        gzip_options = {"compression": "gzip", "compression_opts": self._level, "shuffle": True}
        self._options: dict[str, Any] = {} if self._level is None else gzip_options
        self._streamed: list[tuple[H5DataIO, AbstractDataChunkIterator]] = []

    def pack(self, data: Any) -> Any:
        """See `Backend`."""
        if isinstance(data, AbstractDataChunkIterator):
            dataset = H5DataIO(
                shape=data.recommended_data_shape(),
                dtype=data.dtype,
                chunks=data.recommended_chunk_shape(),
                **self._options,
            )
            self._streamed.append((dataset, data))
            return dataset
        if not isinstance(data, np.ndarray) or data.nbytes < SMALL_BYTES or not self._options:
            return data
        return H5DataIO(data=data, chunks=True, **self._options)

    def write(self, nwb: NWBFile, path: Path, threads: int) -> None:
        """See `Backend`."""
        with NWBHDF5IO(str(path), "w") as io:
            io.write(nwb)
            for dataset, chunks in self._streamed:
                write_chunks(dataset.dataset, chunks, self._level, threads)


class ZarrBackend:
    """Zarr, version 2."""

    def __init__(self, settings: Nwb) -> None:
        is_compressed = settings.compression != "none"
        # Zarr's own default is Blosc, whose threads store blocks in the order in which they get ready.
        self._codec = _Zlib(level=settings.compression_level) if is_compressed else None

    def pack(self, data: Any) -> Any:
        """See `Backend`."""
        if isinstance(data, AbstractDataChunkIterator):
            return ZarrDataIO(
                data=data, chunks=data.recommended_chunk_shape(), filters=self._filters(data.dtype)
            )
        if not isinstance(data, np.ndarray) or data.nbytes < SMALL_BYTES:
            return data
        return ZarrDataIO(data=data, filters=self._filters(data.dtype))

    def _filters(self, dtype: np.dtype) -> list[numcodecs.abc.Codec] | None:
        if self._codec is None or dtype.itemsize == 1:
            return None
        return [numcodecs.Shuffle(elementsize=dtype.itemsize)]

    def write(self, nwb: NWBFile, path: Path, threads: int) -> None:  # noqa: ARG002 -- the library writes with one
        """See `Backend`."""
        default = zarr.storage.default_compressor
        zarr.storage.default_compressor = self._codec
        # Zarr makes the codec anew from its name.
        numcodecs.register_codec(_Zlib)
        try:
            # References as JSON: hdmf_zarr pickles them by default, and reading pickles runs code.
            json = numcodecs.JSON
            with ZarrIO(str(path), manager=get_manager(), mode="w", object_codec_class=json) as io:
                io.write(nwb)
        finally:
            zarr.storage.default_compressor = default
            numcodecs.register_codec(numcodecs.Zlib)


class _Zlib(numcodecs.Zlib):
    """Zlib's format, written by libdeflate: smaller, and twice as fast; the same bytes on every machine.

    Not numcodecs.GZip: its header holds the time of writing.
    """

    def encode(self, buf: Any) -> bytes:
        return bytes(deflate.zlib_compress(ensure_contiguous_ndarray(buf), self.level))
