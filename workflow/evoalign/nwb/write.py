"""Write a session as an NWB file."""

from __future__ import annotations

import warnings
from os import PathLike
from pathlib import Path

from evoalign.files import atomic_write
from evoalign.nwb.backends import backend_for
from evoalign.nwb.build import build
from evoalign.nwb.contents import SessionContents, check_contents
from evoalign.nwb.settings import Packaging


def write_nwb(
    path: str | PathLike[str], contents: SessionContents, config: Packaging, threads: int = 1
) -> None:
    """Write a session's contents as an NWB file that appears whole or not at all.

    Equal contents and configuration give equal bytes, with any number of threads.

    Parameters
    ----------
    path : path
        The ``.nwb`` file, HDF5; or the ``.nwb.zarr`` folder.
    contents : SessionContents
        Brought into canonical form on the way, see `check_contents`.
    config : Packaging
        Institution, lab, experimenter, species, and section ``nwb``.
    threads : int
        How many compress embedded voltages of an HDF5 file at a time.

    Raises
    ------
    InputError
        As for `check_contents`; an image cannot be read or named; latents of
        a thread differ in dimension.
    """
    check_contents(contents)
    store = backend_for(Path(path), config.nwb)
    nwb = build(contents, config, store.pack)
    with atomic_write(path) as partial, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="hdmf|pynwb|zarr")
        store.write(nwb, partial, threads)
