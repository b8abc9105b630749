"""How long `evoalign inspect` takes, by the size of the file: it must not grow with it.

    python benchmarks/inspecting.py
    python benchmarks/inspecting.py --gb 0.1 10 --folder /data/scratch

A recording of up to 0.3 GB with words and online spikes is written; from there up to the size asked
for, the file is a hole (a sparse file: it takes no room on the disk, and reads as zeros).
Each command is a process of its own, started `--repeats` times; the median counts.
Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from evoalign.formats.blackrock import layout
from evoalign.formats.blackrock.write import write_nev, write_nsx
from evoalign.formats.plx.write import write_plx

N_CHANNELS = 64
WRITTEN = 300_000_000  # bytes at most, of which the rest is a hole: more than `inspect` looks at
PACKET = 104  # bytes of a packet of a .nev


def main() -> None:
    args = arguments()
    rows = []
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for gigabytes in args.gb:
            for name, files in made(Path(folder), int(gigabytes * 1e9)).items():
                wall_s, cpu_s = timed(files, args.repeats)
                size = sum(file.stat().st_size for file in files)
                rows.append({"file": name, "GB": size / 1e9, "seconds": wall_s, "of processor": cpu_s})
                for file in files:
                    file.unlink()
    print(pd.DataFrame(rows).sort_values(["file", "GB"]).to_markdown(index=False, floatfmt=".2f"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--gb", type=float, nargs="+", default=[0.1, 1, 10], help="sizes of the files")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to put them: the disk to measure")
    return parser.parse_args()


def made(folder: Path, size: int) -> dict[str, list[Path]]:
    """Write a recording of each kind, of about `size` bytes."""
    second = np.random.default_rng(0).normal(0, 50, (40_000, N_CHANNELS)).astype(np.int16)
    written = min(size, WRITTEN)
    seconds = max(2, written // second.nbytes)
    channels = list(range(1, N_CHANNELS + 1))
    nsx, nev, plexon = folder / "a.ns6", folder / "b.nev", folder / "c.plx"
    write_nsx(nsx, [second[:30_000]] * 2, channel_ids=channels)
    grow_block(nsx, size)
    n_packets = written // PACKET
    write_nev(
        nev, channels=channels, spikes=spikes(n_packets, n_packets / 2000), words=words(n_packets / 2000)
    )
    os.truncate(nev, nev.stat().st_size + max(0, size - written) // PACKET * PACKET)
    write_plx(
        plexon, [second] * seconds, names=[f"WB{c:03d}" for c in channels], spike_channels=channels,
        spikes=spikes(100 * seconds, seconds), words=words(seconds).assign(source="strobed"),
    )  # fmt: skip
    os.truncate(plexon, max(size, plexon.stat().st_size) if size > WRITTEN else plexon.stat().st_size)
    return {"Blackrock .ns6": [nsx], "Blackrock .nev": [nev], "Plexon .plx": [plexon]}


def spikes(n: int, seconds: float) -> pd.DataFrame:
    """Return `n` online spikes of all channels in turn, evenly spread."""
    return pd.DataFrame({
        "channel": np.arange(n) % N_CHANNELS + 1, "unit": 1,
        "time_s": np.linspace(0, seconds, n, endpoint=False),
    })  # fmt: skip


def words(seconds: float) -> pd.DataFrame:
    """Return a word of image onset every 200 ms."""
    return pd.DataFrame({"time_s": np.arange(0.1, seconds, 0.2), "word": 101, "source": "digital"})


def grow_block(path: Path, size: int) -> None:
    """Lengthen an NSx file of one block to about `size` bytes, with a hole."""
    start = layout.NSX_BASIC.itemsize + N_CHANNELS * layout.NSX_EXTENDED.itemsize
    head = layout.nsx_block(False)
    samples = (size - start - head.itemsize) // (2 * N_CHANNELS)
    block = np.fromfile(path, head, count=1, offset=start)
    block["number_of_data_points"] = samples
    with path.open("r+b") as stream:
        stream.seek(start)
        stream.write(block.tobytes())
        stream.truncate(start + head.itemsize + samples * 2 * N_CHANNELS)


def timed(files: list[Path], repeats: int) -> tuple[float, float]:
    """Return the median seconds, and seconds of processor, that the command takes."""
    command = [sys.executable, "-m", "evoalign.cli", "inspect", *map(str, files)]
    walls, cpus = [], []
    for _ in range(repeats):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(time.perf_counter() - began)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(walls), statistics.median(cpus)


if __name__ == "__main__":
    main()
