"""How long a block of the closed loop takes beside the display and the neuron.

Two threads of 40 images of the procedural spaces, and a recorder of 128 channels that answers at
once: what is timed is proposing, rendering, encoding and writing, handing over, scoring, learning,
with every step on the disk. Beside it a block of `evolve()`, which has neither files nor a journal
and whose subject is the model ventral stream: of this build and, with ``--before COMMIT``, of an
earlier one (``c378396~1`` is the last before the loop). Then the time from a block's last spike, when the
recorder has it, to the next block's first image on the disk, over many blocks; and blocks of
DeePSim and BigGAN with random weights of a sixteenth of the channels.

``python benchmarks/loop_speed.py --blocks 1000`` prints wall and processor time (all threads) in ms.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from evoalign.evolution.choice import OPTIMISERS, Start
from evoalign.evolution.loop import EvolutionThread, ShownImage, propose_images
from evoalign.loop import command, study_files
from evoalign.loop.interfaces import Presentation, Recorded, Round, ToShow
from evoalign.loop.journal import Journal
from evoalign.loop.live import LiveEvolution
from evoalign.loop.monitor import STEPS, Monitor
from evoalign.loop.scoring import Scorer
from evoalign.loop.settings import Evolve
from evoalign.loop.simulated import AFTER_S, SimulatedDisplay, words_of
from evoalign.recordings.recording import spike_table
from evoalign.spaces.biggan import BigganSpace
from evoalign.spaces.biggan_layout import Architecture, biggan_shapes
from evoalign.spaces.biggan_network import BigganNetwork
from evoalign.spaces.deepsim import DeepsimNetwork, DeepsimSpace
from evoalign.spaces.interface import Space
from evoalign.study import Config

ROOT = Path(__file__).resolve().parents[1]
IMAGES = 40
CHANNELS, RATE_HZ = 128, 60.0
Times = list[tuple[float, float]]


class PoissonRecorder:
    """Answers at once: Poisson spikes of all channels, whatever is shown; notes when it did."""

    def __init__(self) -> None:
        self.asked: Times = []
        self.answered: Times = []

    def go_on(self, recorded: Recorded) -> None:
        """Nothing to take up."""

    def close(self) -> None:
        """Nothing to give back."""

    def take(self, request: Round, presentations: Sequence[Presentation]) -> Recorded:
        """Return words and spikes of a round."""
        self.asked.append(now())
        of_round = presentations[request.first :]
        first_s, last_s = of_round[0].onset_s - 0.5, of_round[-1].onset_s + AFTER_S
        rng = np.random.default_rng([1, request.block, request.round])
        n = rng.poisson(CHANNELS * RATE_HZ * (last_s - first_s))
        times = np.sort(rng.uniform(first_s, last_s, n))
        spikes = spike_table(rng.integers(1, CHANNELS + 1, n), np.ones(n, np.int64), times)
        recorded = Recorded(words_of(of_round, np.asarray), spikes)
        self.answered.append(now())
        return recorded

    def finish(self, folder: Path, recorded: Recorded) -> tuple[str, ...]:
        """Return no file."""
        del folder, recorded
        return ()


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def settings_of(folder: Path, n_blocks: int) -> Evolve:
    threads = [{"space": name, "images": IMAGES} for name in ("texture", "object")]
    return Evolve.model_validate(
        {"session": "speed", "subject": "M", "folder": str(folder), "n_blocks": n_blocks, "min_free_mb": 1}
        | {"threads": threads, "preferred": "6a", "references": 0, "max_rounds": 1}
    )


def run_loop(n_blocks: int) -> tuple[dict[str, np.ndarray], PoissonRecorder, Times]:
    """Latencies of the steps, s, the recorder, and when each block's first image was written."""
    written: Times = []
    write_image = study_files.write_image

    def noted(folder: Path, image: ShownImage) -> ToShow:
        result = write_image(folder, image)
        if image.thread == 0 and image.latent_row == 0:
            written.append(now())
        return result

    study_files.write_image = noted
    with tempfile.TemporaryDirectory() as name:
        settings, study = settings_of(Path(name), n_blocks), Config()
        threads, references = command.start(settings, study)
        monitor, recorder = Monitor("speed", n_blocks), PoissonRecorder()
        scorer = Scorer(study.events, study.responses, study.analysis, 6, 1)
        with Journal(Path(name) / command.JOURNAL) as journal:
            LiveEvolution(
                settings, threads, references, SimulatedDisplay(1), recorder, scorer, journal, monitor
            ).run()
    study_files.write_image = write_image
    return {step: np.array(monitor.latencies_s[step]) for step in STEPS}, recorder, written


