#!/usr/bin/env bash
# pynapple's rate of a unit from an NWB file is not its spikes by its observed time.
#
# Version: pynapple 0.11.4, pynwb 4.2.0
# Guess:   the rate of a unit is its number of spikes divided by the time in which it was observed: NWB keeps this time
#          beside the spikes, in `obs_intervals` of each unit.
# Happens: `obs_intervals` is not read. All units share one interval, from the first spike of any to the last spike of any. A
#          recording that is quiet at its ends, or a file of few units, has rates that are too high, and adding or
#          removing one unit changes the rates of the others. No warning.
# Seen:    both units were observed for 100 s; the unit of 20 spikes fires at 0.2 spikes/s
#          pynapple, the unit alone:             1.053 spikes/s
#          pynapple, beside one with a spike at 2 s: 0.351 spikes/s
# Instead: divide by the sum of `obs_intervals`, or `restrict` to an IntervalSet made of them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pynapple==0.11.4 pynwb==4.2.0
export HOME=$work
cd "$work"
venv/bin/python - <<'PY'
import sys
import warnings
from datetime import datetime, timezone

import numpy as np
import pynapple
import pynwb

print("pynapple", pynapple.__version__, "pynwb", pynwb.__version__)
OBSERVED = [[0.0, 100.0]]
SPIKES = np.arange(40.0, 60.0)  # 20 spikes, 40 to 59 s


def rate_of_first(name, *units):
    """Write units to a file; return pynapple's rate of the first and the warnings of reading it."""
    file = pynwb.NWBFile("Units", name, datetime(2026, 1, 1, tzinfo=timezone.utc))
    for spikes in units:
        file.add_unit(spike_times=spikes, obs_intervals=OBSERVED)
    with pynwb.NWBHDF5IO(f"{name}.nwb", "w") as io:
        io.write(file)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        rate = float(pynapple.load_file(f"{name}.nwb")["units"]["rate"].iloc[0])
    return rate, [str(one.message) for one in warned if "interval" in str(one.message)]


alone, told = rate_of_first("alone", SPIKES)
beside, _ = rate_of_first("beside", SPIKES, np.array([2.0, 50.0]))
print(f"spikes by observed time:                  {len(SPIKES) / 100:.3f} spikes/s")
print(f"pynapple, the unit alone:                 {alone:.3f} spikes/s")
print(f"pynapple, beside one with a spike at 2 s: {beside:.3f} spikes/s")
print("warnings of intervals:", told or "none")
same = np.allclose([alone, beside], [20 / (59 - 40), 20 / (59 - 2)], rtol=1e-3)
sys.exit(0 if same and not told else "The behaviour has changed.")
PY
echo "As described: rates are by the extent of the spikes, not by observed time."
