"""Model units: the rate follows from the pixels, by the planted kernels."""

import inspect

import numpy as np
import pytest
import torch

from evoalign.simulate import ventral_stream
from evoalign.simulate.spiketrains import REFRACTORY_S, ceiling_hz
from evoalign.simulate.subject import random_unit, screened_unit, screening_images
from evoalign.simulate.ventral_stream import (
    AREAS,
    FIGURE_CUTOFF,
    FREQUENCIES,
    N_ORIENTATIONS,
    NOISE_FLOOR,
    ModelUnit,
    crossover_ms,
    early_kernel,
    figures,
    late_kernel,
    texture_statistics,
)
from evoalign.spaces.interface import to_bytes
from evoalign.spaces.procedural import analytic_bands
from evoalign.spaces.registry import get_space


@pytest.fixture(scope="module")
def screen():
    spaces = [get_space("texture"), get_space("object")]
    return screening_images(spaces, torch.Generator().manual_seed(4))


@pytest.fixture(scope="module")
def unit(screen):
    return screened_unit("IT", screen)


def grating(frequency, degrees, contrast=0.5):
    y, x = np.mgrid[:64, :64] / 64
    turn = np.deg2rad(degrees)
    wave = np.sin(2 * np.pi * frequency * (x * np.cos(turn) + y * np.sin(turn)))
    return np.rint(127.5 * (1 + contrast * wave)).astype(np.uint8)[:, :, None].repeat(3, 2)


def test_the_rate_takes_pixels_only_and_equal_pixels_give_equal_rates(unit, screen):
    assert list(inspect.signature(ModelUnit.rates).parameters) == ["self", "images"]
    # Two latents that round to the same pixels are the same stimulus.
    space = get_space("object")
    latent = space.sample_initial(1, torch.Generator().manual_seed(0))
    twin = latent + 1e-9
    images = to_bytes(space.render(torch.cat([latent, twin])))
    assert not torch.equal(latent, twin)
    assert np.array_equal(images[0], images[1])
    rates = unit.rates(images)
    assert np.array_equal(rates[0], rates[1])
    # And no neighbour in the batch changes the answer.
    assert np.allclose(unit.rates(screen[0][:3])[1], unit.rates(screen[0][1:2])[0], rtol=1e-9)


@pytest.mark.parametrize("band", range(0, len(FREQUENCIES) * N_ORIENTATIONS, 5))
def test_texture_energy_finds_the_frequency_and_orientation_of_a_grating(band):
    frequency, orientation = divmod(band, N_ORIENTATIONS)
    image = grating(round(FREQUENCIES[frequency]), 180 * orientation / N_ORIENTATIONS)
    assert texture_statistics(image[None])[0].argmax() == band


def test_texture_energy_hardly_depends_on_contrast_and_is_zero_on_blank_fields():
    strong, weak = (texture_statistics(grating(7, 30, c)[None])[0] for c in (0.8, 0.4))
    assert np.allclose(weak, strong, atol=0.06 * strong.max())
    assert np.allclose(texture_statistics(np.full((1, 64, 64, 3), 90, np.uint8)), 0)


def test_textures_have_no_figure_and_contours_little_texture(screen):
    textures, objects = screen
    figure_of = lambda images: np.linalg.norm(figures(images), axis=1).mean()
    assert figure_of(textures) < 0.5 * figure_of(objects)
    assert (
        texture_statistics(objects).sum(axis=1).mean() < 0.5 * texture_statistics(textures).sum(axis=1).mean()
    )


def test_the_preferred_images_drive_their_own_component_only(unit):
    texture, figure = unit.preferred_texture[None], unit.preferred_object[None]
    assert unit.texture_match(texture_statistics(texture))[0] == pytest.approx(1 / (1 + np.exp(-7)))
    assert unit.object_match(figures(figure))[0] == pytest.approx(1 / (1 + np.exp(-4)))
    # As an image without any match: far below half.
    assert unit.texture_match(texture_statistics(figure))[0] < 0.15
    assert unit.object_match(figures(texture))[0] < 0.15


def test_an_untuned_unit_answers_to_every_image_alike(screen):
    unit = screened_unit("V4", screen, tuned=False)
    neighbour = random_unit("V4", screen, np.random.default_rng(1), tuned=False)
    for one in (unit, neighbour):
        rates = one.rates(np.concatenate([screen[0][:5], screen[1][:5]]))
        assert (rates == rates[0]).all() and rates[0].max() > 2 * one.base_hz


