"""Ground truth of several generators, for sorters: what holds on one need not hold on another.

    python benchmarks/sorting_kinds.py                       # our sorter on every kind, three seeds each
    python benchmarks/sorting_kinds.py --kinds generator --seeds 0 1 --sorters electrode chain tridesclous2
    python benchmarks/sorting_kinds.py --real recording.nev --sorters electrode chain wave_clus ceiling

Every kind is a recording of electrodes that do not share cells, and its true spikes: of whole generators
(`sorting_generators`), drawn by us spike by spike (`sorting_drawn`), with the shapes of real spikes
(`sorting_real`, which needs a Utah array's .nev). What is tried on them is in `sorting_entries`. Kinds whose
source is not there are left out, and named. --out keeps the rows; one that is there already is not run again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pandas as pd

import sorting_drawn as drawn
from sorting import judge, processor_s
from sorting_drawn import NoSource, Sources, Truth
from sorting_entries import find, why_missing
from sorting_generators import faint_generator, generator, hum, loud_generator, loud_mearec, mearec, ours
from sorting_real import real, real_variable

WARM_UP_S = 5.0  # sorted first, so that nothing is compiled within the time
MAIN_KINDS = (ours, generator, loud_generator, mearec, loud_mearec, drawn.classical, real, real_variable)
SMALL_KINDS = (faint_generator, drawn.utah, drawn.variable)
STRESS_KINDS = (
    hum, drawn.inverted, drawn.bursting, drawn.rare, drawn.six, drawn.drift, drawn.rate_20, drawn.rate_40,
    drawn.coarse, drawn.fine,
)  # fmt: skip
KINDS: dict[str, Callable[[int, Sources], Truth]] = {
    kind.__name__: kind for kinds in (MAIN_KINDS, SMALL_KINDS, STRESS_KINDS) for kind in kinds
}


def main() -> None:
    args = arguments()
    rows: list[dict] = pd.read_csv(args.out).to_dict("records") if args.out and args.out.exists() else []
    done = {(row["kind"], row["seed"], row["sorter"]) for row in rows}
    entries, warm = [entry for entry in args.sorters if not _left_out(entry)], set[str]()
    for seed, kind in product(args.seeds, args.kinds):
        left = [entry for entry in entries if (kind, seed, entry) not in done]
        truth = truth_of(kind, seed, Sources(args.folder, args.real)) if left else None
        if truth is None:
            continue
        for entry in left:
            if entry not in warm:
                run_one(entry, _beginning(truth), args.jobs)
                warm.add(entry)
            rows.append({"kind": kind, "seed": seed, "sorter": entry, **run_one(entry, truth, args.jobs)})
            print(*rows[-1].values(), flush=True)
            if args.out:
                pd.DataFrame(rows).to_csv(args.out, index=False)
    if rows:
        print("\n" + table(pd.DataFrame(rows)).to_markdown(index=False))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--sorters", nargs="+", default=["electrode"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/data"))
    parser.add_argument("--real", type=Path, help="a .nev file of a Utah array, or a folder of such")
    parser.add_argument("--out", type=Path, help=".csv of the rows")
    return parser.parse_args()


def _left_out(entry: str) -> bool:
    why = why_missing(entry)
    if why:
        print(f"{entry} is left out: {why}", flush=True)
    return bool(why)


def truth_of(kind: str, seed: int, sources: Sources) -> Truth | None:
    """Make a kind's recording and its true spikes; None, and a line why, where its source is missing."""
    try:
        return KINDS[kind](seed, sources)
    except NoSource as missing:
        print(f"{kind} is left out: {missing}", flush=True)
        return None


def run_one(sorter: str, truth: Truth, jobs: int) -> dict[str, float]:
    """Run an entry: how well it does, and its processor time."""
    start = processor_s()
    found = find(sorter, *truth, jobs)
    cpu_s = processor_s() - start
    return {**judge(truth[1], found), "cpu_s": round(cpu_s, 1)}


def _beginning(truth: Truth) -> Truth:
    n = round(WARM_UP_S * truth[0].get_sampling_frequency())
    return truth[0].frame_slice(0, n), truth[1].frame_slice(0, n)


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds and, in brackets, the lowest and highest; units found and false ones of all seeds."""
    cells = []
    for (kind, sorter), of in rows.groupby(["kind", "sorter"], sort=False):
        low, high = of["accuracy"].min(), of["accuracy"].max()
        cells.append(
            {
                "kind": kind,
                "entry": sorter,
                "seeds": len(of),
                "accuracy": f"{of['accuracy'].mean():.3f} ({low:.3f} to {high:.3f})",
                "found": f"{of['found'].sum():.0f} of {of['units'].sum():.0f}",
                "false units a 64": round(64 * of["false_units"].sum() / of["units"].sum(), 1),
                "CPU s": round(of["cpu_s"].mean(), 1),
            }
        )
    return pd.DataFrame(cells)


if __name__ == "__main__":
    main()
