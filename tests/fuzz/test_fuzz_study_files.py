"""What a person writes or a tool leaves, in hundreds of wrong forms: read rightly, or one message and a hint.

Of some forms the verdict is known (a misspelt key must be refused, an empty line must change nothing);
of the others only that they end in a reading or in an InputError.
"""

import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from evoalign.errors import InputError
from evoalign.events.latent_codes import read_codes, write_codes
from evoalign.events.log import read_log
from evoalign.events.settings import Events
from evoalign.nwb.images import ImageFolder
from evoalign.nwb.latent_tables import read_latent_table
from evoalign.nwb.read import read_nwb
from evoalign.recordings.array_map import read_array_map
from evoalign.sheet import load_sessions
from evoalign.simulate.rig import simulate_rig
from evoalign.simulate.rig_faults import NO_FAULTS
from evoalign.sorting.curation_files import read_groups
from evoalign.study import load_config
from evoalign.study_checks import check_consistency, check_yaml

pytestmark = pytest.mark.fuzz

# Of each door; `make fuzz` tries 110, a thousand in all.
CASES = 110 if int(os.environ.get("EVOALIGN_FUZZ_CASES", "20000")) > 100_000 else 12
ROOT = Path(__file__).parents[2]
SAME, REFUSED, EITHER = "same", "refused", "either"


@dataclass
class Door:
    """A file that enters: how a right one is written and read, and known wrong forms of its text."""

    write: object
    read: object
    known: dict = field(default_factory=dict)


def read_config(path):
    check_yaml(path)
    config = load_config(path)
    check_consistency(config, str(path))
    return config.model_dump_json()


def write_config(folder):
    return Path(shutil.copy(ROOT / "config/config.yaml", folder / "config.yaml"))


def write_sheet(folder):
    path = folder / "sessions.tsv"
    path.write_text(
        "session\tsubject\tdate\traw\tlog\tpreferred\tspaces\n"
        "day1\tAda\t2024-05-06\ta.nev;a.ns6\ta.bhv2\t12a\tfc6;BigGAN\n"
        "day2\tEve\t\tb.plx\tb.h5\t7\tfc6;BigGAN\n"
        "day3\tEve\t20240508\tc.pl2\t\t\t\n"
    )
    return path


def write_log(folder):
    path = folder / "log.tsv"
    log = simulate_rig(3, n_presentations=60, faults=NO_FAULTS).log
    log.drop(columns=["reason"], errors="ignore").to_csv(path, sep="\t", index=False)
    return path


def write_map(folder):
    path = folder / "map.tsv"
    rows = [f"{k}\tV4-array\tA\tV4\t{400 * (k % 4)}\t{400 * (k // 4)}" for k in range(1, 13)]
    path.write_text("channel\tarray\tconnector\tarea\tx_um\ty_um\n" + "\n".join(rows) + "\n")
    return path


def write_latents(folder):
    rng = np.random.default_rng(0)
    for block in (1, 2):
        names = [f"block{block:03d}_thread000_gen_gen{block - 1:03d}_{k:06d}" for k in range(4)]
        write_codes(folder / "latents", block, 0, rng.standard_normal((4, 6)), names)
    return folder / "latents/block001_thread000_code.mat"


def write_table(folder):
    path = folder / "features.csv"
    path.write_text("image,a,b\n" + "".join(f"im{k},{k}.5,{-k}\n" for k in range(8)))
    return path


