"""Packaging with raw data embedded: MB/s, size and peak memory, next to neuroconv's on the same file.

    python benchmarks/nwb.py
    python benchmarks/nwb.py --minutes 60 --generated
    python benchmarks/nwb.py --neuroconv /path/to/venv/bin/python

A .ns6 file of `--minutes` is simulated (`--generated`: the samples are made when they are read, and no
raw file takes room on the disk), then packaged by a process of its own: ours as HDF5 and as Zarr with the
defaults of config.yaml, neuroconv as HDF5 with its own; gzip all. neuroconv is no dependency of this
project: it runs in the environment whose Python `--neuroconv` names, and is left out without one. Memory is
private memory (RssAnon), sampled ten times a second: pages of mapped files do not count, the kernel drops
them at will. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import datetime as dt
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign import tables
from evoalign.formats.blackrock.write import write_nsx
from evoalign.formats.opening import open_recording
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.nwb.settings import Nwb
from evoalign.nwb.write import write_nwb
from evoalign.recordings.stream import Stream
from evoalign.recordings.tables import CHANNELS
from evoalign.study import Config

RATE_HZ = 30_000
GAIN_UV = 0.25
START = dt.datetime(2026, 3, 2, 10, tzinfo=dt.UTC)
LIMIT_MB = 1500
NEUROCONV = """
import datetime as dt, sys
from neuroconv.datainterfaces import BlackrockRecordingInterface
interface = BlackrockRecordingInterface(file_path=sys.argv[1])
metadata = interface.get_metadata()
metadata["NWBFile"]["session_start_time"] = dt.datetime(2026, 3, 2, 10, tzinfo=dt.timezone.utc)
interface.run_conversion(nwbfile_path=sys.argv[2], metadata=metadata, overwrite=True)
"""


def main() -> None:
    args = arguments()
    if args.one:
        settings = Nwb(raw="embed", compression=args.compression)
        write_nwb(args.one[1], session(args, args.one[0]), Config(device="cpu", nwb=settings), *args.threads)
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        raw = Path(folder) / "session.ns6"
        if not args.generated:
            write_nsx(raw, noise(args), channel_ids=list(range(1, args.channels + 1)), gain_uv=GAIN_UV)
        raw_mb = args.minutes * 60 * RATE_HZ * args.channels * 2 / 1e6
        own = ["--minutes", str(args.minutes), "--channels", str(args.channels)]
        own += ["--compression", args.compression]
        own += ["--generated"] * args.generated
        rows = []
        for backend, threads in product(args.backends, args.threads):
            one = Path(folder) / f"ours{Nwb(backend=backend).suffix}"
            command = [sys.executable, __file__, *own, "--threads", str(threads)]
            command += ["--one", str(raw), str(one)]
            rows.append(measure(f"ours, {backend}, threads: {threads}", command, one, raw_mb))
            remove(one)
        if args.neuroconv and not args.generated:
            other = Path(folder) / "neuroconv.nwb"
            command = [args.neuroconv, "-c", NEUROCONV, str(raw), str(other)]
            rows.append(measure("neuroconv", command, other, raw_mb))
        else:
            print("neuroconv is left out: name its environment by --neuroconv, without --generated\n")
        print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".1f"))
    if any(float(row["peak memory (MB)"]) > LIMIT_MB for row in rows if row["by"] != "neuroconv"):
        sys.exit(f"packaging took more than {LIMIT_MB} MB of memory")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--channels", type=int, default=96)
    parser.add_argument("--compression", choices=("gzip", "none"), default="gzip", help="of ours")
    backends = ("hdf5", "zarr")
    parser.add_argument("--backends", nargs="+", choices=backends, default=backends, help="of ours")
    parser.add_argument(
        "--threads", nargs="+", type=int, default=[1, 2], help="of ours; Zarr is written with one"
    )
    parser.add_argument("--generated", action="store_true", help="no raw file: samples are made when read")
    parser.add_argument("--neuroconv", help="Python of an environment that has neuroconv")
    parser.add_argument("--folder", type=Path, help="where to put the files: the disk to measure")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def noise(args: argparse.Namespace) -> list[NDArray[np.int16]]:
    """One second of noise (SD 50 counts), once for each second of the recording."""
    second = np.random.default_rng(0).normal(0, 50, (RATE_HZ, args.channels)).astype(np.int16)
    return [second] * int(args.minutes * 60)


def session(args: argparse.Namespace, raw: str) -> SessionContents:
    """Contents of the recording: its stream and electrodes."""
    stream = generated(args) if args.generated else open_recording([raw]).streams["broadband"]
    nan = float("nan")
    rows = [
        (c, f"chan{c}", "neural", "broadband", RATE_HZ, GAIN_UV, "array", "A", "V4", nan, nan)
        for c in range(1, args.channels + 1)
    ]
    channels = tables.conform(pd.DataFrame(rows, columns=CHANNELS.names), CHANNELS)
    facts = SessionMetadata("session", "simulated", recorder="blackrock")
    return SessionContents(facts, START, channels=channels, streams={"broadband": stream})


def generated(args: argparse.Namespace) -> Stream:
    second = noise(args)[0]

    def read(_: int, start: int, stop: int, columns: object) -> NDArray[np.int16]:
        return second[np.arange(start, stop) % RATE_HZ][:, np.asarray(columns)]

    n = args.channels
    parts = ((0.0, int(args.minutes * 60) * RATE_HZ),)
    ids = tuple(range(1, n + 1))
    return Stream("broadband", RATE_HZ, ids, np.full(n, GAIN_UV), np.zeros(n), parts, read)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def measure(name: str, command: list[str], made: Path, raw_mb: float) -> dict[str, str | float]:
    """Run a process to its end: seconds, size of what it made, and its peak of private memory."""
    start, peak = time.perf_counter(), 0.0
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stderr=errors, stdout=subprocess.DEVNULL) as process,
    ):
        while process.poll() is None:
            peak = max(peak, rss_anon_mb(process.pid))
            time.sleep(0.1)
        seconds = time.perf_counter() - start
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{name} failed: {errors.read().decode()[-2000:]}")
    return {
        "by": name,
        "raw (MB)": raw_mb,
        "file (MB)": size(made) / 1e6,
        "seconds": seconds,
        "MB/s": raw_mb / seconds,
        "peak memory (MB)": peak,
    }


def rss_anon_mb(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:  # it has just ended
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith("RssAnon")]
    return int(lines[0].split()[1]) / 1e3 if lines else 0.0


if __name__ == "__main__":
    main()
