"""Every installed sorter on seeded ground truth: accuracy, units found, false units, seconds, memory.

    python benchmarks/sorting.py                                   # all of it: hours on two cores
    python benchmarks/sorting.py --sorters electrode lupin --electrodes 32 --noise 9 --duration 120
    python benchmarks/sorting.py --sorters electrode --electrodes 96 --noise 9 --repeats 30   # an hour

Each sorter runs in a process of its own, so that its memory can be told, and is compared with the
truth by `spikeinterface.comparison`. Prints a markdown table, and writes it to --out when given.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import spikeinterface as si
import spikeinterface.sorters as sorters
from spikeinterface.comparison import GroundTruthComparison, compare_sorter_to_ground_truth
from spikeinterface.preprocessing import scale

from evoalign import tables
from evoalign.recordings.tables import CHANNELS
from evoalign.sorting.settings import Sorting
from evoalign.sorting.sort import sort
from sorting_truth import RATE_HZ, Case, make_truth

WELL = 0.8  # accuracy above which a unit counts as found
COLUMNS = (
    "electrodes", "noise_uv", "sorter", "mode", "accuracy", "precision", "recall", "found", "false_units",
    "seconds", "x_real_time", "memory_mb",
)  # fmt: skip


def main() -> None:
    args = arguments()
    if args.one:
        print(json.dumps(run_one(Case(**json.loads(args.one[0])), args.one[1], args.one[2], args)))
        return
    rows = []
    for case in cases(args):
        make_truth(case, args.folder)  # outside of the timing
        for name in args.sorters:
            for mode in ["electrode"] if name == "electrode" else args.modes:
                rows.append(in_own_process(case, name, mode, args))
                print(pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1), flush=True)
    table = pd.DataFrame(rows, columns=[*COLUMNS, "note"]).to_markdown(index=False, floatfmt=".3g")
    print("\n" + table)
    if args.out:
        args.out.write_text(table + "\n", encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sorters", nargs="+", default=["electrode", *sorters.installed_sorters()])
    parser.add_argument("--modes", nargs="+", default=["array", "per-electrode"])
    parser.add_argument("--electrodes", nargs="+", type=int, default=[32, 96])
    parser.add_argument("--noise", nargs="+", type=float, default=[6.0, 9.0, 13.0], help="µV, SD, whole band")
    parser.add_argument("--duration", type=float, default=120.0, help="s")
    parser.add_argument(
        "--repeats", type=int, default=1, help="times the recording is played, at sizes 3 % around its own"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="no bursts, drift or synchronous spikes")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=3600.0, help="s a sorter")
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/data"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def cases(args: argparse.Namespace) -> list[Case]:
    case = partial(Case, bursting=0.0, drifting=0.0, synchronous=0.0) if args.plain else Case
    return [
        case(n, 2 * n, noise, args.duration, seed=args.seed) for n in args.electrodes for noise in args.noise
    ]


def in_own_process(case: Case, name: str, mode: str, args: argparse.Namespace) -> dict[str, object]:
    """Run one sorter by this file as a process; its failure is a row too."""
    row = {"electrodes": case.n_electrodes, "noise_uv": case.noise_uv, "sorter": name, "mode": mode}
    command = [
        sys.executable, __file__, "--jobs", str(args.jobs), "--folder", str(args.folder),
        "--repeats", str(args.repeats),
        "--one", json.dumps(asdict(case)), name, mode,
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=args.timeout, check=True)
        return row | json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return row | {"note": f"stopped after {args.timeout:g} s"}
    except subprocess.CalledProcessError as error:
        return row | {"note": (error.stderr.strip().splitlines() or ["failed"])[-1][:80]}


def run_one(case: Case, name: str, mode: str, args: argparse.Namespace) -> dict[str, object]:
    recording, truth, _ = make_truth(case, args.folder)
    if args.repeats > 1:
        # Spikes that are the same to the last bit occur in no recording, and isosplit6 goes astray on ties.
        sizes = np.linspace(0.97, 1.03, args.repeats)
        played = [scale(recording, gain=size, offset=0.0, dtype="float32") for size in sizes]
        recording = si.concatenate_recordings(played)
        truth = _repeated(truth, args.repeats, round(case.duration_s * RATE_HZ))
    with MemoryWatch() as memory:
        start = time.perf_counter()
        found = sort_with(recording, name, mode, args.jobs)
        seconds = time.perf_counter() - start
    compared = compare(truth, found)
    performance = compared.get_performance().astype(float)
    accuracy = performance["accuracy"]
    return {
        "accuracy": round(accuracy.mean(), 4),
        "precision": round(performance["precision"].mean(), 4),
        "recall": round(performance["recall"].mean(), 4),
        "found": f"{int((accuracy > WELL).sum())}/{len(accuracy)}",
        "false_units": false_units(compared),
        "seconds": round(seconds, 1),
        "x_real_time": round(case.duration_s * args.repeats / seconds, 2),
        "memory_mb": round(memory.peak_mb),
    }


def _repeated(truth: si.BaseSorting, n: int, n_samples: int) -> si.NumpySorting:
    """The same spikes `n` times, as of `si.concatenate_recordings`."""
    spikes = truth.to_spike_vector()
    samples = np.concatenate([spikes["sample_index"] + i * n_samples for i in range(n)])
    units = np.tile(np.asarray(truth.unit_ids)[spikes["unit_index"]], n)
    return si.NumpySorting.from_samples_and_labels([samples], [units], RATE_HZ)


def sort_with(recording: si.BaseRecording, name: str, mode: str, jobs: int) -> si.BaseSorting:
    """Sorted spikes by our front door; other sorters' whole-array runs see the recording as it is."""
    settings = Sorting(sorter=name, per_electrode=mode == "per-electrode", multiunit=False, online=False)
    result = sort(recording, channels_of(recording), settings, seed=0, n_jobs=jobs)
    rate_hz = float(recording.get_sampling_frequency())
    samples = np.rint(result.spikes["time_s"].to_numpy() * rate_hz).astype(np.int64)
    return si.NumpySorting.from_samples_and_labels([samples], [result.spikes["unit"].to_numpy()], rate_hz)


