"""Noise that an evolution of class embeddings kept fixed comes from the task's own file."""

import numpy as np
import pytest
from scipy.io import savemat

from evoalign.errors import InputError
from evoalign.events.fixed_noise import read_noise, session_noise

NOISE = np.random.default_rng(0).normal(size=128)


@pytest.fixture
def folder(tmp_path):
    """Options of two threads as the task writes them: the first has no fixed noise."""
    options = np.zeros((1, 2), dtype=[("name", object), ("fix_noise_vec", object)])
    options[0, 0] = ("fc6", np.zeros((0, 0)))
    options[0, 1] = ("BigGAN_class", NOISE[None])
    savemat(tmp_path / "space_opts.mat", {"space_opts": options})
    return tmp_path


def test_each_thread_has_its_own_or_none(folder, tmp_path):
    assert session_noise(folder, 0) is None
    assert np.array_equal(session_noise(folder, 1), NOISE)
    assert session_noise(folder, 2) is None
    assert session_noise(tmp_path / "elsewhere", 1) is None


def test_it_is_read_from_each_kind_of_file(folder):
    np.save(folder / "noise.npy", NOISE)
    np.savetxt(folder / "noise.txt", NOISE)
    for name in ("noise.npy", "noise.txt", "space_opts.mat"):
        assert np.allclose(read_noise(folder / name), NOISE), name


def test_a_file_without_it_is_refused(folder):
    savemat(folder / "other.mat", {"x": NOISE})
    savemat(folder / "words.mat", {"space_opts": {"fix_noise_vec": "none"}})
    savemat(folder / "empty.mat", {"space_opts": {"name": "fc6"}})
    (folder / "words.txt").write_text("no numbers")
    for name in ("other.mat", "words.mat", "empty.mat", "words.txt", "nowhere.npy", "nowhere.mat"):
        with pytest.raises(InputError, match="no fixed noise"):
            read_noise(folder / name)
