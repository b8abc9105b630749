#!/usr/bin/env bash
# pynapple leaves out boolean columns of an NWB file's units table.
#
# Version: pynapple 0.11.4, pynwb 4.2.0
# Guess:   a column `good` of True and False is metadata of the units like every other column.
# Happens: columns of whole numbers, floats and text arrive; the boolean one is missing, without a warning. (A column is kept if its
#          first value is a `numbers.Number` or text, and numpy's boolean is neither.) A selection by `good` then fails
#          at best; code that asks whether the column exists takes all units for usable.
# Seen:    columns in the file:     depth good good_as_int region
#          columns in pynapple:     depth good_as_int region
# Instead: write 0 and 1 as integers too.
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
file = pynwb.NWBFile("Three units", "one", datetime(2026, 1, 1, tzinfo=timezone.utc))
for name in ("depth", "good", "good_as_int", "region"):
    file.add_unit_column(name, f"{name} of the unit")
for unit, good in enumerate((True, False, True)):
    file.add_unit(
        spike_times=np.arange(1.0, 9.0) + unit / 10, depth=10 * unit, good=good, good_as_int=int(good), region="V4"
    )
with pynwb.NWBHDF5IO("units.nwb", "w") as io:
    io.write(file)
with pynwb.NWBHDF5IO("units.nwb", "r") as io:
    stored = set(io.read().units.to_dataframe().columns) - {"spike_times"}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    arrived = set(pynapple.load_file("units.nwb")["units"].metadata_columns) - {"rate"}
told = [str(one.message) for one in warned if "good" in str(one.message)]
print("columns in the file:    ", *sorted(stored))
print("columns in pynapple:    ", *sorted(arrived))
print("warnings of the column: ", told or "none")
sys.exit(0 if stored - arrived == {"good"} and not told else "The behaviour has changed.")
PY
echo "As described: the boolean column is not there."
