"""Reading raw files: MB/s of ours, of neo and of `dd` on the same file, and memory against file length.

    python benchmarks/reading.py
    python benchmarks/reading.py --seconds 120 --channels 96

Files are simulated; before each pass the kernel is asked to drop the file from its cache ("cold"),
then the file is read once more as it lies in the cache ("warm"). A pass opens the file and reads all
samples of all channels, a second at a time. The best of `--repeats` passes counts; readers take
turns. Memory is the growth of private memory (RssAnon) of a process of its own that reads the whole
file: pages of mapped files do not count, the kernel drops them at will. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from neo.rawio import BlackrockRawIO, PlexonRawIO

from evoalign.formats.blackrock.write import write_nsx
from evoalign.formats.opening import open_recording
from evoalign.formats.pl2.write import write_pl2
from evoalign.formats.plx.write import write_plx

RATE_HZ = {".ns6": 30_000, ".plx": 40_000, ".pl2": 40_000}
LENGTHS = (1, 2, 4)  # of the files on which memory is measured, in quarters of --seconds


def main() -> None:
    args = arguments()
    if args.one:
        print(peak_mb(READERS[args.one[0]], Path(args.one[1])))
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        print(speed_table(args, Path(folder)).to_markdown(index=False, floatfmt=".0f"), end="\n\n")
        print(memory_table(args, Path(folder)).to_markdown(index=False, floatfmt=".1f"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=40, help="length of the files")
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to put them: the disk to measure")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def make(path: Path, seconds: int, channels: int) -> None:
    """Write a recording of one second's noise again and again, and have it on the disk."""
    second = np.random.default_rng(0).normal(0, 50, (RATE_HZ[path.suffix], channels)).astype(np.int16)
    chunks = (second for _ in range(seconds))
    names = [f"WB{channel:03d}" for channel in range(1, channels + 1)]
    if path.suffix == ".ns6":
        write_nsx(path, chunks, channel_ids=list(range(1, channels + 1)))
    elif path.suffix == ".plx":
        write_plx(path, chunks, names=names)
    else:
        write_pl2(path, chunks, names=names)
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def read_ours(path: Path) -> Iterator[None]:
    for stream in open_recording(path).streams.values():
        second = int(stream.sampling_rate_hz)
        for segment, (_, n) in enumerate(stream.segments):
            for start in range(0, n, second):
                stream.read(segment, start, start + second)
                yield


def read_neo(path: Path) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".ns6":
            reader = BlackrockRawIO(str(path.with_suffix("")), nsx_to_load=6)
        else:
            reader = PlexonRawIO(str(path), progress_bar=False)
        reader.parse_header()
    for stream in range(reader.signal_streams_count()):
        second = int(reader.get_signal_sampling_rate(stream))
        n = reader.get_signal_size(0, 0, stream)
        for start in range(0, n, second):
            # neo may give a view of the file: the samples count as read when they are in memory.
            np.array(reader.get_analogsignal_chunk(0, 0, start, min(n, start + second), stream))
            yield


def read_dd(path: Path) -> Iterator[None]:
    subprocess.run(["dd", f"if={path}", "of=/dev/null", "bs=4M"], check=True, stderr=subprocess.DEVNULL)
    yield


READERS: dict[str, Callable[[Path], Iterator[None]]] = {"ours": read_ours, "neo": read_neo, "dd": read_dd}


def readers_of(path: Path) -> list[str]:
    """Neo reads .pl2 by Plexon's Windows library only."""
    return ["ours", "dd"] if path.suffix == ".pl2" else list(READERS)


def speed_table(args: argparse.Namespace, folder: Path) -> pd.DataFrame:
    rows = []
    for suffix in RATE_HZ:
        path = folder / f"a{suffix}"
        make(path, args.seconds, args.channels)
        size_mb = path.stat().st_size / 1e6
        for name in readers_of(path):
            seconds_of(name, path)  # compiles and imports what the first use does
        best: dict[tuple[str, str], float] = {}
        for _ in range(args.repeats):
            for name in readers_of(path):
                for state in ("cold", "warm"):
                    if state == "cold":
                        drop_from_cache(path)
                    key = (name, state)
                    best[key] = min(best.get(key, np.inf), seconds_of(name, path))
        speeds = {f"{name}, {state}": size_mb / best[name, state] for name, state in best}
        rows.append({"file": suffix, "MB": size_mb, **speeds})
        path.unlink()
    return pd.DataFrame(rows).rename(columns=lambda c: f"{c} (MB/s)" if "," in c else c)


def seconds_of(name: str, path: Path) -> float:
    start = time.perf_counter()
    for _ in READERS[name](path):
        pass
    return time.perf_counter() - start


def drop_from_cache(path: Path) -> None:
    with path.open("rb") as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def memory_table(args: argparse.Namespace, folder: Path) -> pd.DataFrame:
    rows = []
    for suffix in RATE_HZ:
        for quarters in LENGTHS:
            path = folder / f"b{suffix}"
            make(path, max(1, quarters * args.seconds // 4), args.channels)
            row = {"file": suffix, "MB": path.stat().st_size / 1e6}
            for name in set(readers_of(path)) - {"dd"}:
                command = [sys.executable, __file__, "--one", name, str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                row[f"{name} (MB of memory)"] = float(done.stdout.split()[-1])
            rows.append(row)
            path.unlink()
    return pd.DataFrame(rows)


def peak_mb(read: Callable[[Path], Iterator[None]], path: Path) -> float:
    """Largest growth of private memory while a file is read, looked at after each second of data."""
    before, peak = rss_anon_mb(), 0.0
    for _ in read(path):
        peak = max(peak, rss_anon_mb() - before)
    return peak


def rss_anon_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1e3


if __name__ == "__main__":
    main()
