"""Eigenframe, concatenated, sphere and gradient searches do what they are defined to do."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from evoalign.errors import InputError
from evoalign.evolution.choice import OPTIMISERS, Start
from evoalign.evolution.cholesky import CholeskyCmaEs
from evoalign.evolution.concatenated import ConcatenatedCmaEs
from evoalign.evolution.eigenframe_cma import EigenframeCmaEs, axis_steps
from evoalign.evolution.gradient import STEP, GradientClimber
from evoalign.evolution.optimisers import restore_random
from evoalign.evolution.zoha import HESSIAN_EVERY, ZohaSphere, rank_weights
from evoalign.spaces.hessian import Eigenframe

DIM, N = 12, 16


def founders(seed=0, dim=DIM, n=N):
    return np.random.default_rng(seed).standard_normal((n, dim))


def rotation(dim=DIM, seed=5):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0]


def climbed(optimiser, score, n_blocks):
    """Mean score of each block."""
    means = []
    for _ in range(n_blocks):
        codes = optimiser.ask()
        fitness = score(codes)
        means.append(fitness.mean())
        optimiser.tell(codes, fitness)
    return np.array(means)


def test_equal_eigenvalues_make_the_eigenframe_search_the_cholesky_search():
    frame = Eigenframe("s", np.full(DIM, 3.0), np.eye(DIM))
    ours, plain = EigenframeCmaEs(founders(), 0.4, 2, frame), CholeskyCmaEs(founders(), 0.4, 2)
    for _ in range(25):
        codes = ours.ask()
        np.testing.assert_allclose(codes, plain.ask(), rtol=0, atol=1e-9)
        for search in (ours, plain):
            search.tell(codes, -np.square(codes).sum(axis=1))
    np.testing.assert_allclose(ours.mean, plain.mean, atol=1e-9)


def test_first_steps_have_the_covariance_of_the_frame():
    values, vectors = np.logspace(1, -1, 4), rotation(4)
    search = EigenframeCmaEs(founders(0, 4, 6000), 0.5, 1, Eigenframe("s", values, vectors))
    search.tell(search.ask(), np.arange(6000.0))
    samples = search.ask()
    expected = 0.25 * vectors @ np.diag(axis_steps(values) ** 2) @ vectors.T
    np.testing.assert_allclose(np.cov(samples.T), expected, atol=0.06 * expected.max())


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_steps_fall_with_the_eigenvalue_and_move_the_image_as_far_as_equal_ones(values):
    values = np.sort(np.array(values))[::-1]
    steps = axis_steps(values)
    floored = np.maximum(values, 1e-4 * values[0])
    np.testing.assert_allclose((floored * steps**2).sum(), floored.sum(), rtol=1e-9)
    np.testing.assert_allclose(steps / steps[0], (floored / floored[0]) ** -0.4, rtol=1e-9)


def test_latents_outside_the_frame_stay_at_the_founders_mean():
    vectors = rotation()[:, :3]
    search = EigenframeCmaEs(founders(), 0.4, 2, Eigenframe("s", np.array([3.0, 2.0, 1.0]), vectors))
    climbed(search, lambda codes: codes.sum(axis=1), 5)
    away = search.ask() - founders().mean(axis=0)
    np.testing.assert_allclose(away - away @ vectors @ vectors.T, 0, atol=1e-12)


def test_leading_directions_help_where_the_image_changes_along_few():
    """Eigenvalues fall over five decades, as those of generators; the unit's tuning is the image distance."""
    dim, n_leading = 256, 64
    values, vectors = np.logspace(0, -5, dim), rotation(256)
    weights = vectors * values**0.5
    leading = Eigenframe("s", values[:n_leading], vectors[:, :n_leading])
    gains = []
    for seed in range(8):
        target = np.random.default_rng([7, seed]).standard_normal(dim)

        def score(codes, target=target):
            return -np.square((codes - target) @ weights).sum(axis=1)

        start = founders(seed, dim, 28)
        searches = EigenframeCmaEs(start, 0.3, seed, leading), CholeskyCmaEs(start, 0.3, seed)
        with_frame, plain = (climbed(search, score, 40)[-1] for search in searches)
        gains.append(with_frame - plain)
    assert np.mean(gains) > 3 * np.std(gains, ddof=1) / np.sqrt(len(gains))


@pytest.mark.parametrize(
    "frame",
    [
        Eigenframe("s", np.ones(DIM + 1), np.eye(DIM + 1)),
        Eigenframe("s", np.zeros(DIM), np.eye(DIM)),
        None,
    ],
)
def test_an_eigenframe_of_other_latents_or_none_is_refused(frame):
    with pytest.raises(InputError, match="frame"):
        OPTIMISERS["eigenframe"](Start(founders(), 0.4, 1, frame=frame))


def test_a_concatenated_search_is_a_search_of_each_block_told_the_same_fitness():
    first = founders() * np.repeat([1.0, 0.1], [4, DIM - 4])
    blocks = {"noise": slice(0, 4), "class": slice(4, DIM)}
    joined = ConcatenatedCmaEs(first, 0.06, 9, blocks)
    seeds = np.random.SeedSequence(9).generate_state(2)
    size = {name: np.sqrt(np.square(first[:, block]).mean()) for name, block in blocks.items()}
    sigma = {"noise": 0.06 * size["noise"] / size["class"], "class": 0.06}
    alone = {
        name: CholeskyCmaEs(first[:, block], sigma[name], int(seed))
        for (name, block), seed in zip(blocks.items(), seeds, strict=True)
    }
    for _ in range(12):
        codes = joined.ask()
        fitness = -np.square(codes).sum(axis=1)
        for name, search in alone.items():
            np.testing.assert_array_equal(codes[:, blocks[name]], search.ask())
            search.tell(codes[:, blocks[name]], fitness)
        joined.tell(codes, fitness)


