"""The demo's two image spaces."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evoalign.errors import InputError
from evoalign.spaces.interface import Space, to_bytes
from evoalign.spaces.procedural import ObjectSpace, TextureSpace
from evoalign.spaces.registry import get_space

NAMES = ("texture", "object")


def founders(name, n, seed=0):
    space = get_space(name)
    return space, space.sample_initial(n, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NAMES)
def test_a_space_keeps_the_interface_that_evolution_needs(name):
    space, latents = founders(name, 3)
    images = space.render(latents)
    assert isinstance(space, Space)
    assert latents.shape == (3, space.latent_dim)
    assert images.shape == (3, 3, space.image_size, space.image_size)
    assert to_bytes(images).shape == (3, space.image_size, space.image_size, 3)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(scale=st.floats(0, 100), seed=st.integers(0, 1000))
def test_pixels_stay_in_0_to_1_however_far_the_latents_wander(name, scale, seed):
    space, latents = founders(name, 2, seed)
    images = space.render(scale * latents)
    assert bool(((images >= 0) & (images <= 1)).all())


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_agree_with_finite_differences(name):
    space, latents = founders(name, 2)
    probe = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def scores(z):
        return (space.render(z) * probe).sum(dim=(1, 2, 3))

    assert torch.autograd.gradcheck(scores, latents.requires_grad_(True), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_every_latent_changes_the_image_and_second_derivatives_are_finite(name):
    space, latents = founders(name, 1, seed=3)

    def energy(z):
        return (space.render(z[None]) - space.render(latents).detach()).square().sum()

    hessian = torch.autograd.functional.hessian(energy, latents[0])
    assert bool(torch.isfinite(hessian).all())
    assert bool((hessian.diagonal() > 1e-3).all())


@pytest.mark.parametrize("name", NAMES)
def test_rendering_is_equal_alone_in_a_batch_and_from_a_new_object(name):
    space, latents = founders(name, 4)
    together = to_bytes(space.render(latents))
    alone = np.concatenate([to_bytes(type(space)().render(z[None])) for z in latents])
    assert np.array_equal(together, alone)


def test_textures_are_stationary_no_place_is_special():
    # Means of the quadrants over many textures: a figure would make the centre differ from the rim.
    space, latents = founders("texture", 200)
    luminance = space.render(latents).mean(dim=1).numpy()
    tint = luminance.mean(axis=(1, 2), keepdims=True)
    energy = (luminance - tint) ** 2
    centre = energy[:, 16:48, 16:48].mean(axis=(1, 2))
    rim = (energy.sum(axis=(1, 2)) - energy[:, 16:48, 16:48].sum(axis=(1, 2))) / (64**2 - 32**2)
    ratio = np.log(centre / rim)
    assert abs(ratio.mean()) < 0.15
    # Pixel values of two halves of a texture come from one distribution.
    halves = [
        np.abs(np.quantile(l[:, :32], q) - np.quantile(l[:, 32:], q)) for l in luminance for q in (0.1, 0.9)
    ]
    assert np.median(halves) < 0.04


def test_textures_have_no_coarse_figure_and_objects_have():
    def coarse_share(name):
        space, latents = founders(name, 50)
        luminance = space.render(latents).mean(dim=1).numpy()
        power = np.abs(np.fft.fft2(luminance - luminance.mean(axis=(1, 2), keepdims=True))) ** 2
        f = np.hypot(*np.meshgrid(np.fft.fftfreq(64, 1 / 64), np.fft.fftfreq(64, 1 / 64)))
        return (power[:, f <= 3].sum(axis=1) / power.sum(axis=(1, 2))).mean()

    assert coarse_share("texture") < 0.03
    assert coarse_share("object") > 0.6


def test_texture_bands_set_the_orientation_and_frequency_of_the_image():
    space = TextureSpace()
    latents = torch.zeros(
        space.n_orientations * len(space.frequencies), space.latent_dim, dtype=torch.float64
    )
    for band in range(len(latents)):
        latents[band, band] = 6
    luminance = space.render(latents).mean(dim=1).numpy()
    power = np.abs(np.fft.fft2(luminance - luminance.mean(axis=(1, 2), keepdims=True))) ** 2
    f = np.fft.fftfreq(64, 1 / 64)
    fy, fx = np.meshgrid(f, f, indexing="ij")
    for band, spectrum in enumerate(power):
        weight = spectrum / spectrum.sum()
        frequency, orientation = divmod(band, space.n_orientations)
        found = np.exp((weight * np.log(np.maximum(np.hypot(fx, fy), 1))).sum())
        assert found == pytest.approx(space.frequencies[frequency], rel=0.12)
        direction = np.angle((weight * np.exp(2j * np.arctan2(fy, fx))).sum()) / 2
        expected = np.pi * orientation / space.n_orientations
        assert abs(np.angle(np.exp(2j * (direction - expected)))) / 2 < np.deg2rad(8)


def test_an_object_is_one_closed_shape_on_grey_ground():
    from scipy import ndimage

    space, latents = founders("object", 60)
    deviation = np.abs(space.render(latents).numpy() - 0.5).max(axis=1)
    border = np.concatenate([deviation[:, [0, -1], :].ravel(), deviation[:, :, [0, -1]].ravel()])
    assert np.quantile(border, 0.99) < 0.02  # grey ground all around
    for image in deviation:
        labels, n = ndimage.label(ndimage.binary_closing(image > 0.04))
        sizes = ndimage.sum_labels(image > 0.04, labels, range(1, n + 1))
        assert sizes.max() / sizes.sum() > 0.9


def test_objects_move_with_the_position_latents():
    space = ObjectSpace()
    latents = torch.zeros(2, 16, dtype=torch.float64)
    latents[:, 11] = 2.0  # a light object
    latents[1, 8] = 1.0
    weight = np.abs(space.render(latents).numpy() - 0.5).sum(axis=1)
    centre = (weight * np.arange(64)).sum(axis=(1, 2)) / weight.sum(axis=(1, 2))
    assert centre[1] - centre[0] == pytest.approx(0.25 * np.tanh(1.0) * 32, abs=0.5)


def test_founders_are_standard_normal_and_follow_their_generator():
    _, latents = founders("texture", 400)
    assert stats.kstest(latents.numpy().ravel(), "norm").pvalue > 1e-3
    assert torch.equal(latents, founders("texture", 400)[1])
    assert not torch.equal(latents, founders("texture", 400, seed=1)[1])


def test_wrong_latents_and_unknown_spaces_are_refused_with_the_remedy():
    with pytest.raises(InputError, match=r"needs \[n, 24\]"):
        TextureSpace().render(torch.zeros(2, 16, dtype=torch.float64))
    with pytest.raises(InputError, match="NaN"):
        ObjectSpace().render(torch.full((1, 16), torch.nan, dtype=torch.float64))
    with pytest.raises(InputError, match="did you mean 'texture'"):
        get_space("textures")


@pytest.mark.parametrize("name", ["texture", "object"])
def test_projected_latents_have_the_mean_norm_of_others_and_keep_their_direction(name):
    space = get_space(name)
    generator = torch.Generator().manual_seed(0)
    latents, like = space.sample_initial(5, generator), 3 * space.sample_initial(7, generator)
    latents[2] = 0
    projected = space.project(latents, like)
    expected = like.norm(dim=1).mean()
    norms = projected.norm(dim=1)
    assert torch.allclose(norms[[0, 1, 3, 4]], expected.expand(4))
    assert torch.equal(projected[2], latents[2])
    cosine = torch.nn.functional.cosine_similarity(latents, projected)
    assert torch.allclose(cosine[[0, 1, 3, 4]], torch.ones(4, dtype=torch.float64))
    with pytest.raises(InputError, match="no latents to take the norm of"):
        space.project(latents, like[:0])


@pytest.mark.parametrize("name", ["texture", "object"])
def test_a_space_says_what_makes_its_images(name):
    told = get_space(name).describe()
    assert told["space"] == name
    assert told["image_size"] == "64"
    assert "procedural" in told["generator"]
