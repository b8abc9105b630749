#!/usr/bin/env bash
# neo reads the last data block of each continuous channel of a Plexon .plx as zeros.
#
# Version: neo 0.14.6
# Guess:   reading a channel to its end returns what is stored.
# Happens: a read that ends at the end of the channel, the default, has the right length, and zeros in place of the last block.
#          (The samples to take off the right end are 0 there, and a slice to -0 is empty.) A read that stops one sample
#          earlier is right. A block may hold a thousand samples (seen on a real file): a false silence at the end, without a
#          warning. What reads through neo has it too.
# Seen:    stored:                     1 2 3 4 5 6 7 8 9 10 11 12
#          read whole:                 1 2 3 4 5 6 7 8 0 0 0 0
#          read to one before the end: 1 2 3 4 5 6 7 8 9 10 11
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check neo==0.14.6 numpy==2.4.6
export HOME=$work
cd "$work"
venv/bin/python - <<'PY'
import struct
import sys
import warnings

import neo
import numpy as np
from neo.rawio import PlexonRawIO

print("neo", neo.__version__, "numpy", np.__version__)
# One continuous channel at 1 kHz in three blocks of four samples, no spike or event channel, version 106.
STORED = np.arange(1, 13, dtype="<i2")
header = bytearray(7504)
header[0:4] = b"PLEX"  # 0x58454c50, little-endian
struct.pack_into("<i", header, 4, 106)  # version
# Clock in Hz, channels of spikes, events, continuous; points a waveform, points before threshold; date; fast read, waveform rate.
struct.pack_into("<14i", header, 136, 40_000, 0, 0, 1, 32, 8, 2026, 1, 1, 12, 0, 0, 0, 40_000)
struct.pack_into("<d4B3H", header, 192, 11 * 40.0, 1, 1, 16, 16, 5000, 5000, 1000)
channel = bytearray(296)
channel[0:4] = b"FP01"
struct.pack_into("<6i", channel, 32, 0, 1000, 1, 1, 1000, -1)  # number, rate, gain, enabled, preamplifier, spike channel
blocks = b"".join(
    struct.pack("<HHIHHHH", 5, 0, first * 40, 0, 0, 1, 4) + STORED[first : first + 4].tobytes() for first in (0, 4, 8)
)
with open("three_blocks.plx", "wb") as file:
    file.write(header + channel + blocks)

reader = PlexonRawIO("three_blocks.plx", progress_bar=False)
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    reader.parse_header()
    whole = reader.get_analogsignal_chunk(0, 0, stream_index=0)[:, 0]
    but_one = reader.get_analogsignal_chunk(0, 0, i_start=0, i_stop=11, stream_index=0)[:, 0]
print("stored:                    ", *STORED)
print("read whole:                ", *whole)
print("read to one before the end:", *but_one)
print("warnings:", [str(one.message) for one in warned] or "none")
lost = np.array_equal(whole, [*STORED[:8], 0, 0, 0, 0]) and np.array_equal(but_one, STORED[:11])
sys.exit(0 if lost and not warned else "The behaviour has changed.")
PY
echo "As described: the last block is read as zeros."
