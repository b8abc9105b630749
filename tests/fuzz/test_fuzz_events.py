"""Mutated logs end in a table or in an InputError: no crash, hang, or memory beyond 1 GB."""

import os
import resource
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from evoalign.errors import InputError
from evoalign.events.latent_codes import read_codes, write_codes
from evoalign.events.log import read_log
from evoalign.events.settings import Events
from evoalign.formats.monkeylogic.behavior import read_behavior
from evoalign.formats.monkeylogic.write import behavior_tree, write_behavior, write_bhv2
from evoalign.simulate.rig import simulate_rig
from evoalign.simulate.rig_faults import NO_FAULTS

pytestmark = pytest.mark.fuzz

CASES = int(os.environ.get("EVOALIGN_FUZZ_CASES", "20000"))
SLOWEST_S = 10.0  # of computing
SLOWEST_CHILD_S = 60.0  # a child that reads .h5 is ended after 15 s of computing
EXTREMES = [0, 1, 2, 7, 255, 2**16, 2**31 - 1, 2**31, 2**32, 2**40, 2**61, 2**63 - 1, 2**63, 2**64 - 1]


@contextmanager
def memory_limit(n_bytes: int = 2**30):
    """Let the process grow by no more than `n_bytes`: beyond, MemoryError fails the test."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def mutate(seed: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(seed)
    for _ in range(rng.integers(1, 4)):
        kind = rng.integers(0, 6)
        at = int(rng.integers(0, max(len(data), 1)))
        if kind == 0 and data:
            data[at] = int(rng.integers(0, 256))
        elif kind == 1:
            value = EXTREMES[rng.integers(len(EXTREMES))] + int(rng.integers(-1, 2))
            data[at : at + 8] = (value % 2**64).to_bytes(8, "little")
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            del data[at : at + int(rng.integers(1, 40))]
        elif kind == 4:
            other = int(rng.integers(0, max(len(data), 1)))
            data[at:at] = data[other : other + int(rng.integers(1, 80))]
        else:
            data[at : at + 4] = rng.bytes(4)
    return bytes(data)


def overwrite(path: Path, data: bytes) -> None:
    """Write without opening the file for truncation, which is slow on some file systems."""
    path.touch()
    with path.open("r+b") as stream:
        stream.write(data)
        stream.truncate()


def survive(seeds: list[bytes], path: Path, n: int, read, slowest_s: float = SLOWEST_S) -> int:
    """Read `n` mutants of files; return how many were still good."""
    rng = np.random.default_rng(0)
    good = 0
    for seed in seeds:  # whole files are read, and what is compiled at first use is compiled
        overwrite(path, seed)
        read(path)
    with memory_limit():
        for case in range(n):
            overwrite(path, mutate(seeds[case % len(seeds)], rng))
            start = time.process_time()
            try:
                read(path)
                good += 1
            except InputError as error:
                assert error.what, case
            assert time.process_time() - start < slowest_s, case
    return good


@pytest.fixture(scope="module")
def tree():
    return behavior_tree(simulate_rig(0, n_presentations=4, images_per_trial=2, faults=NO_FAULTS).log)


def read_events(path: Path) -> None:
    read_log(path, Events(), ("texture", "object"))


def test_fuzz_bhv2(tree, tmp_path):
    seeds = []
    for indexed in (True, False):
        write_bhv2(tmp_path / "seed.bhv2", tree, indexed=indexed)
        seeds.append((tmp_path / "seed.bhv2").read_bytes())
    good = survive(seeds, tmp_path / "a.bhv2", CASES, read_events)
    # Neither blind to damage nor refusing everything.
    assert 0.01 * CASES < good < 0.9 * CASES


def test_fuzz_mat(tree, tmp_path):
    write_behavior(tmp_path / "seed.mat", tree)
    good = survive([(tmp_path / "seed.mat").read_bytes()], tmp_path / "a.mat", CASES // 4, read_behavior)
    assert 0.01 * CASES / 4 < good < 0.9 * CASES / 4


def test_fuzz_h5(tree, tmp_path):
    write_behavior(tmp_path / "seed.h5", tree)
    n = CASES // 400  # each starts a process
    seeds = [(tmp_path / "seed.h5").read_bytes()]
    good = survive(seeds, tmp_path / "a.h5", n, read_behavior, SLOWEST_CHILD_S)
    assert good < n


def test_fuzz_tsv(tmp_path):
    log = simulate_rig(0, n_presentations=12).log
    log.to_csv(tmp_path / "seed.tsv", sep="\t", index=False)
    good = survive([(tmp_path / "seed.tsv").read_bytes()], tmp_path / "a.tsv", CASES // 8, read_events)
    assert good < 0.9 * CASES // 8


def test_fuzz_codes(tmp_path):
    folder = tmp_path / "latents"
    names = [f"block001_thread000_gen_gen000_{i:06d}" for i in range(4)]
    path = write_codes(folder, 1, 0, np.random.default_rng(0).normal(size=(4, 8)), names)
    survive([path.read_bytes()], path, CASES // 20, lambda _: read_codes(folder))
