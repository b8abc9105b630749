"""Images along eigen-axes lie at the distances that their names say."""

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from evoalign import study
from evoalign.analysis.tuning.session import tune_session
from evoalign.errors import InputError
from evoalign.events.names import parse_axis_name
from evoalign.evolution.axis_images import (
    axis_name,
    centre_of,
    sample_axes,
    sample_session,
    write_axis_images,
)
from evoalign.responses.session_responses import SessionResponses
from evoalign.simulate.study_session import study_units
from evoalign.simulate.tuning import TuningDesign, shown_images
from evoalign.spaces.frames import FramePlan, make_frames
from evoalign.spaces.hessian import save_eigenframe
from evoalign.spaces.interface import to_bytes
from evoalign.spaces.metrics import image_metric, squared_difference
from evoalign.spaces.registry import get_space
from evoalign.spaces.settings import Hessian, Prototypes
from narrow_generators import narrow_settings

AXES = {"class": (0, 1, 2, 7), "noise": (0, 3)}
BLOCKS = {"class": (0, 8), "noise": (8, 16)}
DISTANCES = (0.1, 0.2, 0.4)


def metric(a, b):
    return 100 * squared_difference(a, b)


@pytest.fixture(scope="module")
def frames():
    return make_frames(get_space("object"), FramePlan(n=4, blocks=BLOCKS))[1]


def test_images_lie_at_the_distance_of_their_name(frames):
    space, centre = get_space("object"), np.full(16, 0.1)
    found = sample_axes(space, centre, frames, AXES, DISTANCES, metric)
    origin = space.render(torch.from_numpy(centre)[None])
    rendered = space.render(torch.from_numpy(found.latents))
    measured = metric(origin.expand_as(rendered), rendered).numpy()
    np.testing.assert_allclose(measured, found.table["distance"].abs(), atol=1e-4)
    assert found.table["image"].iloc[0] == "class_eig0_lin0.00"
    for row, latent in zip(found.table.iloc[1:].itertuples(), found.latents[1:], strict=True):
        along = frames[row.subspace].vectors[:, row.axis]
        np.testing.assert_allclose(latent - centre, row.step * along, atol=1e-12)
        assert np.sign(row.step) == np.sign(row.distance)
    assert len(found.table) + len(found.unreached) == 1 + 6 * 2 * len(DISTANCES)


def test_the_first_crossing_is_taken_and_what_is_not_reached_is_named(frames):
    """A distance that rises to 1 and falls again along the axis."""

    class Wave:
        name, latent_dim, image_size = "wave", 16, 2

        def render(self, latents):
            return (0.5 - 0.5 * torch.cos(latents[:, :1]))[:, :, None, None].expand(-1, 3, 2, 2)

    eye = {"class": frames["class"]}
    along = type(eye["class"])("wave", np.ones(1), np.eye(16)[:, :1])
    found = sample_axes(
        Wave(), np.zeros(16), {"class": along}, {"class": (0,)}, (0.25, 2.0), squared_difference
    )
    # (0.5 - 0.5 cos t)^2 = 0.25 first at t = pi / 2, then at 3 pi / 2 ..
    np.testing.assert_allclose(found.table["step"].iloc[1:].abs(), np.pi / 2, rtol=1e-4)
    assert found.unreached == ["class_eig0_lin-2.00", "class_eig0_lin2.00"]


def test_names_are_read_back_by_the_tuning_analysis():
    name = parse_axis_name(axis_name("noise", 12, -0.24) + ".png")
    assert (name.subspace, name.axis, name.distance) == ("noise", 12, -0.24)


def test_files_are_what_the_space_renders(tmp_path, frames):
    space = get_space("object")
    found = sample_axes(space, np.zeros(16), frames, {"class": (0,)}, (0.1,), metric)
    write_axis_images(tmp_path / "set", found, space, {"metric": "pixel"})
    table = pd.read_csv(tmp_path / "set" / "axes.tsv", sep="\t", comment="#")
    assert table["image"].tolist() == found.table["image"].tolist()
    pixels = to_bytes(space.render(torch.from_numpy(found.latents)))
    for name, image in zip(table["image"], pixels, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "set" / f"{name}.png")), image)
    archive = np.load(tmp_path / "set" / "latents.npz")
    np.testing.assert_array_equal(archive["latents"], found.latents)


def test_the_centre_is_the_mean_of_the_last_whole_generation_but_one():
    contents = SimpleNamespace(
        session="s",
        latents={(b, 1): (np.full((3, 2), float(b)), [f"i{b}{k}" for k in range(3)]) for b in (1, 2, 3, 4)},
        presentations=pd.DataFrame(
            [(b, 1, row, False) for b in (1, 2, 3, 4) for row in range(2 if b == 4 else 3)],
            columns=["block", "thread", "latent_row", "reference"],
        ),
    )
    np.testing.assert_array_equal(centre_of(contents, 1), [2.0, 2.0])  # block 4 was cut short
    with pytest.raises(InputError, match="0 generations were shown whole"):
        centre_of(contents, 0)


