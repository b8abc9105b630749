"""Channels <-> devices, electrode groups and electrodes."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
import pyarrow as pa
from hdmf.common import VectorData
from pynwb import NWBFile, ProcessingModule
from pynwb.device import Device
from pynwb.ecephys import ElectrodeGroup, ElectrodesTable

from evoalign import tables
from evoalign.errors import InputError
from evoalign.nwb.columns import Pack, column_values, columns, dynamic_table, frame_of
from evoalign.nwb.contents import SessionContents
from evoalign.nwb.names import ELECTRODES_IN_FILE, HINT, NAME_IN_FILE, UNKNOWN_LOCATION
from evoalign.recordings.tables import CHANNELS, SEGMENTS
from evoalign.sorting.tables import BAD_CHANNELS

# Format of the raw files -> manufacturer and description of the acquisition system.
SYSTEMS = {
    "blackrock": ("Blackrock Neurotech", "neural signal processor; recorded to .nev and .nsX files"),
    "plexon": ("Plexon", "acquisition system that records to .plx files"),
    "plexon2": ("Plexon", "OmniPlex acquisition system; records to .pl2 files"),
    "intan": ("Intan Technologies", "RHD or RHS recording controller"),
    "open_ephys": ("Open Ephys", "acquisition board or probe recorded by the Open Ephys GUI, binary format"),
    "open_ephys_classic": ("Open Ephys", "acquisition board recorded by the Open Ephys GUI, classic format"),
    "neuralynx": ("Neuralynx", "acquisition system recorded by Cheetah or Pegasus"),
    "spikegadgets": ("SpikeGadgets", "main control unit recorded by Trodes to .rec files"),
    "spike2": ("Cambridge Electronic Design", "1401 interface recorded by Spike2 to .smr files"),
    "spike2_64": ("Cambridge Electronic Design", "1401 interface recorded by Spike2 to .smrx files"),
    "neuroexplorer": (None, "unknown: times were exported to NeuroExplorer's .nex"),
    "tdt": ("Tucker-Davis Technologies", "acquisition system recorded by OpenEx or Synapse"),
    "alpha_omega": ("Alpha Omega", "acquisition system that records to .mpx files"),
    "edf": (None, "unknown: saved in the European Data Format"),
}


def add_electrodes(nwb: NWBFile, contents: SessionContents, pack: Pack) -> None:
    """Add the acquisition system, arrays, electrodes, analog channels and quality of channels."""
    manufacturer, description = SYSTEMS.get(contents.metadata.recorder, (None, "acquisition system"))
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
    contracts = (CHANNELS, SEGMENTS, BAD_CHANNELS)
    for (name, text, frame), contract in zip(ecephys, contracts, strict=True):
        if len(frame):
            nwb_columns = columns(frame, contract, pack, rename=NAME_IN_FILE)
            module(nwb, "ecephys").add(dynamic_table(name, text, nwb_columns))


def module(nwb: NWBFile, name: str) -> ProcessingModule:
    """Return a processing module, made when it is not there."""
    if name not in nwb.processing:
        text = {"ecephys": "the recording's channels and segments", "misc": "stimuli, alignment, provenance"}
        nwb.create_processing_module(name=name, description=text[name])
    return nwb.processing[name]


def _electrodes(nwb: NWBFile, neural: pd.DataFrame, bad: pd.DataFrame, pack: Pack) -> ElectrodesTable:
    groups = _groups(nwb, neural)
    group_of_electrode = [groups[key] for key in zip(neural["array"], neural["area"], strict=True)]
    with_location = neural.assign(area=neural["area"].where(neural["area"] != "", UNKNOWN_LOCATION))
    left_out = ["channel", "kind"]
    for axis in ("x_um", "y_um"):
        if neural[axis].isna().all():
            left_out.append(axis)
    channel_columns = columns(with_location, CHANNELS, pack, rename=ELECTRODES_IN_FILE, leave_out=left_out)
    reason = bad.set_index("channel")["reason"].reindex(neural["channel"]).fillna("")
    standard = [
        VectorData(name="group", description="electrode group", data=group_of_electrode),
        VectorData(
            name="group_name", description="its name", data=[group.name for group in group_of_electrode]
        ),
        VectorData(name="is_bad", description="left out of sorting", data=(reason != "").to_numpy()),
    ]
    # The table's own class fixes name and description.
    all_columns = [*channel_columns, *standard]
    return ElectrodesTable(
        columns=all_columns, colnames=[c.name for c in all_columns], id=neural["channel"].to_numpy()
    )


def _groups(nwb: NWBFile, neural: pd.DataFrame) -> dict[tuple[str, str], ElectrodeGroup]:
    groups = {}
    areas_of = neural.groupby("array", sort=False)["area"].nunique()
    for array, area in dict.fromkeys(zip(neural["array"], neural["area"], strict=True)):
        name = (array or "electrodes").replace("/", "-").replace(":", "-")
        if name not in nwb.devices:
            nwb.add_device(Device(name=name, description=f"electrodes of array {array or UNKNOWN_LOCATION}"))
        group_name = f"{name} {area or UNKNOWN_LOCATION}" if areas_of[array] > 1 else name
        group = ElectrodeGroup(
            name=group_name,
            description=f"electrodes of array {array or UNKNOWN_LOCATION} in area {area or UNKNOWN_LOCATION}",
            location=area or UNKNOWN_LOCATION,
            device=nwb.devices[name],
        )
        nwb.add_electrode_group(group)
        groups[array, area] = group
    return groups


def read_electrodes(nwb: NWBFile, path: str) -> dict[str, pd.DataFrame]:
    """Return channels, segments and bad_channels of a file written by `add_electrodes`."""
    read_tables = {}
    channel_tables = []
    if nwb.electrodes is not None and len(nwb.electrodes.id):
        location = f"{path}, /general/extracellular_ephys/electrodes"
        areas_in_file = column_values(nwb.electrodes, "location", location)
        known_columns = {
            "channel": np.asarray(nwb.electrodes.id[:], np.int64),
            "kind": ["neural"] * len(nwb.electrodes.id),
            "area": ["" if area == UNKNOWN_LOCATION else area for area in areas_in_file],
        }
        channel_tables.append(
            frame_of(
                nwb.electrodes, CHANNELS, location, rename=ELECTRODES_IN_FILE, known_columns=known_columns
            )
        )
    contracts = {"analog_channels": CHANNELS, "segments": SEGMENTS}
    contracts["channel_quality"] = BAD_CHANNELS
    for name, contract in contracts.items():
        read_tables[name] = read_module_table(nwb, "ecephys", name, contract, path)
    channel_tables.append(read_tables.pop("analog_channels"))
    not_empty = [table for table in channel_tables if len(table)]
    read_tables["channels"] = pd.concat(not_empty, ignore_index=True) if not_empty else tables.empty(CHANNELS)
    read_tables["bad_channels"] = read_tables.pop("channel_quality")
    return read_tables


def read_module_table(
    nwb: NWBFile, module_name: str, name: str, contract: pa.Schema, path: str, newer: Collection[str] = ()
) -> pd.DataFrame:
    """Return a table of a processing module; empty where the file has none.

    Columns of text that are `newer` than some files are '' where a file lacks them.
    """
    location = f"{path}, /processing/{module_name}/{name}"
    if module_name not in nwb.processing or name not in nwb.processing[module_name].data_interfaces:
        return tables.empty(contract)
    nwb_table = nwb.processing[module_name][name]
    if not hasattr(nwb_table, "colnames"):
        raise InputError(f"this is a {type(nwb_table).__name__}, not a table", location, HINT)
    lacking = {column: [""] * len(nwb_table.id) for column in newer if column not in nwb_table.colnames}
    return frame_of(nwb_table, contract, location, rename=NAME_IN_FILE, known_columns=lacking)
