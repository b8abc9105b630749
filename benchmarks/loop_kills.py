"""Evolutions whose server and display are killed at random points, with lost, doubled and late messages.

Each must end as one that ran undisturbed: the same bytes of codes, images and log, and the same
journal. Prints a row an evolution: ``python benchmarks/loop_kills.py --evolutions 50``.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess as Process
from pathlib import Path

from evoalign.files import sha256
from evoalign.loop.client import DisplayClient, Faults, simulated_shower
from evoalign.loop.command import JOURNAL, run_evolution
from evoalign.loop.journal import read_journal
from evoalign.loop.settings import Evolve

SAME = ("images", "latents", "log.tsv")
LIMIT_S = 120.0

# Children come from a process without threads: a fork of one that has some may wait for ever for a lock.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["evoalign.loop.client", "evoalign.loop.command"])

Outcome = tuple[dict[str, str], list[dict]]  # checksums by file, records of the journal


def settings_of(folder: Path, seed: int, address: str = "") -> Evolve:
    """Return a small evolution; with an address its display is a client."""
    display = {"transport": "zeromq", "address": address} if address else {}
    threads = [{"space": "texture", "images": 4}, {"space": "object", "images": 5, "optimiser": "separable"}]
    return Evolve.model_validate(
        {
            "session": "killed",
            "subject": "Model",
            "folder": str(folder),
            "seed": seed,
            "n_blocks": 3,
            "references": 1,
            "threads": threads,
            "display": display,
            "min_free_mb": 1,
        }
    )


def outcome(folder: Path) -> Outcome:
    """Return checksums of all files that must be the same, and the journal's records."""
    files = [
        p
        for part in SAME
        for p in ([folder / part] if (folder / part).is_file() else (folder / part).iterdir())
    ]
    records = [record for record in read_journal(folder / JOURNAL) if record["kind"] != "begun"]
    return {p.name: sha256(p) for p in files}, records


def in_child(work: Callable[..., None], arguments: tuple) -> Process:
    """Run something in a process of its own, which shares no lock with this one's threads."""
    process = CONTEXT.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def end(process: Process) -> None:
    """Kill a process, as ``kill -9`` does, and wait until it is gone."""
    process.kill()
    process.join()


def serve(settings: Evolve) -> None:
    """Run the server's side."""
    run_evolution(settings)


def display(address: str, ledger: Path, seed: int, share: float, draw: int) -> None:
    """Run the display's side, with faults of the network."""
    client = DisplayClient(address, ledger, simulated_shower(seed), 0.05, Faults(share, draw))
    client.run()
    client.close()


def disturbed(folder: Path, seed: int, kills: int, share: float) -> dict[str, int]:
    """Run an evolution over ZeroMQ; kill server or display, or both, at random, and start them again."""
    rng = random.Random(seed)
    address = f"ipc://{folder}.socket"
    settings = settings_of(folder, seed, address)
    works: dict[str, Callable[[], Process]] = {
        "server": lambda: in_child(serve, (settings,)),
        "display": lambda: in_child(
            display, (address, folder.with_suffix(".ledger"), seed, share, rng.getrandbits(32))
        ),
    }
    children = {name: work() for name, work in works.items()}
    killed = dict.fromkeys(works, 0)
    stop = time.monotonic() + LIMIT_S
    next_kill = time.monotonic() + rng.uniform(0.0, 1.5)
    try:
        while children:
            for name in [name for name, child in children.items() if not child.is_alive()]:
                if code := children.pop(name).exitcode:
                    raise RuntimeError(f"{name} ended with {code}")
            if sum(killed.values()) < kills and time.monotonic() > next_kill and len(children) == 2:
                for name in rng.choice((["server"], ["display"], ["server", "display"])):
                    end(children[name])
                    children[name] = works[name]()
                    killed[name] += 1
                next_kill = time.monotonic() + rng.uniform(0.0, 1.5)
            if time.monotonic() > stop:
                raise RuntimeError(f"not finished within {LIMIT_S:g} s")
            time.sleep(0.005)
    finally:
        for child in children.values():
            end(child)
    return killed


def differences(expected: Outcome, reached: Outcome) -> list[str]:
    """Name the files whose bytes differ, and the journal's first record that does."""
    names = sorted(expected[0].keys() | reached[0].keys())
    unequal = [name for name in names if expected[0].get(name) != reached[0].get(name)]
    pairs = itertools.zip_longest(expected[1], reached[1])
    for place, (of_undisturbed, of_disturbed) in enumerate(pairs):
        if of_undisturbed != of_disturbed:
            shortened = [str(record)[:200] for record in (of_undisturbed, of_disturbed)]
            unequal.append(f"record {place}: " + " | ".join(shortened))
            break
    return unequal


def compare(folder: Path, seed: int, kills: int, share: float) -> tuple[dict[str, int], list[str], int]:
    """Return how often each side was killed, what ended unequal, and the number of presentations."""
    run_evolution(settings_of(folder / "undisturbed", seed))
    killed = disturbed(folder / "disturbed", seed, kills, share)
    expected, reached = outcome(folder / "undisturbed"), outcome(folder / "disturbed")
    n_shown = sum(record["kind"] == "shown" for record in reached[1])
    return killed, differences(expected, reached), n_shown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evolutions", type=int, default=50)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--loss", type=float, default=0.05)
    parsed = parser.parse_args()
    n_equal, totals = 0, {"server": 0, "display": 0}
    for seed in range(1, parsed.evolutions + 1):
        folder = Path(tempfile.mkdtemp(prefix="loop-"))
        try:
            killed, unequal, n_shown = compare(folder, seed, parsed.kills, parsed.loss)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        n_equal += not unequal
        totals = {name: totals[name] + killed[name] for name in totals}
        end = f"DIFFERS: {'; '.join(unequal)}" if unequal else "equal"
        print(seed, killed["server"], killed["display"], n_shown, end, sep="\t", flush=True)
    print(f"{n_equal} of {parsed.evolutions} equal; killed: {totals}")
    return 0 if n_equal == parsed.evolutions else 1


if __name__ == "__main__":
    sys.exit(main())
