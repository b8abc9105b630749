"""Eigenframes are exact, and their files are checked."""

import numpy as np
import pytest
import torch

from evoalign.errors import InputError
from evoalign.spaces import hessian
from evoalign.spaces.frames import FramePlan, make_frames
from evoalign.spaces.hessian import (
    Eigenframe,
    load_eigenframe,
    mean_hessian,
    save_eigenframe,
    squared_difference,
)
from evoalign.spaces.registry import get_space


class Quadratic:
    """Images linear in the latent, so that the Hessian is known in closed form."""

    name, latent_dim, image_size = "quadratic", 5, 4

    def __init__(self):
        self.matrix = torch.randn(48, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def sample_initial(self, n, generator):
        return torch.randn(n, 5, generator=generator, dtype=torch.float64)

    def render(self, latents):
        return (latents @ self.matrix.T).view(-1, 3, 4, 4)


def test_linear_space_has_the_closed_form():
    space = Quadratic()
    found = mean_hessian(space, space.sample_initial(3, torch.Generator().manual_seed(0)))
    torch.testing.assert_close(found, 2 * space.matrix.T @ space.matrix / 48)


@pytest.mark.parametrize("name", ["texture", "object"])
def test_hessian_equals_second_differences_of_the_distance(name):
    space = get_space(name)
    z = space.sample_initial(1, torch.Generator().manual_seed(4))
    found = mean_hessian(space, z)
    still, step = space.render(z), 1e-4
    for axis in (0, 3, space.latent_dim - 1):
        e = torch.zeros_like(z)
        e[0, axis] = step
        around = [squared_difference(still, space.render(z + sign * e)) for sign in (1, -1)]
        assert float(found[axis, axis]) == pytest.approx(float(sum(around)) / step**2, rel=1e-4, abs=1e-8)


def test_hessian_equals_torchs_own_double_backward():
    space = get_space("object")
    z = space.sample_initial(1, torch.Generator().manual_seed(5))

    def cube_metric(a, b):  # not a square: its Hessian depends on the image
        return ((a - b) ** 2 * (1 + b**3)).flatten(1).sum(1)

    def distance(e):
        return cube_metric(space.render(z), space.render(z + e)).sum()

    wanted = torch.autograd.functional.hessian(distance, torch.zeros(space.latent_dim, dtype=torch.float64))
    torch.testing.assert_close(mean_hessian(space, z, cube_metric), wanted, rtol=1e-9, atol=1e-9)


def test_mean_over_latents_is_the_mean_of_single_ones(monkeypatch):
    monkeypatch.setattr(hessian, "RENDERED_TOGETHER", 2)
    space = get_space("object")
    z = space.sample_initial(3, torch.Generator().manual_seed(6))
    single = torch.stack([mean_hessian(space, one[None]) for one in z])
    torch.testing.assert_close(mean_hessian(space, z), single.mean(0))


def test_frame_is_orthonormal_sorted_and_the_same_each_time(tmp_path):
    space = get_space("object")
    frame = make_frames(space, FramePlan(n=1, seed=2))[0]
    np.testing.assert_allclose(frame.vectors.T @ frame.vectors, np.eye(16), atol=1e-12)
    assert (np.diff(frame.values) <= 0).all() and frame.values[-1] > 0
    rows = np.abs(frame.vectors).argmax(0)
    assert (frame.vectors[rows, np.arange(16)] > 0).all()
    for name in ("a.npz", "b.npz"):
        save_eigenframe(make_frames(space, FramePlan(n=1, seed=2))[0], tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = load_eigenframe(tmp_path / "a.npz", "object")
    np.testing.assert_array_equal(loaded.vectors, frame.vectors)
    assert loaded.provenance["seed"] == "2" and "metric" in loaded.provenance


def test_no_latents_are_refused():
    with pytest.raises(InputError, match="no latents"):
        mean_hessian(get_space("object"), torch.zeros(0, 16))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vectors": np.ones((4, 4))}, "not orthonormal"),
        ({"values": np.arange(4.0)}, "do not fall"),
        ({"values": np.ones(3)}, r"values \[3\] and vectors \[4, 4\]"),
        ({"vectors": np.full((4, 4), np.nan)}, "NaN"),
        ({"space": "other"}, "is of space 'other', not 'object'"),
    ],
)
def test_bad_frames_are_refused(tmp_path, change, message):
    facts = {"space": "object", "values": np.ones(4), "vectors": np.eye(4)} | change
    save_eigenframe(Eigenframe(**facts), tmp_path / "f.npz")
    with pytest.raises(InputError, match=message):
        load_eigenframe(tmp_path / "f.npz", "object")


def test_files_that_are_no_frames_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_eigenframe(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("no zip")
    with pytest.raises(InputError, match="not a readable"):
        load_eigenframe(tmp_path / "text.npz")
    np.savez(tmp_path / "part.npz", values=np.ones(2))
    with pytest.raises(InputError, match="lacks vectors"):
        load_eigenframe(tmp_path / "part.npz")
