"""`evoalign inspect` and `check` on damaged files: one message each, never a traceback."""

import random
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from evoalign.cli import main
from evoalign.formats.pl2.write import write_pl2
from evoalign.formats.plx.write import write_plx

sys.path.append(str(Path(__file__).parent))
from rig_files import schedule, write_log, write_rig

REAL = Path(__file__).parents[4] / "shared/data"
REAL_FILES = sorted(
    path.relative_to(REAL) for path in REAL.rglob("*") if path.suffix.lower() in
    (".nev", ".ns2", ".plx", ".pl2", ".bhv2", ".cmp", ".ccf", ".smr", ".nex", ".rec")
)  # fmt: skip
FILES = ("day1.nev", "day1.ns6", "day1.tsv", "map.tsv", "a.plx", "a.pl2")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    write_rig(folder / "day1", schedule())
    write_log(folder / "day1.tsv", schedule())
    noise = np.random.default_rng(0).integers(-99, 99, (40_000, 2)).astype(np.int16)
    write_plx(folder / "a.plx", [noise], names=["WB01", "WB02"])
    write_pl2(folder / "a.pl2", [noise], names=["WB01", "WB02"])
    (folder / "map.tsv").write_text("channel\tarray\tconnector\tarea\tx_um\ty_um\n1\tA\t\tV1\t\t\n")
    return folder


def cut(content, rng):
    return content[: len(content) - 1 - rng.randrange(1, 4) * 2]


def emptied(content, rng):
    return b""


def with_another_header(content, rng):
    return bytes(rng.randrange(128, 256) for _ in range(64)) + content[64:]


def doubled(content, rng):
    return content + content[: len(content) // 3]


def flipped(content, rng):
    damaged = bytearray(content)
    for _ in range(20):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


SURE = (emptied, with_another_header)  # of these every reader can tell


def told(capsys, command, path):
    """Status of a command, and how many failures it told."""
    status = main([command, str(path)])
    output = capsys.readouterr()
    return status, output.err.count("InputError") + output.out.count("  FAIL")


@pytest.mark.parametrize("command", ["inspect", "check"])
@pytest.mark.parametrize("damage", [cut, emptied, with_another_header, doubled, flipped])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_one_message(whole, tmp_path, capsys, name, damage, command):
    path = tmp_path / name
    path.write_bytes(damage((whole / name).read_bytes(), random.Random(f"{name} {damage.__name__}")))
    status, n_messages = told(capsys, command, path)
    assert status == n_messages <= 1
    if damage in SURE:
        assert status == 1


@pytest.mark.skipif(not REAL_FILES, reason="no real recordings beside the checkout")
@pytest.mark.parametrize("damage", [None, cut, flipped])
@pytest.mark.parametrize("name", REAL_FILES, ids=str)
def test_a_real_file_is_read_or_is_one_message(tmp_path, capsys, name, damage):
    path = tmp_path / name.name
    shutil.copy(REAL / name, path)
    path.chmod(0o600)
    if damage:
        path.write_bytes(damage(path.read_bytes(), random.Random(str(name))))
    for command in ("inspect", "check"):
        status, n_messages = told(capsys, command, path)
        assert status == n_messages <= 1
        if damage is None:
            assert status == (path.suffix == ".ccf")  # by itself it holds no recording