def write_image(folder):
    (folder / "images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "images/face.png")
    return folder / "images/face.png"


UNITS = np.repeat([0, 1, 2], 40)


def write_curation(folder):
    path = folder / "curation.json"
    content = {
        "format_version": "2", "unit_ids": [0, 1, 2],
        "label_definitions": {"quality": {"label_options": ["good", "noise"], "exclusive": True}},
        "manual_labels": [{"unit_id": 1, "labels": {"quality": ["good"]}}], "removed": [2], "merges": [],
    }  # fmt: skip
    path.write_text(json.dumps(content, indent=1))
    return path


def read_curation(path):
    groups = read_groups(path, UNITS)
    return groups.group.tolist(), groups.labels


def frame_text(frame):
    return frame.to_csv(index=False)


def line(number, edit):
    """A form of a text in which one line is another."""

    def form(text):
        lines = text.split("\n")
        lines[number] = edit(lines[number])
        return "\n".join(lines)

    return form


TABLE = {
    "an empty line": (SAME, lambda t: t.replace("\n", "\n\n", 1)),
    "a comment": (SAME, lambda t: t + "# a note\n"),
    "empty cells behind": (SAME, lambda t: t.replace("\n", "\t\t\n")),
    "line ends of Windows": (SAME, lambda t: t.replace("\n", "\r\n")),
    "a mark of UTF-8": (SAME, lambda t: "\ufeff" + t),
    "a column twice": (REFUSED, line(0, lambda c: c + "\t" + c.split("\t")[0])),
    "a misspelt column": (REFUSED, line(0, lambda c: c[:2] + c[3:])),
    "a cell too many": (REFUSED, line(1, lambda c: c + "\tmore")),
    "semicolons for tabs": (REFUSED, lambda t: t.replace("\t", ";")),
    "nothing": (REFUSED, lambda t: ""),
    "a header alone": (REFUSED, lambda t: t.split("\n")[0] + "\n"),
    "a NUL": (REFUSED, lambda t: t.replace("\n", "\0\n", 2)),
}
DOORS = {
    "config": Door(write_config, read_config, {
        "a misspelt key": (REFUSED, lambda t: t.replace("\nseed:", "\nsede:")),
        "a misspelt section": (REFUSED, lambda t: t.replace("\nsorting:", "\nsortign:")),
        "a key twice": (REFUSED, lambda t: t + "\nseed: 3\n"),
        "a section twice": (REFUSED, lambda t: t + "\nsorting: {}\n"),
        "a tab": (REFUSED, lambda t: t.replace("\n  ", "\n\t", 1)),
        "a word for a number": (REFUSED, lambda t: t.replace("seed: 0", "seed: zero")),
        "a sexagesimal": (REFUSED, lambda t: t.replace("seed: 0", "seed: 1:30")),
        "an octal": (REFUSED, lambda t: t.replace("seed: 0", "seed: 020")),
        "a list for a section": (REFUSED, lambda t: t + "\ntuning: [1, 2]\n"),
        "no mapping": (REFUSED, lambda t: "- a\n- b\n"),
        "a comment more": (SAME, lambda t: "# mine\n" + t),
        "a key less": (SAME, lambda t: t.replace("seed: 0", "# seed: 0")),
    }),
    "sheet": Door(write_sheet, lambda p: [r.model_dump_json() for r in load_sessions(p)], TABLE | {
        "a session twice": (REFUSED, lambda t: t.replace("day2", "day1")),
        "a raw file twice": (REFUSED, lambda t: t.replace("b.plx", "a.nev")),
        "a blank in a name": (REFUSED, lambda t: t.replace("day2", "day 2")),
        "a day that is none": (REFUSED, lambda t: t.replace("2024-05-06", "2024-13-06")),
        "a day of a spreadsheet": (REFUSED, lambda t: t.replace("2024-05-06", "45418")),
        "a unit that is none": (REFUSED, lambda t: t.replace("12a", "a12")),
        "no animal": (REFUSED, lambda t: t.replace("\tAda\t", "\t\t")),
    }),
    "log": Door(write_log, lambda p: frame_text(read_log(p, Events())), TABLE | {
        "a word for a time": (REFUSED, line(3, lambda c: c.replace(".", "x"))),
    }),
    "array map": Door(write_map, lambda p: frame_text(read_array_map(p)), TABLE | {
        "a channel twice": (REFUSED, line(2, lambda c: "1" + c[1:])),
        "a word for a channel": (REFUSED, line(2, lambda c: "two" + c[1:])),
        "a word for a place": (REFUSED, line(2, lambda c: c + "left")),
    }),
    "latents": Door(write_latents, lambda p: repr(read_codes(p.parent))),
    "features": Door(write_table, lambda p: repr(sorted(read_latent_table(p).items())), {
        "a word for a number": (REFUSED, lambda t: t.replace("3.5", "high")),
        "an image twice": (REFUSED, lambda t: t.replace("im3", "im2")),
        "infinity": (REFUSED, lambda t: t.replace("3.5", "inf")),
        "a row too long": (REFUSED, lambda t: t.replace("3.5", "3,5")),
        "another first column": (REFUSED, lambda t: t.replace("image", "name")),
    }),
    "image": Door(write_image, lambda p: ImageFolder(p.parent, ["face"])["face"].tobytes()),
    "curation": Door(write_curation, read_curation, {
        "no JSON": (REFUSED, lambda t: t[:-4]),
        "a unit that is none": (REFUSED, lambda t: t.replace('"removed": [\n  2', '"removed": [\n  9')),
        "another list of units": (REFUSED, lambda t: t.replace('"unit_ids": [\n  0', '"unit_ids": [\n  5')),
        "other blanks": (SAME, lambda t: t.replace("\n", "\n  ")),
    }),
}  # fmt: skip
WORDS = [
    "", "nan", "inf", "-1", "0", "1e308", "1:30", "020", "true", "null", "[]", "{}", "'", '"', "\t", ";", ",",
    "é", "\x00", "\ufeff", "a" * 3000, "../x", "-", "190501_1", "2,5", "%", "\\",
]  # fmt: skip


def mutated(raw, rng):
    """Bytes of a file with one to three things wrong."""
    data = bytearray(raw)
    for _ in range(int(rng.integers(1, 4))):
        kind, at = int(rng.integers(7)), int(rng.integers(len(data) + 1))
        if kind == 0:
            data[at : at + 1] = rng.bytes(1)
        elif kind == 1:
            del data[at : at + int(rng.integers(1, 30))]
        elif kind == 2:
            data[at:at] = WORDS[rng.integers(len(WORDS))].encode()
        elif kind == 3:
            del data[at:]
        else:
            data = bytearray(_other_lines(bytes(data), kind, rng))
    return bytes(data)


def _other_lines(raw, kind, rng):
    lines = raw.split(b"\n")
    a, b = (int(rng.integers(len(lines))) for _ in range(2))
    if kind == 4:
        lines.insert(a, lines[b])
    elif kind == 5:
        lines[a], lines[b] = lines[b], lines[a]
    else:  # a word in the place of another
        parts = lines[a].split(b"\t" if b"\t" in lines[a] else b" ")
        parts[int(rng.integers(len(parts)))] = WORDS[rng.integers(len(WORDS))].encode()
        lines[a] = (b"\t" if b"\t" in lines[a] else b" ").join(parts)
    return b"\n".join(lines)


def outcome(read, path):
    """'read' with what was read, or the InputError; anything else fails."""
    try:
        return "read", read(path)
    except InputError as error:
        assert str(error.what) and "\n" not in str(error.where), error
        return "refused", error


@pytest.fixture(scope="module")
def told():
    """How the tries of each door ended (printed with `-s`), and the share of messages with a hint."""
    counts = {}
    yield counts
    for door, ended in counts.items():
        print(f"{door}: {dict(ended)}")
    total = sum(counts.values(), Counter())
    print(f"all: {dict(total)}")
    messages = total["hint"] + total["no hint"]
    assert messages == 0 or total["hint"] >= 0.95 * messages, counts


def count(told, door, how, result):
    ended = told.setdefault(door, Counter())
    ended[how] += 1
    if how == "refused":
        ended["hint" if result.hint else "no hint"] += 1


@pytest.mark.parametrize("name", DOORS)
def test_known_forms_are_read_alike_or_refused(name, tmp_path, told):
    door = DOORS[name]
    path = door.write(tmp_path)
    wanted = door.read(path)
    text = path.read_text(encoding="utf-8") if door.known else ""
    wrong = []
    for form, (verdict, edit) in door.known.items():
        changed = edit(text)
        assert changed != text, form
        path.write_text(changed, encoding="utf-8", newline="")
        how, result = outcome(door.read, path)
        count(told, name, how, result)
        if (verdict == REFUSED) != (how == "refused") or (verdict == SAME and result != wanted):
            wrong.append((form, how, result))
    assert wrong == []


@pytest.mark.parametrize("name", DOORS)
def test_random_forms_are_read_or_are_one_message(name, tmp_path, told):
    door = DOORS[name]
    path = door.write(tmp_path)
    raw = path.read_bytes()
    for case in range(CASES):
        path.write_bytes(mutated(raw, np.random.default_rng([sum(name.encode()), case])))
        count(told, name, *outcome(door.read, path))


@pytest.mark.parametrize("kind", ["folder", "missing", "empty", "link to nothing"])
@pytest.mark.parametrize("name", DOORS)
def test_what_is_no_file_is_one_message(name, kind, tmp_path, told):
    door = DOORS[name]
    path = door.write(tmp_path)
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "link to nothing":
        path.symlink_to(tmp_path / "nothing")
    how, result = outcome(door.read, path)
    # An empty configuration is all defaults; of a folder of latents the other files are left.
    assert how == "refused" or (name, kind) == ("config", "empty") or name == "latents"
    count(told, name, how, result)


# --- NWB of another tool


@pytest.fixture(scope="module")
def nwb(tmp_path_factory):
    from datetime import UTC, datetime

    from pynwb import NWBHDF5IO, NWBFile

    rng = np.random.default_rng(0)
    file = NWBFile("d", "i", datetime(2024, 5, 6, tzinfo=UTC))
    file.add_trial_column("image", "shown")
    for k in range(12):
        file.add_trial(start_time=1.0 + k, stop_time=1.1 + k, image=f"im{k % 3}")
    for _ in range(3):
        file.add_unit(spike_times=np.sort(rng.uniform(0, 15, 50)))
    path = tmp_path_factory.mktemp("nwb") / "a.nwb"
    with NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return path


def read_trials(path):
    from evoalign.nwb.settings import Nwb
    from evoalign.sheet import Session

    row = Session(session="s", subject="A", nwb="a.nwb")
    contents = read_nwb(path, Nwb(presentations="trials", columns={"image": "image"}), row)
    return frame_text(contents.presentations) + frame_text(contents.spikes)


COLUMNS = (
    "units/spike_times", "units/spike_times_index", "units/id", "intervals/trials/start_time",
    "intervals/trials/stop_time", "intervals/trials/image", "intervals/trials/id",
)  # fmt: skip
CHANGES = {
    "gone": lambda values: None,
    "shorter": lambda values: values[:-1],
    "longer": lambda values: np.concatenate([values, values[:1]]),
    "empty": lambda values: values[:0],
    "texts": lambda values: np.array([b"x"] * len(values)),
    "reversed": lambda values: values[::-1],
    "not numbers": lambda values: np.full(len(values), np.nan),
    "huge": lambda values: np.full(len(values), 1e300),
    "of two dimensions": lambda values: np.stack([values, values]),
    "one": lambda values: values[0],
    "negative": lambda values: -np.arange(1.0, len(values) + 1),
}
# Of these the verdict is known: nothing of it can be what was recorded.
MUST_BE_REFUSED = {
    (name, change)
    for name in ("units/spike_times", "intervals/trials/start_time")
    for change in ("gone", "texts", "one", "empty", "of two dimensions")
} | {
    ("units/spike_times", "shorter"),
    ("units/spike_times", "not numbers"),
    ("intervals/trials/image", "gone"),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_column_of_an_nwb_file_that_is_wrong(nwb, name, change, tmp_path, told):
    path = Path(shutil.copy(nwb, tmp_path / "a.nwb"))
    with h5py.File(path, "r+") as file:
        node = file[name]
        values, attributes = node[()], dict(node.attrs)
        try:
            changed = CHANGES[change](values)
        except TypeError:
            pytest.skip("texts have no numbers")
        del file[name]
        if changed is not None:
            kind = h5py.string_dtype() if np.asarray(changed).dtype.kind in "SO" else None
            file.create_dataset(name, data=changed, dtype=kind).attrs.update(attributes)
    how, result = outcome(read_trials, path)
    count(told, "NWB", how, result)
    if (name, change) in MUST_BE_REFUSED:
        assert how == "refused", result


def test_yaml_and_pandas_are_what_these_forms_are_written_for():
    """Forms above rest on how these two read: told here where that changes."""
    assert yaml.safe_load("a: 020\nb: 1:30") == {"a": 16, "b": 90}
    assert pd.isna(pd.read_csv(__import__("io").StringIO("a\nNA\n"))["a"].iloc[0])
