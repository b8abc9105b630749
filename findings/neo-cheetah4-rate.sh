#!/usr/bin/env bash
# neo gives a Cheetah 4 .ncs channel a sampling rate that its own segment times, and the file's stamps, contradict.
#
# Version: neo 0.14.6
# Guess:   samples divided by the sampling rate that neo gives is the length of the segment that neo gives.
# Happens: files of Cheetah before version 5 are stamped by a whole number of microseconds a sample. Neo takes the segment's ends
#          from the stamps and the rate from the header: at 27,789 Hz the two differ by 2.8%, so that sample and spike
#          times drift apart by 28 ms a second. No warning.
# Seen:    5120 samples at 27789 Hz last 0.18425 s; the segment of them 0.17920 s, as the stamps do
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check neo==0.14.6 numpy==2.4.6 python-dateutil==2.9.0.post0
export HOME=$work
cd "$work"
venv/bin/python - <<'PY'
import sys
import warnings
from pathlib import Path

import neo
import numpy as np
from neo.rawio import NeuralynxRawIO

print("neo", neo.__version__, "numpy", np.__version__)
HEADER = """######## Neuralynx Data File Header
## File Name: D:\\Cheetah_Data\\2003-10-4_10-2-58\\CSC14.Ncs
## Time Opened: (m/d/y): 10/4/2003  At Time: 10:3:0.578
-CheetahRev 4.0.2
-NLX_Base_Class_Name\tCSC14
-NLX_Base_Class_Type\tCscAcqEnt
-RecordSize  1044
\t-ADChannel\t13
\t-ADGain\t\t1
\t-SamplingFrequency\t27789
\t-ADBitVolts\t0.000000244260
\t-ADMaxValue\t2047
"""
records = np.zeros(10, [("stamp", "<u8"), ("channel", "<u4"), ("rate", "<u4"), ("valid", "<u4"), ("samples", "<i2", 512)])
records["stamp"] = 266_982_936 + 35 * 512 * np.arange(10)  # 35 whole microseconds of 35.985 a sample
records["channel"], records["rate"], records["valid"] = 13, 27_789, 512
Path("day").mkdir()
Path("day/CSC14.Ncs").write_bytes(HEADER.replace("\n", "\r\n").encode().ljust(16_384, b"\0") + records.tobytes())
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    reader = NeuralynxRawIO(dirname="day")
    reader.parse_header()
rate, n = float(reader.get_signal_sampling_rate(0)), int(reader.get_signal_size(0, 0, 0))
length = float(reader.segment_t_stop(0, 0) - reader.segment_t_start(0, 0))
print(f"{n} samples at {rate:g} Hz last {n / rate:.5f} s; the segment of them {length:.5f} s; warnings: {len(told)}")
differ = n == 5_120 and abs(n / rate - 0.18425) < 1e-4 and abs(length - 0.1792) < 1e-4
sys.exit(0 if differ and not told else "The behaviour has changed.")
PY
echo "As described: the rate and the length of one signal do not fit each other."
