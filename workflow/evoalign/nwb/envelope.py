"""The multi-unit envelope <-> an electrical series of filtered ephys, and its rows among the units."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from hdmf.data_utils import AbstractDataChunkIterator, DataChunk
from numpy.typing import NDArray
from pynwb import NWBFile
from pynwb.ecephys import ElectricalSeries, FilteredEphys

from evoalign import tables
from evoalign.errors import InputError
from evoalign.nwb.columns import Pack
from evoalign.nwb.contents import SessionContents
from evoalign.nwb.electrodes import module
from evoalign.nwb.names import HINT
from evoalign.nwb.objects import stored_objects
from evoalign.sorting.settings import Sorting
from evoalign.sorting.tables import UNITS

# Most jobs read files without an envelope; loading all of sorting would take them a second each.
if TYPE_CHECKING:
    from evoalign.sorting.envelope import Envelope, Read

CONTAINER, SERIES = "MUAe", "envelope_segment"
PLACE = f"/processing/ecephys/{CONTAINER}"
KIND = "envelope"
V_PER_UV = 1e-6


class _Chunks(AbstractDataChunkIterator):
    """A segment of an envelope, some seconds at a time."""

    def __init__(self, envelope: Envelope, segment: int, chunk_ms: int) -> None:
        self._envelope, self._segment, self._chunk_ms = envelope, segment, chunk_ms
        self._shape = (envelope.segments[segment][1], len(envelope.channels))
        self._firsts = iter(range(0, self._shape[0], chunk_ms))

    def __iter__(self) -> _Chunks:
        return self

    def __next__(self) -> DataChunk:
        first = next(self._firsts)
        end = min(first + self._chunk_ms, self._shape[0])
        with self._envelope.opened() as read:
            piece = read(self._segment, first, end)
        return DataChunk(data=piece, selection=(slice(first, end), slice(0, self._shape[1])))

    def recommended_chunk_shape(self) -> tuple[int, int]:
        return min(self._chunk_ms, self._shape[0]), self._shape[1]

    def recommended_data_shape(self) -> tuple[int, int]:
        return self._shape

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    @property
    def maxshape(self) -> tuple[int, int]:
        return self._shape


def add_envelope(nwb: NWBFile, contents: SessionContents, settings: Sorting, pack: Pack) -> None:
    """Add the envelope of each segment as an ElectricalSeries in µV of processing/ecephys."""
    envelope = contents.envelope
    if envelope is None or not envelope.channels:
        return
    from evoalign.sorting.envelope import CHUNK_MS, RATE_HZ

    row_of = {int(c): row for row, c in enumerate(nwb.electrodes.id[:])}
    low, high = settings.envelope_band_hz
    text = (
        f"band-pass {low:g} to {high:g} Hz, reference: {settings.reference}, artefacts bridged, rectified, "
        f"low-pass {settings.envelope_lowpass_hz:g} Hz; all of zero phase"
    )
    container = FilteredEphys(name=CONTAINER)
    module(nwb, "ecephys").add(container)
    for segment, (start_s, n) in enumerate(envelope.segments):
        if not n:
            continue
        rows = nwb.create_electrode_table_region(
            region=[row_of[c] for c in envelope.channels], description="electrodes of the envelope"
        )
        series = ElectricalSeries(
            name=f"{SERIES}{segment}",
            description="envelope of multi-unit activity (MUAe; Super & Roelfsema 2005), in microvolts",
            data=pack(_Chunks(envelope, segment, CHUNK_MS)),
            electrodes=rows,
            rate=RATE_HZ,
            starting_time=float(start_s),
            conversion=V_PER_UV,
            filtering=text,
        )
        container.add_electrical_series(series)


def read_envelope(nwb: NWBFile, path: str) -> dict[str, Envelope]:
    """Return the envelope of a file written by `add_envelope`: values stay in the file until asked for."""
    if "ecephys" not in nwb.processing or CONTAINER not in nwb.processing["ecephys"].data_interfaces:
        return {}
    from evoalign.sorting.envelope import Envelope

    series = dict(nwb.processing["ecephys"][CONTAINER].electrical_series)
    names = sorted(series, key=lambda name: int(name.removeprefix(SERIES)))
    try:
        segments = tuple((float(series[name].starting_time), len(series[name].data)) for name in names)
        rows = np.asarray(series[names[0]].electrodes.data[:], np.int64)
        channels = np.asarray(nwb.electrodes.id[:], np.int64)[rows]
    except Exception as error:  # HDF5 raises almost anything on damaged bytes
        raise InputError(f"the envelope cannot be read: {error}", f"{path}, {PLACE}", HINT) from error
    return {"envelope": Envelope(tuple(channels.tolist()), segments, lambda: _opened(path, names))}


@contextmanager
def _opened(path: str, names: list[str]) -> Iterator[Read]:
    with stored_objects(path) as objects:

        def read(segment: int, first: int, end: int) -> NDArray[np.float32]:
            location = f"{PLACE}/{names[segment]}/data"
            try:
                read_values = objects[location].read
                assert read_values is not None
                return np.asarray(read_values(slice(first, end)), np.float32)
            except Exception as error:  # HDF5 raises almost anything on damaged bytes
                raise InputError(
                    f"the envelope cannot be read: {error}", f"{path}, {location}", HINT
                ) from error

        yield read


def envelope_units(contents: SessionContents) -> pd.DataFrame:
    """Return a row of `UNITS` for the envelope of each electrode: they follow the spiking units.

    They have no spikes, and are labelled 'mua'. The preferred one is that of
    the electrode which drove the evolution.
    """
    envelope = contents.envelope
    if envelope is None or not envelope.channels:
        return tables.empty(UNITS)
    channel = np.array(envelope.channels, np.int64)
    area = contents.channels.drop_duplicates("channel").set_index("channel")["area"]
    first = int(contents.units["unit"].max()) + 1 if len(contents.units) else 0
    default_of = {tables.TEXT: "", tables.INT: 0, tables.FLOAT: np.nan, tables.FLAG: False}
    defaults = {field.name: np.full(len(channel), default_of[field.type]) for field in UNITS}
    digits = contents.metadata.preferred.rstrip("abcdefghijklmnopqrstuvwxyz")
    envelope_columns: dict[str, object] = {
        "unit": first + np.arange(len(channel)),
        "kind": KIND,
        "channel": channel,
        "vendor_unit": -1,
        "area": area.reindex(channel).fillna("").to_numpy(),
        "label": "mua",
        "preferred": channel == int(digits or -1),
    }
    return tables.conform(pd.DataFrame({**defaults, **envelope_columns}), UNITS)
