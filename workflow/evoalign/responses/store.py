"""Responses on disk: a Zarr folder that appears whole or not at all."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import zarr
import zarr.codecs
from numpy.typing import NDArray

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.tables import PRESENTATIONS
from evoalign.files import atomic_write
from evoalign.responses.session_responses import SessionResponses, no_envelope
from evoalign.self_contained import check_zarr_folder
from evoalign.sorting.tables import UNITS

FORMAT = 2  # of the responses folder
# Blosc's threads store blocks in the order in which they get ready, so its bytes differ between runs.
_CODEC = zarr.codecs.Zstd(level=5)


def write_responses(responses: SessionResponses, folder: str | PathLike[str]) -> None:
    """Write responses as a Zarr folder that appears whole or not at all.

    ``counts``, ``envelope`` (where there is one; a chunk a unit) and
    ``latents/block{BBB}_thread{TTT}`` are Zarr arrays; ``units.parquet`` and
    ``presentations.parquet`` lie beside them. Equal responses give equal bytes.
    """
    with atomic_write(folder) as partial:
        group = zarr.open_group(str(partial), mode="w", zarr_version=2)
        counts = responses.counts
        chunks = (1, max(counts.shape[1], 1), max(counts.shape[2], 1))
        _add_array(group, "counts", counts, chunks)
        if responses.recorded is not None:
            _add_array(group, "recorded", responses.recorded, None)
        if len(responses.envelope):
            _add_array(group, "envelope", responses.envelope, chunks)
        for (block, thread), (codes, ids) in sorted(responses.codes.items()):
            array = _add_array(group, f"latents/block{block:03d}_thread{thread:03d}", codes, None)
            array.attrs.update({"block": block, "thread": thread, "images": list(ids)})
        names = ("start_ms", "session", "subject", "area", "site")
        named = {name: getattr(responses, name) for name in names}
        group.attrs.update({"format": FORMAT, "spaces": list(responses.spaces), **named})
        tables.write(responses.units, UNITS, partial / "units.parquet")
        tables.write(responses.presentations, PRESENTATIONS, partial / "presentations.parquet")


def _add_array(
    group: zarr.Group, name: str, data: NDArray[Any], chunks: tuple[int, ...] | None
) -> zarr.Array:
    data = np.ascontiguousarray(data)
    shape = chunks or tuple(max(n, 1) for n in data.shape)
    array = group.create_dataset(
        name,
        shape=data.shape,
        chunks=shape,
        dtype=data.dtype,
        compressor=_CODEC,
        filters=[zarr.codecs.Shuffle(data.dtype.itemsize)],
    )
    array[...] = data
    return array


def _read_array(array: zarr.Array) -> NDArray[Any]:
    # Zarr takes a chunk that is not there for zeros.
    if array.nchunks_initialized < array.nchunks:
        raise ValueError(f"{array.nchunks - array.nchunks_initialized} chunks of {array.name} are missing")
    values: NDArray[Any] = array[...]
    return values


def read_responses(folder: str | PathLike[str]) -> SessionResponses:
    """Read responses written by `write_responses`.

    Raises
    ------
    InputError
        The folder is missing, damaged, or none of responses.
    """
    folder = Path(folder)
    hint = "remove the folder and run again"
    if not folder.is_dir():
        raise InputError("the folder of responses does not exist", folder)
    try:
        check_zarr_folder(folder)
        group = zarr.open_group(str(folder), mode="r")
        attributes = dict(group.attrs)
        counts = _read_array(group["counts"])
        envelope = _read_array(group["envelope"]) if "envelope" in group else no_envelope()
        recorded = _read_array(group["recorded"]) if "recorded" in group else None
        latent_arrays = dict(group["latents"].arrays()) if "latents" in group else {}
        codes = {
            (int(array.attrs["block"]), int(array.attrs["thread"])): (
                _read_array(array),
                list(array.attrs["images"]),
            )
            for array in latent_arrays.values()
        }
    except (KeyError, ValueError, TypeError, OSError, RuntimeError, zarr.errors.GroupNotFoundError) as error:
        raise InputError(f"these are no readable responses: {error!r}", folder, hint) from error
    if attributes.get("format") != FORMAT:
        raise InputError(f"responses of format {attributes.get('format')}, not {FORMAT}", folder, hint)
    units = tables.read(folder / "units.parquet", UNITS)
    presentations = tables.read(folder / "presentations.parquet", PRESENTATIONS)
    axes = {counts.shape[:2], (len(units) - len(envelope), len(presentations))}
    axes |= {(len(counts), envelope.shape[1])} if len(envelope) else set()
    if recorded is not None and recorded.shape != (len(units), len(presentations)):
        raise InputError(f"recorded {recorded.shape} does not fit its tables", folder, hint)
    if counts.dtype != np.uint16 or len(axes) > 1:
        raise InputError(f"counts {counts.dtype} {counts.shape} do not fit their tables", folder, hint)
    return SessionResponses(
        counts,
        int(attributes["start_ms"]),
        units,
        presentations,
        str(attributes["session"]),
        str(attributes["subject"]),
        str(attributes["area"]),
        dict(sorted(codes.items())),
        envelope,
        str(attributes["site"]),
        tuple(attributes.get("spaces", ())),
        recorded,
    )
