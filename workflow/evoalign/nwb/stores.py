"""The two ways in which NWB lies on a disk: HDF5, one file; Zarr, a folder whose name ends in ``.zarr``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr.storage
from hdmf.backends.hdf5 import H5DataIO
from hdmf.backends.io import HDMFIO
from hdmf.data_utils import AbstractDataChunkIterator
from hdmf_zarr import NWBZarrIO, ZarrDataIO, ZarrIO
from pynwb import NWBHDF5IO, get_manager

from evoalign import study
from evoalign.nwb.columns import Pack

SMALL_BYTES = 65_536  # an array below is not worth a chunk and its index


def is_zarr(path: Path) -> bool:
    """Tell whether a path is, or by its name will be, a Zarr folder."""
    return path.is_dir() or path.suffix == ".zarr"


def reader(path: Path) -> HDMFIO:
    """Return what reads an NWB file of either kind, to be closed by the caller."""
    return NWBZarrIO(str(path), "r") if is_zarr(path) else NWBHDF5IO(str(path), "r")


@contextmanager
def writer(path: Path, settings: study.Nwb) -> Iterator[HDMFIO]:
    """Yield what writes an NWB file of the kind that its name tells; equal content gives equal bytes."""
    if not is_zarr(path):
        with NWBHDF5IO(str(path), "w") as io:
            yield io
        return
    default = zarr.storage.default_compressor
    # Zarr's own default is Blosc, whose threads store blocks in the order in which they get ready.
    zarr.storage.default_compressor = _codec(settings)
    try:
        # References as JSON: hdmf_zarr pickles them by default, and reading pickles runs code.
        with ZarrIO(str(path), manager=get_manager(), mode="w", object_codec_class=numcodecs.JSON) as io:
            yield io
    finally:
        zarr.storage.default_compressor = default


def pack_for(path: Path, settings: study.Nwb) -> Pack:
    """Return what compresses and chunks large arrays for the kind of file that its name tells."""
    return _zarr_pack(settings) if is_zarr(path) else _hdf5_pack(settings)


def _hdf5_pack(settings: study.Nwb) -> Pack:
    packed = {"compression": "gzip", "compression_opts": settings.compression_level, "shuffle": True}
    options: dict[str, Any] = {} if settings.compression == "none" else packed

    def pack(data: Any) -> Any:
        if isinstance(data, AbstractDataChunkIterator):
            return H5DataIO(data=data, chunks=data.recommended_chunk_shape(), **options)
        if not isinstance(data, np.ndarray) or data.nbytes < SMALL_BYTES or not options:
            return data
        return H5DataIO(data=data, chunks=True, **options)

    return pack


def _zarr_pack(settings: study.Nwb) -> Pack:
    def pack(data: Any) -> Any:
        if isinstance(data, AbstractDataChunkIterator):
            return ZarrDataIO(
                data=data, chunks=data.recommended_chunk_shape(), filters=_filters(data.dtype, settings)
            )
        if not isinstance(data, np.ndarray) or data.nbytes < SMALL_BYTES:
            return data
        return ZarrDataIO(data=data, filters=_filters(data.dtype, settings))

    return pack


def _codec(settings: study.Nwb) -> numcodecs.abc.Codec | None:
    # Not numcodecs.GZip: its header holds the time of writing.
    return None if settings.compression == "none" else numcodecs.Zlib(level=settings.compression_level)


def _filters(dtype: np.dtype, settings: study.Nwb) -> list[numcodecs.abc.Codec] | None:
    if settings.compression == "none" or dtype.itemsize == 1:
        return None
    return [numcodecs.Shuffle(elementsize=dtype.itemsize)]
