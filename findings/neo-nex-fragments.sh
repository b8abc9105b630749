#!/usr/bin/env bash
# neo gives a NeuroExplorer .nex channel of several fragments as one stretch, as if there had been no pause.
#
# Version: neo 0.14.6
# Guess:   a continuous variable that was recorded in fragments, each with its own time stamp in the file, comes back as several
#          segments, or is refused.
# Happens: samples of all fragments are joined, from the first one's time stamp on; the other stamps are not read. All after a
#          pause is early by it, while spikes and events of the same file keep their true times. No warning.
# Seen:    fragments in the file start at 0 s and 10 s, 5 samples each at 1 kHz
#          neo: 1 segment, 10 samples from 0.000 s; the sixth sample at 0.005 s, in the file at 10 s
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
from neo.rawio import NeuroExplorerRawIO

print("neo", neo.__version__, "numpy", np.__version__)
STAMPS, FIRST = (0, 400_000), (0, 5)  # ticks of 40 kHz, and sample, of each fragment
head = struct.pack("<4si256sdiii", b"NEX1", 104, b"", 40_000.0, 0, 400_200, 1).ljust(544, b"\0")
variable = struct.pack("<ii64sIi", 5, 100, b"FP01", 544 + 208, 2) + struct.pack("<4i", 0, 0, 0, 0)
variable += struct.pack("<4d3i2d", 0, 0, 1_000.0, 1.0, 10, 0, 0, 0.0, 0.0)
data = struct.pack("<2i2i", *STAMPS, *FIRST) + np.arange(10, dtype="<i2").tobytes()
with open("two.nex", "wb") as file:
    file.write(head + variable.ljust(208, b"\0") + data)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    reader = NeuroExplorerRawIO("two.nex")
    reader.parse_header()
    n, start = int(reader.get_signal_size(0, 0, 0)), float(reader.get_signal_t_start(0, 0, 0))
    read = reader.get_analogsignal_chunk(0, 0, stream_index=0)[:, 0]
print(f"fragments in the file start at {STAMPS[0] / 40_000:g} s and {STAMPS[1] / 40_000:g} s, 5 samples each at 1 kHz")
print(f"neo: {reader.segment_count(0)} segment, {n} samples from {start:.3f} s: {read}; warnings: {len(told)}")
joined = reader.segment_count(0) == 1 and n == 10 and start == 0 and np.array_equal(read, np.arange(10))
sys.exit(0 if joined and not told else "The behaviour has changed.")
PY
echo "As described: what comes after the pause is given ten seconds early."
