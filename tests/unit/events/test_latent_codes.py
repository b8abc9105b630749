"""Latents: files of codes, and their rows for the images of a log."""

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat, savemat

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.latent_codes import attach_latents, check_images, read_codes, write_codes
from evoalign.events.tables import LOG
from evoalign.formats.monkeylogic.mat5 import read_mat5

RNG = np.random.default_rng(0)


def ids_of(block, thread, n=3):
    return [f"block{block:03d}_thread{thread:03d}_gen_gen{block - 1:03d}_{i:06d}" for i in range(n)]


def test_round_trip_and_equal_bytes(tmp_path):
    codes = RNG.normal(size=(3, 7))
    path = write_codes(tmp_path / "a", 2, 1, codes, ids_of(2, 1))
    again = write_codes(tmp_path / "b", 2, 1, codes, ids_of(2, 1))
    assert path.name == "block002_thread001_code.mat"
    assert path.read_bytes() == again.read_bytes()
    ((key, (found, ids)),) = read_codes(tmp_path / "a").items()
    assert key == (2, 1)
    np.testing.assert_array_equal(found, codes)
    assert ids == ids_of(2, 1)
    # An independent reader sees the study's variables.
    by_scipy = loadmat(path)
    np.testing.assert_array_equal(by_scipy["codes"], codes)
    assert [str(name[0]) for name in by_scipy["ids"].ravel()] == ids_of(2, 1)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("ids", ["cell row", "cell column", "characters"])
def test_files_as_matlab_may_save_them(tmp_path, compressed, ids):
    names = ids_of(1, 0)
    cell = np.empty((1, 3), object)
    cell[0] = [f"{name}.bmp" for name in names]
    value = {"cell row": cell, "cell column": cell.T, "characters": np.array(names)}[ids]
    content = {"codes": RNG.normal(size=(3, 4)).astype(np.float32), "ids": value, "other": 1}
    savemat(tmp_path / "block001_thread000_code.mat", content, do_compression=compressed)
    codes, found = read_codes(tmp_path)[1, 0]
    assert found == names
    assert codes.dtype == np.float64
    np.testing.assert_array_equal(codes, content["codes"])


def test_the_ids_tell_the_block_where_the_file_counts_from_another(tmp_path):
    """The study's older tasks number a file by the block before the one that shows its images."""
    write_codes(tmp_path, 26, 0, np.zeros((3, 2)), ids_of(27, 0))
    write_codes(tmp_path, 27, 0, np.ones((3, 2)), ids_of(28, 0))
    assert list(read_codes(tmp_path)) == [(27, 0), (28, 0)]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"codes": np.zeros((3, 2))}, r"lacks the variables \['ids'\]"),
        (
            {"codes": np.zeros((2, 2)), "ids": np.array(ids_of(1, 0), object)},
            "2 rows of codes but 3 image ids",
        ),
        ({"codes": np.full((3, 2), np.nan), "ids": np.array(ids_of(1, 0), object)}, "finite numbers"),
        ({"codes": np.zeros((3, 2, 2)), "ids": np.array(ids_of(1, 0), object)}, "no matrix"),
        ({"codes": "abc", "ids": np.array(ids_of(1, 0), object)}, "no matrix"),
        ({"codes": np.zeros((3, 2)), "ids": np.arange(3.0)}, "no text"),
        ({"codes": np.zeros((2, 2)), "ids": np.array(["a", "a"], object)}, "'a' stands twice"),
        ({"codes": np.zeros((3, 2)), "ids": np.array(ids_of(1, 1), object)}, "of thread 0, .* of thread 1"),
    ],
)
def test_wrong_files_are_input_errors(tmp_path, content, text):
    path = tmp_path / "block001_thread000_code.mat"
    savemat(path, content)
    with pytest.raises(InputError, match=text) as error:
        read_codes(tmp_path)
    assert str(path) in error.value.where


def test_wrong_folders_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_codes(tmp_path / "none")
    with pytest.raises(InputError, match="no block"):
        read_codes(tmp_path)
    write_codes(tmp_path, 1, 0, np.zeros((3, 2)), ids_of(3, 0))
    write_codes(tmp_path, 2, 0, np.zeros((3, 2)), ids_of(3, 0))
    with pytest.raises(InputError, match="stands in two files"):
        read_codes(tmp_path)
    with pytest.raises(InputError, match="2 rows of codes but 3"):
        write_codes(tmp_path, 9, 0, np.zeros((2, 2)), ids_of(1, 0))
    with pytest.raises(InputError, match="finite|damaged|ends|announces"):
        path = tmp_path / "block001_thread000_code.mat"
        path.write_bytes(path.read_bytes()[:-40])
        read_codes(tmp_path)


