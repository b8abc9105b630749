"""Tables of what a recording holds."""

from __future__ import annotations

from evoalign.tables import FLOAT, INT, TEXT, column, table

CHANNELS = table(
    "channels",
    column("channel", INT, "", "the vendor's channel number, from 1"),
    column("name", TEXT, "", "label in the file"),
    column("kind", TEXT, "", "'neural' or 'analog' (photodiode, eye, ..)"),
    column("stream", TEXT, "", "continuous stream that holds it; '' when only spikes were saved"),
    column("sampling_rate_hz", FLOAT, "Hz", "of the stream, or of the spike clock"),
    column("gain_uv", FLOAT, "µV", "microvolts per count"),
    column("array", TEXT, "", "array name from the array map; '' when unknown"),
    column("connector", TEXT, "", "headstage connector or bank; '' when unknown"),
    column("area", TEXT, "", "visual area from the array map; '' when unknown"),
    column("x_um", FLOAT, "µm", "position on the array; NaN when unknown"),
    column("y_um", FLOAT, "µm", "position on the array; NaN when unknown"),
)

SEGMENTS = table(
    "segments",
    column("stream", TEXT, "", "continuous stream"),
    column("segment", INT, "", "index from 0; a pause or clock reset starts a new one"),
    column("start_s", FLOAT, "s", "time of its first sample on the recording's clock"),
    column("n_samples", INT, "samples", "length"),
    column("sampling_rate_hz", FLOAT, "Hz", "nominal sampling rate"),
)

WORDS = table(
    "words",
    column("time_s", FLOAT, "s", "time on the recording's clock"),
    column("word", INT, "", "value of the digital input, or bit number for single-bit inputs"),
    column("source", TEXT, "", "'digital', 'serial', 'strobed', 'bit', 'start', 'stop', 'comment'"),
    column("segment", INT, "", "segment of the recording that holds it"),
)

ONLINE_SPIKES = table(
    "online_spikes",
    column("channel", INT, "", "the vendor's channel number"),
    column("unit", INT, "", "the vendor's online unit: 0 unsorted, 1 = a, 2 = b, .."),
    column("time_s", FLOAT, "s", "time on the recording's clock"),
)