@pytest.mark.parametrize("blocks", [{"a": slice(0, 5)}, {"a": slice(0, 7), "b": slice(5, DIM)}])
def test_blocks_that_do_not_cover_the_latent_once_are_refused(blocks):
    with pytest.raises(InputError, match="do not cover"):
        ConcatenatedCmaEs(founders(), 1.0, 1, blocks)


def test_sphere_samples_lie_on_the_sphere_at_the_angle_of_the_generation():
    search = ZohaSphere(founders(0, 400, 40), 0.0, 3)
    radius = np.linalg.norm(founders(0, 400, 40), axis=1).mean()
    search.tell(search.ask(), np.arange(40.0))
    codes = search.ask()
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), radius, rtol=1e-12)
    np.testing.assert_array_equal(codes[0], search.mean)
    angles = np.degrees(np.arccos(codes[1:] @ codes[0] / radius**2))
    expected = 15 + 1 / (0.0017 + 0.0146)
    assert abs(angles.mean() - expected) < 0.05 * expected


def mirrored_search(score):
    """A sphere search at its mirrored generation, and what it asks then; told afterwards."""
    search = ZohaSphere(founders(2, 30, 41), 0.0, 4)
    climbed(search, score, HESSIAN_EVERY)
    codes, tangents = search.ask(), search.state()["tangents"]
    search.tell(codes, score(codes))
    return search, codes, tangents


def curved(codes):
    return codes[:, 0] - 25 * np.square(codes[:, 1])


def test_samples_of_the_mirrored_generation_are_pairs_across_the_base():
    _, codes, tangents = mirrored_search(curved)
    np.testing.assert_array_equal(tangents[:20], -tangents[20:40])
    np.testing.assert_allclose(tangents @ codes[0], 0, atol=1e-9)


def test_samples_are_shaped_by_the_inverse_root_of_the_hessian():
    """Held to the matrices themselves: H = C'C + Lambda, samples are normal deviates times its root."""
    search, codes, tangents = mirrored_search(curved)
    fitness = curved(codes)
    curvature = np.abs(fitness[1:21] + fitness[21:41] - 2 * fitness[0])
    hessian = (tangents[:20].T * curvature) @ tangents[:20]
    smallest = 0.01 * np.linalg.eigvalsh(hessian)[-1]
    expected = np.linalg.inv(sqrtm(hessian / smallest + np.eye(30)).real)
    rng = np.random.RandomState()
    restore_random(rng, search.state())
    unit_base = search.mean / np.linalg.norm(search.mean)
    shaped = rng.standard_normal((40, 30)) @ expected
    search.ask()
    np.testing.assert_allclose(
        search.state()["tangents"], shaped - np.outer(shaped @ unit_base, unit_base), atol=1e-8
    )


def test_the_sphere_search_climbs_a_unit_tuned_to_a_direction():
    target = rotation(256)[0]

    def score(codes):
        return codes @ target / np.linalg.norm(codes, axis=1)

    ends = [climbed(ZohaSphere(founders(seed, 256, 40), 0.0, seed), score, 60)[-1] for seed in range(5)]
    random_ends = [score(founders(seed, 256, 40)).mean() for seed in range(5)]
    assert min(ends) > max(random_ends) + 0.2


def test_rank_weights_sum_to_one_and_leave_out_the_worse_half():
    weights = rank_weights(np.array([3.0, 9.0, -1.0, 5.0, 4.0]))
    assert weights.sum() == pytest.approx(1)
    assert (weights > 0).tolist() == [False, True, False, True, False]
    assert weights[1] > weights[3]


def test_the_climber_is_adam_on_each_image():
    start, target = founders(), torch.arange(DIM, dtype=torch.float64)

    def response(latents):
        return -((latents - target) ** 2).sum(dim=1)

    climber = GradientClimber(start, 0.5, 0, response)
    latents = torch.from_numpy(start.copy()).requires_grad_(True)
    adam = torch.optim.Adam([latents], lr=STEP * 0.5)
    for _ in range(7):
        np.testing.assert_array_equal(climber.ask(), latents.detach().numpy())
        climber.tell(climber.ask(), np.zeros(N))
        adam.zero_grad()
        (-response(latents)).sum().backward()
        adam.step()


def test_a_climber_without_a_subject_to_differentiate_is_refused():
    with pytest.raises(InputError, match="can be differentiated"):
        OPTIMISERS["gradient"](Start(founders(), 0.4, 1))


def test_a_full_search_of_many_latents_is_warned_of(caplog):
    OPTIMISERS["cma"](Start(np.ones((4, 1025)), 1.0, 1))
    assert "eigendecomposition" in caplog.text


def test_every_mirrored_pair_counts_where_latents_are_fewer_than_pairs():
    # 40 images are 19 pairs, of 6 latents: pair 17 alone curves, at the second mirrored generation.
    search = ZohaSphere(founders(1, 6, 40), 0.0, 5)
    for _ in range(2 * HESSIAN_EVERY):
        codes = search.ask()
        search.tell(codes, -np.square(codes - 0.3).sum(axis=1))
    fitness = np.zeros(40)
    codes, tangents = search.ask(), search.state()["tangents"]
    fitness[[1 + 17, 1 + 19 + 17]] = 1.0
    search.tell(codes, fitness)
    state = search.state()
    steepest, tangent = state["directions"][np.argmax(state["shrunk"])], tangents[17]
    np.testing.assert_allclose(abs(steepest @ tangent), np.linalg.norm(tangent), rtol=1e-9)
    again = ZohaSphere(founders(1, 6, 40), 0.0, 5)
    again.restore(state)
    np.testing.assert_array_equal(again.ask(), search.ask())