def log_of(images, last_reference=True):
    n = len(images)
    frame = pd.DataFrame(
        {
            "presentation": np.arange(n),
            "trial": 1,
            "image": images,
            "onset_word": 101,
            "offset_word": 201,
            "onset_s": np.arange(n) * 1.0,
            "offset_s": np.arange(n) + 0.5,
            "block": [int(name[5:8]) for name in images],
            "thread": [int(name[15:18]) for name in images],
            "space": "",
            "latent_row": -1,
            "reference": ["_nat" in name for name in images],
            "reason": "",
        }
    )
    return tables.conform(frame, LOG)


def test_rows_follow_the_ids_and_not_the_order_of_showing(tmp_path):
    shown = [
        *ids_of(1, 0)[::-1],
        ids_of(1, 1)[0],
        "block001_thread000_gen_gen000_000009_nat",
        ids_of(1, 0)[2],
    ]
    codes = {(1, 0): (np.zeros((3, 2)), ids_of(1, 0)), (1, 1): (np.zeros((1, 2)), ids_of(1, 1, 1))}
    assert attach_latents(log_of(shown), codes)["latent_row"].tolist() == [2, 1, 0, 0, -1, 2]


def test_codes_that_do_not_fit_the_log_are_input_errors():
    log = log_of([*ids_of(1, 0), *ids_of(2, 0)])
    both = {(b, 0): (np.zeros((3, 2)), ids_of(b, 0)) for b in (1, 2)}
    assert (attach_latents(log, both)["latent_row"] >= 0).all()
    with pytest.raises(InputError, match="no codes for 3 images") as error:
        attach_latents(log, {(2, 0): both[2, 0]})
    assert error.value.where == "block 1, thread 0"
    with pytest.raises(InputError, match="4 rows of codes but 3 images"):
        attach_latents(log, both | {(1, 0): (np.zeros((4, 2)), ids_of(1, 0, 4))})
    with pytest.raises(
        InputError, match="2 rows of codes but 3 images.*'block001_thread000_gen_gen000_000002'"
    ):
        attach_latents(log, both | {(1, 0): (np.zeros((2, 2)), ids_of(1, 0, 2))})
    # A session may end in the middle of its last block.
    assert (
        attach_latents(log, both | {(2, 0): (np.zeros((4, 2)), ids_of(2, 0, 4))})["latent_row"] >= 0
    ).all()


def test_missing_images_are_counted_and_the_first_is_named(tmp_path):
    names = ids_of(1, 0, 4)
    (tmp_path / "inside").mkdir()
    (tmp_path / f"{names[0]}.png").touch()
    (tmp_path / "inside" / f"{names[1]}.BMP").touch()
    with pytest.raises(InputError, match=f"2 of 4 images are missing, the first is '{names[2]}'"):
        check_images(log_of(names), tmp_path)
    for name in names[2:]:
        (tmp_path / f"{name}.jpg").touch()
    check_images(log_of(names), tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        check_images(log_of(names), tmp_path / "none")


def test_mat_agrees_with_scipy_on_all_classes(tmp_path):
    cell = np.empty((2, 2), object)
    cell[:] = [["a", np.eye(2)], ["", np.array([[True, False]])]]
    content = {
        **{
            f"n_{d}": RNG.integers(0, 100, (2, 3)).astype(d)
            for d in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")
        },
        "text": "Grün",
        "rows": np.array(["ab", "cd"]),
        "cell": cell,
        "struct": {"x": np.arange(3.0), "inner": {"y": "z"}},
        "cube": RNG.normal(size=(2, 3, 4)),
        "none": np.empty((0, 3)),
    }
    for compressed in (False, True):
        savemat(tmp_path / "a.mat", content, do_compression=compressed)
        ours, scipys = read_mat5(tmp_path / "a.mat"), loadmat(tmp_path / "a.mat")
        assert set(ours) == {name for name in scipys if not name.startswith("__")}
        for name in content:
            if name.startswith("n_") or name in ("cube", "none"):
                assert ours[name].dtype == scipys[name].dtype
                np.testing.assert_array_equal(ours[name], scipys[name])
        assert ours["text"] == "Grün" == scipys["text"][0]
        assert ours["rows"].tolist() == ["ab", "cd"] == scipys["rows"].tolist()
        assert ours["cell"][0, 0] == "a"
        assert ours["cell"][1, 0] == ""
        assert ours["cell"][1, 1].dtype == bool
        np.testing.assert_array_equal(ours["cell"][0, 1], np.eye(2))
        assert ours["struct"]["inner"]["y"] == "z"
        np.testing.assert_array_equal(ours["struct"]["x"], scipys["struct"]["x"][0, 0])
        assert list(read_mat5(tmp_path / "a.mat", ("cube",))) == ["cube"]