def channels_of(recording: si.BaseRecording) -> pd.DataFrame:
    x, y = recording.get_channel_locations().T
    rate_hz = float(recording.get_sampling_frequency())
    frame = pd.DataFrame({"channel": recording.channel_ids}).assign(
        name="", kind="neural", stream="broadband", sampling_rate_hz=rate_hz,
        gain_uv=recording.get_channel_gains(), array="", connector="", area="", x_um=x, y_um=y,
    )  # fmt: skip
    return tables.conform(frame, CHANNELS)


class MemoryWatch:
    """Largest private memory of this process and its children, by looking ten times a second.

    Pages of mapped files do not count: the kernel drops them at will.
    """

    def __enter__(self) -> MemoryWatch:
        self.peak_mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(0.1):
            total = 0.0
            for process in [me, *me.children(recursive=True)]:
                try:
                    memory = process.memory_info()
                    total += memory.rss - memory.shared
                except psutil.Error:
                    continue
            self.peak_mb = max(self.peak_mb, total / 1e6)


def compare(truth: si.BaseSorting, found: si.BaseSorting) -> GroundTruthComparison:
    """Compare what a sorter found with all spikes that there are."""
    return compare_sorter_to_ground_truth(truth, found, exhaustive_gt=True, delta_time=0.4)


def false_units(compared: GroundTruthComparison) -> int:
    """Units that are no true unit's, or are another's once more."""
    return len(compared.get_false_positive_units()) + len(compared.get_redundant_units())


def judge(truth: si.BaseSorting, found: si.BaseSorting) -> dict[str, float]:
    """Return the mean accuracy over all true units, how many were found, and false units."""
    n_units = len(truth.unit_ids)
    if not len(found.unit_ids):
        return {"accuracy": 0.0, "found": 0, "units": n_units, "false_units": 0}
    compared = compare(truth, found)
    accuracy = compared.get_performance()["accuracy"].astype(float)
    return {
        "accuracy": round(float(accuracy.mean()), 4),
        "found": int((accuracy > WELL).sum()),
        "units": n_units,
        "false_units": false_units(compared),
    }


def processor_s() -> float:
    """Processor time of this process and of those that it started and that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
