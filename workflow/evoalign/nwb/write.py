"""Write a session as an NWB file."""

from __future__ import annotations

import warnings
from os import PathLike
from typing import Any

import numpy as np
from hdmf.backends.hdf5 import H5DataIO
from hdmf.data_utils import AbstractDataChunkIterator
from pynwb import NWBHDF5IO

from evoalign import study
from evoalign.files import whole
from evoalign.nwb.build import build
from evoalign.nwb.columns import Pack
from evoalign.nwb.contents import SessionContents, check_contents

SMALL_BYTES = 65_536  # an array below is not worth a chunk and its index


def write_nwb(path: str | PathLike[str], contents: SessionContents, config: study.Config) -> None:
    """Write a session's contents as an NWB file that appears whole or not at all.

    Equal contents and configuration give equal bytes.

    Parameters
    ----------
    path : path
        The ``.nwb`` file, HDF5.
    contents : SessionContents
        Brought into canonical form on the way, see `check_contents`.
    config : study.Config
        Institution, lab, experimenter, species, and section ``nwb``.

    Raises
    ------
    InputError
        As for `check_contents`; an image cannot be read or named; latents of
        a thread differ in dimension.
    """
    check_contents(contents)
    nwb = build(contents, config, hdf5_pack(config.nwb))
    with whole(path) as partial, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="hdmf|pynwb")
        with NWBHDF5IO(str(partial), "w") as io:
            io.write(nwb)


def hdf5_pack(settings: study.Nwb) -> Pack:
    """Return what compresses and chunks large arrays for HDF5."""
    packed = {"compression": "gzip", "compression_opts": settings.compression_level, "shuffle": True}
    options: dict[str, Any] = {} if settings.compression == "none" else packed

    def pack(data: Any) -> Any:
        if isinstance(data, AbstractDataChunkIterator):
            return H5DataIO(data=data, chunks=data.recommended_chunk_shape(), **options)
        if not isinstance(data, np.ndarray) or data.nbytes < SMALL_BYTES or not options:
            return data
        return H5DataIO(data=data, chunks=True, **options)

    return pack
