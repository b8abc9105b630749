"""The truth beside a simulated session; only tests read it."""

from __future__ import annotations

from evoalign.tables import FLAG, FLOAT, INT, TEXT, column, table

TRUE_UNITS = table(
    "true_units",
    column("unit", INT, "", "unit number from 0, unique in the session"),
    column("channel", INT, "", "the vendor's channel number"),
    column("online_unit", INT, "", "letter it has online: 0 unsorted, 1 = a, 2 = b, .."),
    column("preferred", FLAG, "", "the unit that drove the evolution"),
    column("amplitude_uv", FLOAT, "µV", "trough of its waveform"),
    column("burst_share", FLOAT, "", "share of spikes that start a burst"),
    column("base_hz", FLOAT, "spikes/s", "rate without drive"),
    column("gain_hz", FLOAT, "spikes/s", "rate that full drive adds at a kernel's peak"),
    column("w_texture", FLOAT, "", "weight of the texture component"),
    column("w_object", FLOAT, "", "weight of the object component"),
    column("latency_ms", FLOAT, "ms", "start of the texture component"),
    column("object_latency_ms", FLOAT, "ms", "start of the object component"),
    column("n_spikes", INT, "spikes", "in the whole recording"),
)

TRUE_PRESENTATIONS = table(
    "true_presentations",
    column("presentation", INT, "", "row number from 0, in the order of the log"),
    column("image", TEXT, "", "image name without suffix"),
    column("onset_s", FLOAT, "s", "true onset on the recording's clock"),
    column("offset_s", FLOAT, "s", "true offset on the recording's clock"),
    column("texture_match", FLOAT, "", "T of the preferred unit, 0..1"),
    column("object_match", FLOAT, "", "O of the preferred unit, 0..1"),
)
