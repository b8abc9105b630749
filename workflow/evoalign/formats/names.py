"""What each format of a recording is called, in words for a reader."""

from __future__ import annotations

# By `Recording.format`, in words of the vendors.
FORMAT_NAMES = {
    "blackrock": "Blackrock NEV and NSx",
    "plexon": "Plexon .plx",
    "plexon2": "Plexon .pl2",
    "intan": "Intan",
    "open_ephys": "Open Ephys binary",
    "neuralynx": "Neuralynx",
    "spikegadgets": "SpikeGadgets",
    "spike2": "Spike2 (32 bit)",
    "neuroexplorer": "NeuroExplorer",
    "edf": "EDF",
    "spike2_64": "Spike2 (64 bit)",
    "tdt": "TDT",
    "open_ephys_classic": "Open Ephys classic",
    "alpha_omega": "Alpha Omega",
}
# Their samples are read by a class of `neo.rawio`; those of all others from the bytes of the file.
THROUGH_NEO = frozenset({"spike2_64", "tdt", "open_ephys_classic", "alpha_omega"})
