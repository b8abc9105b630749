#!/usr/bin/env bash
# Of a unit whose spike times are not in order, pynwb returns as "spikes in an interval" others from outside it.
#
# Version: pynwb 4.2.0, spikeinterface 0.105.3
# Guess:   spike times out of order raise or warn when they are added or written; and in any case
#          `get_unit_spike_times(..., in_interval=(a, b))` returns the spikes between a and b.
# Happens: pynwb writes them without a word and its validator passes them. The interval is looked up by bisection, so that it
#          misses spikes inside and returns spikes outside. SpikeInterface returns the unit's times as they stand in the
#          file, but its samples in order: the n-th time is not that of the n-th sample.
# Seen:    spikes at 10, 20, 10.0005, 30, 40, 20.0005, 50 s; in 19 to 31 s pynwb returns 20, 10.0005, 30 (not 20.0005).
# Instead: sort spike times before `add_unit`; nwbinspector names them (check_ascending_spike_times).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pynwb==4.2.0 spikeinterface==0.105.3
export HOME=$work
cd "$work"
venv/bin/python - <<'PY'
import sys
import warnings
from datetime import datetime, timezone

import numpy as np
import pynwb
import spikeinterface
from spikeinterface.extractors import read_nwb_sorting

print("pynwb", pynwb.__version__, "spikeinterface", spikeinterface.__version__)
TIMES = np.array([10.0, 20.0, 10.0005, 30.0, 40.0, 20.0005, 50.0])
FROM, TO = 19.0, 31.0
file = pynwb.NWBFile("A unit", "unordered", datetime(2026, 1, 1, tzinfo=timezone.utc))
with warnings.catch_warnings():
    warnings.simplefilter("error")
    file.add_unit(spike_times=TIMES)
with pynwb.NWBHDF5IO("unit.nwb", "w") as io:
    io.write(file)
problems = pynwb.validate(path="unit.nwb")
print("pynwb.validate:", problems or "nothing to say")
with pynwb.NWBHDF5IO("unit.nwb", "r") as io:
    found = np.array(io.read().units.get_unit_spike_times(0, in_interval=(FROM, TO)))
print(f"spikes at {TIMES} s; of {FROM} to {TO} s pynwb returns", found)
sorting = read_nwb_sorting("unit.nwb", sampling_frequency=30000.0, t_start=0.0)
unit = sorting.unit_ids[0]
samples, times = (sorting.get_unit_spike_train(unit, return_times=wanted) for wanted in (False, True))
print("SpikeInterface: samples", samples, "times", times)
outside = ((found < FROM) | (found > TO)).any()
in_order = bool((np.diff(samples) >= 0).all()), bool((np.diff(times) >= 0).all())
as_described = not problems and outside and in_order == (True, False)
sys.exit(0 if as_described else "The behaviour has changed.")
PY
echo "As described: spikes from outside the interval were returned."
