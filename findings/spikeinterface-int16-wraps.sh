#!/usr/bin/env bash
# SpikeInterface's filters and common reference turn what exceeds the range of int16 over to the other sign.
#
# Version: spikeinterface 0.105.3, numpy 2.4.6, scipy 1.17.1
# Guess:   a result that does not fit the recording's type is widened, clipped at its limits, or warned of.
# Happens: both compute in floating point, then cast to the type of the recording without looking at the range. An electrode
#          at its positive limit while the others go down together (a stimulation or chewing artefact) comes out at the
#          negative limit: the steepest "spike" of the recording, at each edge. No warning.
# Seen:    common reference (median): 32964 wanted, -32572 given
#          band-pass 300 to 6000 Hz, artefact from limit to limit: 36585 and -35484 wanted, -28951 and 30052 given
# Instead: `dtype="float32"` in the first step of the chain.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check spikeinterface==0.105.3 numpy==2.4.6 scipy==1.17.1
export HOME=$work
"$work/venv/bin/python" - <<'PY'
import sys
import warnings

import numpy as np
import scipy
import spikeinterface
from spikeinterface.core import NumpyRecording
from spikeinterface.preprocessing import bandpass_filter, common_reference

LIMIT = 32764  # 8191 uV in counts of 0.25 uV, where such an amplifier stops
print("spikeinterface", spikeinterface.__version__, "numpy", np.__version__, "scipy", scipy.__version__)
quiet = np.random.default_rng(0).normal(0, 40, (30_000, 9)).round().astype(np.int16)
as_described = []


def traces(step, voltage, **settings):
    """The traces of one step on a recording, and whether anything warned."""
    recording = NumpyRecording([voltage], sampling_frequency=30_000.0)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        return step(recording, **settings).get_traces(), bool(found)


saturated = quiet.copy()
saturated[10_000:10_100] = -200  # all electrodes together,
saturated[10_000:10_100, 4] = LIMIT  # but one at its limit
given, warned = traces(common_reference, saturated, operator="median", reference="global")
print(f"common reference (median): {LIMIT + 200} wanted, {given[10_050, 4]} given, warning: {warned}")
as_described.append(given[10_050, 4] == LIMIT + 200 - 2**16 and not warned)

swing = quiet.copy()
swing[10_000:10_100, 4] = LIMIT
swing[10_100:10_130, 4] = -LIMIT
band = {"freq_min": 300.0, "freq_max": 6000.0}
whole, warned = traces(bandpass_filter, swing, **band)
exact, _ = traces(bandpass_filter, swing, dtype="float32", **band)
turned = np.flatnonzero(np.abs(whole[:, 4] - exact[:, 4]) > 2**15)
print(f"band-pass: {exact[turned, 4]} wanted, {whole[turned, 4]} given, warning: {warned}")
as_described.append(turned.size > 0 and not warned)
sys.exit(0 if all(as_described) else "The behaviour has changed.")
PY
echo "As described: what exceeds int16 changes its sign."
