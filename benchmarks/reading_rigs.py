"""Reading Intan, Open Ephys and Neuralynx: MB/s of ours and of neo, and memory against length.

    python benchmarks/reading_rigs.py
    python benchmarks/reading_rigs.py --seconds 60 --channels 96

Recordings are simulated and read from the cache of the system, all samples of all channels, a second
at a time; readers take turns and the best of `--repeats` passes counts. A pass opens the recording
too. Memory is the growth of private memory (RssAnon) of a process of its own, on files of a quarter of
the length and of all of it. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from neo.rawio import IntanRawIO, NeuralynxRawIO, OpenEphysBinaryRawIO

from evoalign.formats.neo_rawio.write_intan import write_intan
from evoalign.formats.neo_rawio.write_neuralynx import write_neuralynx
from evoalign.formats.neo_rawio.write_open_ephys import write_open_ephys
from reading import peak_mb, read_ours

RATE_HZ = 30_000


def write(kind: str, path: Path, seconds: int, channels: int) -> None:
    """Write a recording of one second's noise again and again."""
    second = np.random.default_rng(0).normal(0, 50, (RATE_HZ, channels)).astype(np.int16)
    chunks = (second for _ in range(seconds))
    if kind.startswith("Intan"):
        write_intan(path, chunks, n_channels=channels)
    elif kind == "Open Ephys":
        write_open_ephys(path, chunks, n_channels=channels)
    else:
        names = [f"CSC{channel + 1}" for channel in range(channels)]
        write_neuralynx(path, chunks, names=names, gain_uv=[0.25] * channels)


def read_neo(path: Path) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".rhd":
            reader = IntanRawIO(path)
        elif (path / "info.rhd").exists():
            reader = IntanRawIO(path / "info.rhd")
        else:
            kind = OpenEphysBinaryRawIO if any(path.rglob("structure.oebin")) else NeuralynxRawIO
            reader = kind(str(path))
        reader.parse_header()
    n = reader.get_signal_size(0, 0, 0)
    for start in range(0, n, RATE_HZ):
        np.array(reader.get_analogsignal_chunk(0, 0, start, min(n, start + RATE_HZ), 0))
        yield


READERS: dict[str, Callable[[Path], Iterator[None]]] = {"ours": read_ours, "neo": read_neo}
PLACES = {
    "Intan .rhd": "a.rhd",
    "Intan folder": "intan",
    "Open Ephys": "open_ephys",
    "Neuralynx": "neuralynx",
}


def size_mb(path: Path) -> float:
    files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
    return sum(f.stat().st_size for f in files) / 1e6


def seconds_of(name: str, path: Path) -> float:
    start = time.perf_counter()
    for _ in READERS[name](path):
        pass
    return time.perf_counter() - start


def peak_of(name: str, path: Path) -> float:
    command = [sys.executable, __file__, "--one", name, str(path)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20, help="length of the recordings")
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(peak_mb(READERS[args.one[0]], Path(args.one[1])))
        return
    rows = []
    for kind, place in PLACES.items():
        with tempfile.TemporaryDirectory() as folder:
            path, short = Path(folder) / place, Path(folder) / f"short_{place}"
            write(kind, path, args.seconds, args.channels)
            write(kind, short, max(1, args.seconds // 4), args.channels)
            best = {name: min(seconds_of(name, path) for _ in range(args.repeats + 1)) for name in READERS}
            row = {"recording": kind, "MB": size_mb(path)}
            row |= {f"{name} (MB/s)": size_mb(path) / best[name] for name in READERS}
            row["ratio"] = best["neo"] / best["ours"]
            row |= {"memory, a quarter (MB)": peak_of("ours", short), "memory (MB)": peak_of("ours", path)}
            rows.append(row)
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".1f"))


if __name__ == "__main__":
    main()