def time_evolve(before: str, n_threads: int) -> dict[str, np.ndarray]:
    """Wall and processor time of a block of `evolve()`, s: of this build, and of an earlier commit.

    The builds take turns, each in a process of its own; of each the shortest turn counts.
    """
    turns: dict[str, list[list[float]]] = {"this build": []}
    with tempfile.TemporaryDirectory() as name:
        trees = {"this build": ROOT}
        if before:
            trees[before] = Path(name) / "before"
            turns[before] = []
            add = ["worktree", "add", "--quiet", "--detach", str(trees[before]), before]
            subprocess.run(["git", "-C", ROOT, *add], check=True)
        try:
            for build in 3 * list(trees):
                turns[build].append(_in_own_process(trees[build], n_threads))
        finally:
            if before:
                remove = ["worktree", "remove", "--force", str(trees[before])]
                subprocess.run(["git", "-C", ROOT, *remove], check=True)
    return {build: np.min(seconds, axis=0) for build, seconds in turns.items()}


def _in_own_process(tree: Path, n_threads: int) -> list[float]:
    environment = os.environ | {"PYTHONPATH": str(tree / "workflow"), "OMP_NUM_THREADS": str(n_threads)}
    command = [sys.executable, str(ROOT / "benchmarks/loop_evolve.py"), "5", str(n_threads)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return list(json.loads(ran.stdout.splitlines()[-1]))


def time_generators(n_blocks: int) -> dict[str, float]:
    """A proposed, rendered and encoded block of narrow DeePSim and BigGAN, s."""
    generator = torch.Generator().manual_seed(0)
    narrow = Architecture(channel_width=8)
    weights = {
        key: torch.rand(shape, generator=generator) + 0.1 for key, shape in biggan_shapes(narrow).items()
    }
    biggan = BigganSpace(BigganNetwork(weights, narrow, 0.7))
    with tempfile.TemporaryDirectory() as name:
        return {
            space.name: _time_space(space, n_images, n_blocks, Path(name))
            for space, n_images in ((DeepsimSpace(DeepsimNetwork(16)), 40), (biggan, 28))
        }


def _time_space(space: Space, n_images: int, n_blocks: int, folder: Path) -> float:
    founders = space.sample_initial(n_images, torch.Generator().manual_seed(0)).double().numpy()
    search = OPTIMISERS["separable"](Start(founders, space.initial_sigma, 0))
    thread = EvolutionThread(0, space, search)
    seconds = []
    for block in range(1, n_blocks + 2):
        begin = time.perf_counter()
        codes = search.ask()
        for image in propose_images(thread, codes, block, 0):
            study_files.write_image(folder, dataclasses.replace(image, name=f"{space.name}{image.name}"))
        search.tell(codes, codes[:, 0])
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=1000)
    parser.add_argument("--generators", action="store_true", help="DeePSim and BigGAN as well")
    parser.add_argument(
        "--before", default="", help="commit of an earlier build, whose evolve() is timed too"
    )
    parser.add_argument("--threads", type=int, default=2)
    parsed = parser.parse_args()
    torch.set_num_threads(parsed.threads)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    steps, recorder, written = run_loop(parsed.blocks)
    timed = {name: values for name, values in steps.items() if name != "record"}
    blocks = np.sum(list(timed.values()), axis=0)
    for name, values in (timed | {"block": blocks}).items():
        median, p99 = np.percentile(1000 * values, [50, 99])
        print(f"{name:10s} median {median:7.1f}  p99 {p99:7.1f} ms")
    of_blocks = np.array(recorder.asked)[1:] - np.array(recorder.answered)[:-1]  # but for the recorder
    for build, beside in time_evolve(parsed.before, parsed.threads).items():
        for name, ours, seconds in zip(
            ("wall", "processor"), np.median(of_blocks, axis=0), beside, strict=True
        ):
            print(
                f"block, {name}: {1000 * ours:.1f} ms; of evolve() of {build} {1000 * seconds:.1f} ms;"
                f" ratio {ours / seconds:.2f}"
            )
    gaps = 1000 * (np.array(written[1:]) - np.array(recorder.answered[: len(written) - 1]))
    for name, values in zip(("wall", "processor"), gaps.T, strict=True):
        median, p99 = np.percentile(values, [50, 99])
        print(
            f"last spike to next image, {name}: median {median:.1f}  p99 {p99:.1f} ms, {len(values)} blocks"
        )
    if parsed.generators:
        for name, seconds in time_generators(3).items():
            print(f"{name}, a sixteenth of the channels: {1000 * seconds:.0f} ms a block")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
