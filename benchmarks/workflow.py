"""How long a plain `snakemake` takes in a finished study: it plans all jobs and finds nothing to do."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/workflow"))

from many import finished_study
from running import snakemake


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, nargs="+", default=[10, 200])
    for n in parser.parse_args().sessions:
        with tempfile.TemporaryDirectory() as place:
            folder = finished_study(Path(place) / "study", n)
            began = time.perf_counter()
            done = snakemake("--cores", 1, cwd=folder)
            took = time.perf_counter() - began
        assert "Nothing to be done" in done.stdout
        print(f"| nothing to do in {n} sessions | {took:.1f} s |")


if __name__ == "__main__":
    main()