def test_the_tuning_analysis_reads_a_session_of_such_images(frames):
    """A unit whose rate falls with distance on one axis and rises along another."""
    axes, distances = {"class": (0,), "noise": (0,)}, (0.08, 0.16, 0.24, 0.32, 0.4)
    space = get_space("object")
    found = sample_axes(space, np.zeros(16), frames, axes, distances, lambda a, b: 15 * metric(a, b))
    assert not found.unreached
    table = pd.concat([found.table] * 8, ignore_index=True)
    rates = np.where(
        table["subspace"] == "class", 60 - 100 * table["distance"].abs(), 60 + 100 * table["distance"]
    )
    n, time = len(table), np.arange(-50, 250)
    design = TuningDesign("tuned", "A", "IT", "6a", 6, dt.datetime(2026, 1, 1, tzinfo=dt.UTC), 0)
    presentations = shown_images(design).drop(columns="rate_hz").iloc[:1]
    presentations = pd.concat([presentations] * n, ignore_index=True).assign(
        presentation=range(n), image=table["image"], onset_s=0.4 * np.arange(n) + 5
    )
    driven = (time >= 40) & (time < 215)
    counts = np.random.default_rng(0).poisson(np.where(driven, rates[:, None], 8) / 1000).astype(np.uint16)
    units = study_units(6, "IT", int(counts.sum()), n)
    responses = SessionResponses(counts[None], -50, units, presentations, "tuned", "A", "IT", {})
    read = tune_session(responses, study.Config())["tuning_axes"].set_index(["subspace", "axis"])
    assert set(read.index) == {("class", 0), ("noise", 0)}
    assert (read["p"] < 1e-3).all()
    assert bool(read.loc[("class", 0), "bell"]) and bool(read.loc[("noise", 0), "monotonic"])
    assert read.loc[("class", 0), "peak"] == pytest.approx(0.0, abs=0.08)


def test_distances_without_names_of_their_own_are_refused(frames):
    with pytest.raises(InputError, match="no names of their own"):
        sample_axes(get_space("object"), np.zeros(16), frames, AXES, (0.101, 0.102), metric)


@pytest.mark.parametrize(
    ("axes", "message"), [({"shape": (0,)}, "no block 'shape'"), ({"class": (8,)}, "no eigenvector 8")]
)
def test_axes_that_the_frame_lacks_are_refused(frames, axes, message):
    with pytest.raises(InputError, match=message):
        sample_axes(get_space("object"), np.zeros(16), frames, axes, DISTANCES, metric)


def test_features_of_the_bundled_network_are_a_distance():
    metric, words = image_metric("efficientnet_lite0", Prototypes())
    images = get_space("object").render(torch.randn(2, 16, dtype=torch.float64))
    assert "efficientnet" in words
    torch.testing.assert_close(metric(images, images), torch.zeros(2, dtype=torch.float64))
    assert (metric(images, images.flip(0)) > 0.05).all()
    with pytest.raises(InputError, match="no image distance is called 'ssim'"):
        image_metric("ssim", Prototypes())


def test_a_sessions_axes_are_sampled_around_the_end_of_its_evolution(tmp_path, caplog):
    """From the frame's file; a space of one block is sampled as 'class', with the ranks that it has."""
    space = get_space("object")
    frame, blocks = make_frames(space, FramePlan(n=2))
    save_eigenframe(frame, tmp_path / "object.npz", blocks)
    codes = {
        (block, 1): (np.full((3, 16), 0.1 * block), [f"b{block}i{k}" for k in range(3)])
        for block in (1, 2, 3)
    }
    shown = pd.DataFrame(
        [(block, 1, row, False, "object") for block in (1, 2, 3) for row in range(3)],
        columns=["block", "thread", "latent_row", "reference", "space"],
    )
    contents = SimpleNamespace(session="s", latents=codes, presentations=shown)
    settings = Hessian(axes={"class": (0, 1, 20), "noise": (0,)}, distances=(0.1, 0.2))
    found = sample_session(contents, space, tmp_path / "object.npz", settings, metric)
    np.testing.assert_allclose(found.latents[0], 0.2)  # the mean of the last generation but one
    assert set(found.table["subspace"]) == {"class"} and set(found.table["axis"]) == {0, 1}
    assert "fewer directions than hessian.axes names" in caplog.text
    with pytest.raises(InputError, match="no thread of space 'texture'"):
        sample_session(contents, get_space("texture"), tmp_path / "object.npz", settings, metric)


def test_axes_of_biggan_are_sampled_in_its_blocks_and_written_as_the_rig_shows_them(
    narrow_generators, tmp_path
):
    """With few channels and random weights in place of the published ones."""
    space = get_space("BigGAN", narrow_settings(tmp_path))
    blocks = {name: (block.start, block.stop) for name, block in space.blocks.items()}
    plan = FramePlan(n=1, method="lanczos", top=4, blocks=blocks)
    _, frames = make_frames(space, plan)
    centre = space.sample_initial(1, torch.Generator().manual_seed(3))[0].numpy()
    origin = space.render(torch.from_numpy(centre)[None])
    moved = space.render(torch.from_numpy(centre + 20 * frames["class"].vectors[:, 0])[None])
    unit = squared_difference(origin, moved).item()

    def metric(first, second):
        """0.2 at 20 along the steepest axis: random networks hardly answer to their latents."""
        return 0.2 / unit * squared_difference(first, second)

    images = sample_axes(space, centre, frames, {"class": (0, 1), "noise": (0,)}, (0.2,), metric)
    assert set(images.table["subspace"]) >= {"class"}
    for row, latent in zip(images.table.iloc[1:].itertuples(), images.latents[1:], strict=True):
        outside = np.delete(latent - centre, np.arange(*blocks[row.subspace]))
        np.testing.assert_array_equal(outside, 0)
        rendered = space.render(torch.from_numpy(latent)[None])
        assert metric(origin, rendered).item() == pytest.approx(abs(row.distance), rel=0.02)
    write_axis_images(tmp_path / "axes", images, space, space.describe())
    names = {path.name for path in (tmp_path / "axes").glob("*.png")}
    assert {f"{name}.png" for name in images.table["image"]} == names
    with Image.open(tmp_path / "axes" / "class_eig0_lin0.00.png") as shown:
        np.testing.assert_array_equal(np.asarray(shown), to_bytes(origin)[0])
    assert "weights_sha256: " + "cd" * 32 in (tmp_path / "axes" / "axes.tsv").read_text()