def test_rates_are_base_plus_the_two_weighted_kernels(unit, screen):
    images = np.concatenate([screen[0][:5], screen[1][:5]])
    time = np.arange(225.0)
    expected = (
        10
        + unit.gain_hz * np.outer(unit.texture_match(texture_statistics(images)), early_kernel(50, 0.2, time))
        + unit.gain_hz * np.outer(unit.object_match(figures(images)), late_kernel(79, time))
    )
    assert np.allclose(unit.rates(images), expected)


def test_single_precision_changes_no_statistic(screen):
    """The definitions in float64, a complex transform each, without the halves that real images leave out."""
    images = np.concatenate([screen[0][:5], screen[1][:5]])
    f = np.fft.fftfreq(64, d=1 / 64)
    coarse = np.exp(-0.5 * (np.hypot(*np.meshgrid(f, f)) / FIGURE_CUTOFF) ** 2)
    filters = 2 * analytic_bands(64, FREQUENCIES, N_ORIENTATIONS, 0.9)
    for image, statistic, figure in zip(images, texture_statistics(images), figures(images), strict=True):
        energy = np.abs(np.fft.ifft2(np.fft.fft2(image.mean(axis=2) / 255) * filters)) ** 2
        around = np.fft.ifft2(np.fft.fft2(energy.sum(axis=0)) * coarse).real
        np.testing.assert_allclose(
            statistic, (energy / (around + NOISE_FLOOR**2)).mean(axis=(1, 2)), atol=1e-6
        )
        deviation = image / 255 - (image / 255).mean(axis=(0, 1))
        blurred = np.fft.ifft2(np.fft.fft2(deviation, axes=(0, 1)) * coarse[..., None], axes=(0, 1)).real
        np.testing.assert_allclose(figure, blurred.ravel() / (np.linalg.norm(deviation) + 1), atol=2e-6)


@pytest.mark.parametrize("area", list(AREAS))
def test_kernels_start_at_their_latency_peak_near_one_and_end_before_the_next_response(area):
    tuning, time = AREAS[area], np.arange(0, 400.0)
    early, late = (
        early_kernel(tuning.latency_ms, tuning.sustained, time),
        late_kernel(tuning.object_latency_ms, time),
    )
    for kernel, latency in ((early, tuning.latency_ms), (late, tuning.object_latency_ms)):
        assert (kernel[time <= latency] == 0).all()
        assert 0.97 < kernel.max() <= 1
        assert (kernel[225:] < 1e-12).all()
        assert (kernel >= 0).all()
    centre = [(kernel * time).sum() / kernel.sum() for kernel in (early, late)]
    assert centre[1] > centre[0] + 20


@pytest.mark.parametrize("area", list(AREAS))
def test_no_unit_is_driven_up_to_what_its_dead_time_allows(area, screen):
    """A hazard exists below 1 / dead time; close to it thousands of candidates are drawn for a spike."""
    rng = np.random.default_rng(7)
    units = [screened_unit(area, screen), *(random_unit(area, screen, rng) for _ in range(50))]
    ceilings = [ceiling_hz(np.stack(unit.kernels()), unit.base_hz) for unit in units]
    assert max(ceilings) < 0.85 / REFRACTORY_S


def test_areas_differ_as_planted_textures_drive_v1_and_v4_also_late():
    assert 0 < AREAS["V1"].w_object < AREAS["V1"].w_texture * AREAS["V1"].sustained
    assert 0 < AREAS["V4"].w_object < AREAS["V4"].w_texture * AREAS["V4"].sustained
    assert AREAS["IT"].w_object > AREAS["IT"].w_texture * AREAS["IT"].sustained


def test_screening_finds_selective_units_that_can_be_driven(screen):
    unit = screened_unit("V4", screen)
    textures, objects = screen
    assert 0.1 < unit.texture_match(texture_statistics(textures)).mean() < 0.35
    assert 0.1 < unit.object_match(figures(objects)).mean() < 0.35
    assert unit.texture_match(texture_statistics(objects)).max() < 0.15


def test_neighbours_are_tuned_at_random_and_follow_their_generator(screen):
    draws = [random_unit("IT", screen, np.random.default_rng(seed)) for seed in (1, 2, 1)]
    assert draws[0].tuning == draws[2].tuning
    assert draws[0].tuning != draws[1].tuning


def test_the_crossover_is_where_the_object_thread_leads_for_good():
    time = np.arange(200.0)
    texture = np.full(200, 20.0)
    assert crossover_ms(texture, np.where(time >= 103, 21.0, 5.0)) == 103
    touch_and_go = np.where((time >= 103) | (time == 60), 21.0, 5.0)
    assert crossover_ms(texture, touch_and_go) == 103
    assert crossover_ms(texture, np.full(200, 5.0)) is None
    assert crossover_ms(texture, np.full(200, 25.0)) is None
    assert ventral_stream.crossover_ms(texture, texture) is None
