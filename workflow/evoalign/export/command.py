"""What the command `evoalign export` writes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from evoalign.errors import InputError
from evoalign.files import atomic_write
from evoalign.nwb.linked import open_linked
from evoalign.nwb.read import read_nwb
from evoalign.recordings.stream import Stream


def _target(given: argparse.Namespace, end: str) -> Path:
    name = given.nwb.name.removesuffix(".zarr").removesuffix(".nwb")
    target = given.to or given.nwb.with_name(f"{name}{end}")
    if target.resolve() == given.nwb.resolve():
        raise InputError("the export would replace the NWB file", target, "name another file with --to")
    return target


def _neo(given: argparse.Namespace) -> Path:
    """Write a NIX file of one block."""
    import neo

    from evoalign.export.neo_block import to_neo

    streams: Mapping[str, Stream] = open_linked(given.nwb).streams if given.signals else {}
    block = to_neo(read_nwb(given.nwb), streams)
    for segment in block.segments:
        # NIX holds samples, not promises of them.
        segment.analogsignals = [signal.load() for signal in segment.analogsignals]
    target = _target(given, ".nix")
    with atomic_write(target) as partial:
        io = neo.io.NixIO(str(partial), "ow")
        try:
            io.write_block(block)
        finally:
            io.close()
    return target


def _spikeinterface(given: argparse.Namespace) -> Path:
    """Write the folder of a SortingAnalyzer."""
    from evoalign.export.spikeinterface_analyzer import to_spikeinterface

    target = _target(given, "_analyzer")
    to_spikeinterface(read_nwb(given.nwb), open_linked(given.nwb), target)
    return target


def _pynapple(given: argparse.Namespace) -> Path:
    """Write a folder of pynapple's .npz files."""
    from evoalign.export.pynapple_objects import to_pynapple

    objects = to_pynapple(read_nwb(given.nwb))
    words = {f"words_{source}": tsd for source, tsd in objects.pop("words").items()}
    target = _target(given, "_pynapple")
    with atomic_write(target) as partial:
        partial.mkdir()
        for name, pynapple_object in (objects | words).items():
            pynapple_object.save(str(partial / f"{name}.npz"))
    return target


EXPORTS: Mapping[str, Callable[[argparse.Namespace], Path]] = {
    "neo": _neo,
    "spikeinterface": _spikeinterface,
    "pynapple": _pynapple,
}
