#!/usr/bin/env bash
# pynapple joins image presentations that follow each other without a blank, and drops all their columns.
#
# Version: pynapple 0.11.4, pynwb 4.2.0
# Guess:   a table of 50 images of 80 ms, one after the other, is an IntervalSet of 50 with image names: as in the file.
# Happens: where a stop time is later than the next start by the last digit of a float, two or more are joined into one;
#          since the number has changed, the columns of all intervals are dropped. It warns, but a mean over "trials" is then
#          one over other stretches. With stops that equal the next start, or with a blank, all 50 and their columns arrive.
# Seen:    stop = start + 0.08:  50 rows in the file, 41 intervals in pynapple, columns: none
#          stop = next start:    50 rows in the file, 50 intervals in pynapple, columns: image
# Instead: let each interval end a microsecond before the next begins.
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
N = 50
START = 1 + 0.08 * np.arange(N + 1)


def arrived(name, stops):
    file = pynwb.NWBFile("Rapid serial presentation", name, datetime(2026, 1, 1, tzinfo=timezone.utc))
    file.add_trial_column("image", "name of the image")
    for number in range(N):
        file.add_trial(start_time=START[number], stop_time=stops[number], image=f"image{number:02d}")
    with pynwb.NWBHDF5IO(f"{name}.nwb", "w") as io:
        io.write(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trials = pynapple.load_file(f"{name}.nwb")["trials"]
    columns = list(trials.metadata_columns)
    print(f"{name}: {N} rows in the file, {len(trials)} intervals in pynapple, columns:", *columns or ["none"])
    return len(trials), columns


overlapping = int((START[:N] + 0.08 > START[1:]).sum())
print("stops later than the next start:", overlapping, "by at most", (START[:N] + 0.08 - START[1:]).max(), "s")
n, columns = arrived("stop is start + 0.08", START[:N] + 0.08)
whole = arrived("stop is the next start", START[1:])
as_described = n < N and not columns and whole == (N, ["image"])
sys.exit(0 if as_described else "The behaviour has changed.")
PY
echo "As described: presentations were joined, and their columns are gone."
