"""Byte layouts of Blackrock files, named as in the vendor's file specification.

NEV 2.1 to 3.0 and NSx 2.1 to 3.0 ("NEV Data File Specification", "NSx Data File
Specification", Blackrock Microsystems / Neurotech). Little-endian, packed.
"""

from __future__ import annotations

import datetime as dt

import numpy as np

from evoalign.formats import units

SYSTEMTIME = [(name, "<u2") for name in ("year", "month", "weekday", "day", "hour", "minute", "second", "ms")]

# --- NEV: section "Basic Header"
NEV_MAGIC = (b"NEURALEV", b"BREVENTS")
NEV_BASIC = np.dtype(
    [
        ("file_type_id", "S8"),
        ("ver_major", "u1"),
        ("ver_minor", "u1"),
        ("additional_flags", "<u2"),
        ("bytes_in_headers", "<u4"),
        ("bytes_in_data_packets", "<u4"),
        ("time_resolution_of_time_stamps", "<u4"),
        ("time_resolution_of_samples", "<u4"),
        ("time_origin", SYSTEMTIME),
        ("application", "S32"),
        ("comment", "S256"),
        ("number_of_extended_headers", "<u4"),
    ]
)
# --- NEV: section "Extended Headers", 32 bytes each
NEV_EXTENDED = np.dtype([("packet_id", "S8"), ("content", "V24")])
NEUEVWAV = np.dtype(
    [
        ("electrode_id", "<u2"),
        ("physical_connector", "u1"),
        ("connector_pin", "u1"),
        ("digitization_factor", "<u2"),  # nV per count
        ("energy_threshold", "<u2"),
        ("high_threshold", "<i2"),
        ("low_threshold", "<i2"),
        ("number_of_sorted_units", "u1"),
        ("bytes_per_waveform", "u1"),
        ("spike_width", "<u2"),  # samples; from 2.3 on
        ("reserved", "V8"),
    ]
)
NEUEVLBL = np.dtype([("electrode_id", "<u2"), ("label", "S16"), ("reserved", "V6")])
DIGLABEL = np.dtype([("label", "S16"), ("mode", "u1"), ("reserved", "V7")])

# --- NEV: section "Data Packets": a stamp, an id, then by id
DIGITAL_PACKET = 0
FIRST_SPIKE_PACKET, LAST_SPIKE_PACKET = 1, 5_120
# Ripple: electrode + 5120 is that electrode's stimulation. Blackrock's systems have no electrode above 5120.
FIRST_STIMULATION_PACKET, LAST_STIMULATION_PACKET = 5_121, 10_240
COMMENT_PACKET = 0xFFFF

# --- What is no electrode
FIRST_ANALOG_GEMINI = 10_241
ANALOG_LABELS = ("ainp", "analog", "audio")
ANALOG_GAIN_UV = 5e6 / 32_767  # of an input of +-5 V: 152.5925
# 152,588 nV a count, an analog input's, in the 16 bits of a NEV's digitization factor.
WRAPPED_ANALOG_FACTOR, ANALOG_FACTOR = 152_588 - 65_536 * 2, 152_588
MICROVOLTS = {"": 1.0, **units.MICROVOLTS}  # a header that names no unit counts microvolts


def nev_packet(bytes_in_data_packets: int, wide: bool) -> np.dtype:
    """Return the dtype of a data packet; stamps are 8 bytes wide from 3.0 on."""
    stamp = "<u8" if wide else "<u4"
    head = np.dtype(stamp).itemsize + 2
    names = ["timestamp", "packet_id", "reason", "reserved", "digital_input", "charset", "flag", "text"]
    formats = [stamp, "<u2", "u1", "u1", "<u2", "u1", "u1", f"S{bytes_in_data_packets - head - 6}"]
    offsets = [0, head - 2, head, head + 1, head + 2, head, head + 1, head + 6]
    # reason / unit class / charset share their byte; which it is follows from packet_id.
    return np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": bytes_in_data_packets}
    )


# --- NSx
NSX_MAGIC_21 = b"NEURALSG"
NSX_MAGIC = (b"NEURALCD", b"BRSMPGRP")
NSX_BASIC_21 = np.dtype(
    [("file_type_id", "S8"), ("label", "S16"), ("period", "<u4"), ("channel_count", "<u4")]
)
NSX_BASIC = np.dtype(
    [
        ("file_type_id", "S8"),
        ("ver_major", "u1"),
        ("ver_minor", "u1"),
        ("bytes_in_headers", "<u4"),
        ("label", "S16"),
        ("comment", "S256"),
        ("period", "<u4"),
        ("time_resolution_of_time_stamps", "<u4"),
        ("time_origin", SYSTEMTIME),
        ("channel_count", "<u4"),
    ]
)
NSX_EXTENDED = np.dtype(
    [
        ("type", "S2"),
        ("electrode_id", "<u2"),
        ("electrode_label", "S16"),
        ("physical_connector", "u1"),
        ("connector_pin", "u1"),
        ("minimum_digital_value", "<i2"),
        ("maximum_digital_value", "<i2"),
        ("minimum_analog_value", "<i2"),
        ("maximum_analog_value", "<i2"),
        ("units", "S16"),
        ("high_freq_corner", "<u4"),
        ("high_freq_order", "<u4"),
        ("high_filter_type", "<u2"),
        ("low_freq_corner", "<u4"),
        ("low_freq_order", "<u4"),
        ("low_filter_type", "<u2"),
    ]
)


def nsx_block(wide: bool) -> np.dtype:
    """Return the dtype of a data block's header; stamps are 8 bytes wide from 3.0 on."""
    return np.dtype(
        [("header", "u1"), ("timestamp", "<u8" if wide else "<u4"), ("number_of_data_points", "<u4")]
    )


CLOCK_HZ = 30_000  # `period` counts this clock


def start_time(origin: np.void) -> dt.datetime | None:
    """Return a header's time origin (UTC); None when its fields make no date."""
    try:
        return dt.datetime(
            int(origin["year"]),
            int(origin["month"]),
            int(origin["day"]),
            int(origin["hour"]),
            int(origin["minute"]),
            int(origin["second"]),
            int(origin["ms"]) * 1000,
            tzinfo=dt.UTC,
        )
    except ValueError:
        return None


def is_analog_label(label: str) -> bool:
    """Return whether a channel has the name that the system gives an analog input."""
    return label.lower().startswith(ANALOG_LABELS)


def text(raw: bytes) -> str:
    """Return a zero-terminated field as text."""
    return raw.split(b"\0", 1)[0].decode("latin-1").strip()
