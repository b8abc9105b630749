"""What the demo costs: seconds of processor by rule, from the records of finished runs side by side.

    git clone . /tmp/before && cd /tmp/before && git checkout OLD && make demo    # and the same for the new
    python benchmarks/demo.py /tmp/before /tmp/after

Each folder is a checkout in which `make demo` has run once; a rule's row says its jobs and their
processor time, children included.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from evoalign.pipeline.provenance.records import read_jobs


def cost_by_rule(checkout: Path) -> pd.DataFrame:
    """Processor seconds and number of jobs of each rule of a run: columns cpu_s and jobs."""
    jobs = read_jobs(checkout / "results")
    frame = pd.DataFrame({"rule": [job.rule for job in jobs], "cpu_s": [job.usage.cpu_s for job in jobs]})
    return frame.groupby("rule").agg(cpu_s=("cpu_s", "sum"), jobs=("cpu_s", "size"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of the checkouts named, and the ratio of the last to the first."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkouts", nargs="+", type=Path, help="folders with a finished demo")
    folders = parser.parse_args(arguments).checkouts
    costs = pd.concat({folder.name: cost_by_rule(folder) for folder in folders}, axis=1).fillna(0)
    last = folders[-1].name
    costs.loc["all"] = costs.sum()
    print(costs.sort_values((last, "cpu_s"), ascending=False).round(0).astype(int).to_string())
    totals = [costs.loc["all", (folder.name, "cpu_s")] for folder in folders]
    if len(totals) > 1:
        print(f"{last} takes {totals[-1] / totals[0]:.2f} times the processor time of {folders[0].name}")


if __name__ == "__main__":
    main()
