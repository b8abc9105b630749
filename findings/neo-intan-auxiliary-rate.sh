#!/usr/bin/env bash
# neo gives the auxiliary inputs of an Intan folder a quarter of their sampling rate, and so four times their length.
#
# Version: neo 0.14.6
# Guess:   signals of one recording that hold as many samples as the amplifiers' last as long.
# Happens: in a folder with one file a signal type, auxiliary.dat has one sample for each sample of the amplifiers; neo gives it
#          the rate that it has in files that hold all, a quarter. Neither warning nor error.
# Seen:    amplifiers: 3000 samples at 30000 Hz, 0.1 s; auxiliary: 3000 samples at 7500 Hz, 0.4 s
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
from pathlib import Path

import neo
import numpy as np
from neo.rawio import IntanRawIO

print("neo", neo.__version__, "numpy", np.__version__)
N = 3_000


def text(value):
    raw = value.encode("utf-16-le")
    return struct.pack("<I", len(raw)) + raw


def channel(name, order, kind):
    return text(name) * 2 + struct.pack("<10h2f", order, order, kind, 1, order, 0, 0, 0, 0, 0, 0.0, 0.0)


header = struct.pack("<Ihhfh6fh2f", 0xC6912702, 3, 3, 30_000, 1, 1, 0.1, 7_500, 1, 0.1, 7_500, 0, 1_000, 1_000)
header += text("") * 3 + struct.pack("<hh", 0, 13) + text("n/a") + struct.pack("<h", 1)
header += text("Port A") + text("A") + struct.pack("<hhh", 1, 2, 1) + channel("A-000", 0, 0) + channel("A-AUX1", 1, 1)
folder = Path("day")
folder.mkdir()
(folder / "info.rhd").write_bytes(header)
(folder / "time.dat").write_bytes(np.arange(N, dtype="<i4").tobytes())
(folder / "amplifier.dat").write_bytes(np.zeros(N, "<i2").tobytes())
(folder / "auxiliary.dat").write_bytes(np.repeat(np.arange(N // 4, dtype="<u2"), 4).tobytes())
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    reader = IntanRawIO(folder / "info.rhd")
    reader.parse_header()
found = [(int(reader.get_signal_size(0, 0, k)), float(reader.get_signal_sampling_rate(k))) for k in (0, 1)]
for name, (n, rate) in zip(("amplifiers", "auxiliary"), found):
    print(f"{name}: {n} samples at {rate:g} Hz, {n / rate:g} s; warnings: {len(told)}")
sys.exit(0 if found == [(N, 30_000.0), (N, 7_500.0)] and not told else "The behaviour has changed.")
PY
echo "As described: two signals of one recording and one length in samples last 0.1 and 0.4 s."
