"""Channels <-> devices, electrode groups and electrodes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from hdmf.common import VectorData
from pynwb import NWBFile, ProcessingModule
from pynwb.device import Device
from pynwb.ecephys import ElectrodeGroup, ElectrodesTable

from evoalign import tables
from evoalign.errors import InputError
from evoalign.nwb.columns import MEND, Pack, column_values, columns, dynamic_table, frame_of
from evoalign.nwb.contents import SessionContents

UNKNOWN = "unknown"  # where the standard asks for a location
# 'name' is a table's own; 'channel_name' is what other tools look for.
_NAME = {"name": "channel_name"}
_RENAME = {**_NAME, "x_um": "rel_x", "y_um": "rel_y", "area": "location"}
# Format of the raw files -> manufacturer and description of the acquisition system.
SYSTEMS = {
    "blackrock": ("Blackrock Neurotech", "neural signal processor; recorded to .nev and .nsX files"),
    "plexon": ("Plexon", "acquisition system that records to .plx files"),
    "plexon2": ("Plexon", "OmniPlex acquisition system; records to .pl2 files"),
}


def add_electrodes(nwb: NWBFile, contents: SessionContents, pack: Pack) -> None:
    """Add the acquisition system, arrays, electrodes, analog channels and quality of channels."""
    manufacturer, description = SYSTEMS.get(contents.facts.recorder, (None, "acquisition system"))
    nwb.add_device(Device(name="acquisition_system", description=description, manufacturer=manufacturer))
    channels = contents.channels
    neural = channels[channels["kind"] == "neural"].reset_index(drop=True)
    if len(neural):
        nwb.electrodes = _electrodes(nwb, neural, contents.bad_channels, pack)
    ecephys = [
        ("analog_channels", "channels that record no electrode", channels[channels["kind"] != "neural"]),
        ("segments", "continuous stretches of the recorded streams", contents.segments),
        ("channel_quality", "which channels were left out of sorting, and why", contents.bad_channels),
    ]
    contracts = (tables.CHANNELS, tables.SEGMENTS, tables.BAD_CHANNELS)
    for (name, text, frame), contract in zip(ecephys, contracts, strict=True):
        if len(frame):
            made = columns(frame, contract, pack, rename=_NAME)
            module(nwb, "ecephys").add(dynamic_table(name, text, made))


def module(nwb: NWBFile, name: str) -> ProcessingModule:
    """Return a processing module, made when it is not there."""
    if name not in nwb.processing:
        text = {"ecephys": "the recording's channels and segments", "misc": "stimuli, alignment, provenance"}
        nwb.create_processing_module(name=name, description=text[name])
    return nwb.processing[name]


def _electrodes(nwb: NWBFile, neural: pd.DataFrame, bad: pd.DataFrame, pack: Pack) -> ElectrodesTable:
    groups = _groups(nwb, neural)
    mine = [groups[key] for key in zip(neural["array"], neural["area"], strict=True)]
    located = neural.assign(area=neural["area"].where(neural["area"] != "", UNKNOWN))
    left_out = ["channel", "kind"]
    for ours in ("x_um", "y_um"):
        if neural[ours].isna().all():
            left_out.append(ours)
    made = columns(located, tables.CHANNELS, pack, rename=_RENAME, leave_out=left_out)
    reason = bad.set_index("channel")["reason"].reindex(neural["channel"]).fillna("")
    standard = [
        VectorData(name="group", description="electrode group", data=mine),
        VectorData(name="group_name", description="its name", data=[group.name for group in mine]),
        VectorData(name="is_bad", description="left out of sorting", data=(reason != "").to_numpy()),
    ]
    # The table's own class fixes name and description.
    every = [*made, *standard]
    return ElectrodesTable(columns=every, colnames=[c.name for c in every], id=neural["channel"].to_numpy())


def _groups(nwb: NWBFile, neural: pd.DataFrame) -> dict[tuple[str, str], ElectrodeGroup]:
    groups = {}
    areas_of = neural.groupby("array", sort=False)["area"].nunique()
    for array, area in dict.fromkeys(zip(neural["array"], neural["area"], strict=True)):
        name = (array or "electrodes").replace("/", "-").replace(":", "-")
        if name not in nwb.devices:
            nwb.add_device(Device(name=name, description=f"electrodes of array {array or UNKNOWN}"))
        whole_name = f"{name} {area or UNKNOWN}" if areas_of[array] > 1 else name
        group = ElectrodeGroup(
            name=whole_name,
            description=f"electrodes of array {array or UNKNOWN} in area {area or UNKNOWN}",
            location=area or UNKNOWN,
            device=nwb.devices[name],
        )
        nwb.add_electrode_group(group)
        groups[array, area] = group
    return groups


def read_electrodes(nwb: NWBFile, path: str) -> dict[str, pd.DataFrame]:
    """Return channels, segments and bad_channels of a file written by `add_electrodes`."""
    found = {}
    parts = []
    if nwb.electrodes is not None and len(nwb.electrodes.id):
        where = f"{path}, /general/extracellular_ephys/electrodes"
        location = column_values(nwb.electrodes, "location", where)
        given = {
            "channel": np.asarray(nwb.electrodes.id[:], np.int64),
            "kind": ["neural"] * len(nwb.electrodes.id),
            "area": ["" if area == UNKNOWN else area for area in location],
        }
        parts.append(frame_of(nwb.electrodes, tables.CHANNELS, where, rename=_RENAME, given=given))
    stored = {"analog_channels": tables.CHANNELS, "segments": tables.SEGMENTS}
    stored["channel_quality"] = tables.BAD_CHANNELS
    for name, contract in stored.items():
        found[name] = read_module_table(nwb, "ecephys", name, contract, path)
    parts.append(found.pop("analog_channels"))
    filled = [part for part in parts if len(part)]
    found["channels"] = pd.concat(filled, ignore_index=True) if filled else tables.empty(tables.CHANNELS)
    found["bad_channels"] = found.pop("channel_quality")
    return found


def read_module_table(nwb: NWBFile, where: str, name: str, contract: pa.Schema, path: str) -> pd.DataFrame:
    """Return a table of a processing module; empty where the file has none."""
    place = f"{path}, /processing/{where}/{name}"
    if where not in nwb.processing or name not in nwb.processing[where].data_interfaces:
        return tables.empty(contract)
    found = nwb.processing[where][name]
    if not hasattr(found, "colnames"):
        raise InputError(f"this is a {type(found).__name__}, not a table", place, MEND)
    return frame_of(found, contract, place, rename=_NAME)
