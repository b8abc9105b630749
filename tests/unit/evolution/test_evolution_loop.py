"""Optimisers and the closed loop, on subjects whose taste is known in closed form."""

import numpy as np
import pytest
import torch

from evoalign.errors import InputError
from evoalign.evolution.loop import EvolutionThread, evolve, image_name
from evoalign.evolution.optimisers import CmaEs, default_population
from evoalign.spaces.interface import to_bytes
from evoalign.spaces.registry import get_space


class Pixels:
    """A subject that likes light images: fitness = mean grey value."""

    def __init__(self):
        self.blocks = []

    def show(self, images):
        self.blocks.append(list(images))
        return np.array([image.pixels.mean() for image in images])


def paired(seed=0, n=12):
    threads = []
    for number, name in enumerate(("texture", "object")):
        space = get_space(name)
        start = space.sample_initial(n, torch.Generator().manual_seed(seed + number)).numpy()
        threads.append(EvolutionThread(number, space, CmaEs(start, 0.8, seed + number + 1)))
    return threads


def run(seed=0, n_blocks=4, references=None):
    subject = Pixels()
    history = evolve(paired(seed), subject, n_blocks, np.random.default_rng(seed), references)
    return subject, history


def test_cma_es_reaches_the_optimum_of_a_quadratic():
    target = np.array([1.0, -2.0, 0.5, 3.0])
    optimiser = CmaEs(np.random.default_rng(0).normal(size=(12, 4)), 1.0, seed=1)
    for _ in range(120):
        codes = optimiser.ask()
        optimiser.tell(codes, -((codes - target) ** 2).sum(axis=1))
    assert np.allclose(optimiser.mean, target, atol=1e-4)


def test_the_founders_are_the_first_generation_and_later_ones_are_new():
    start = np.random.default_rng(0).normal(size=(8, 5))
    optimiser = CmaEs(start, 1.0, seed=1)
    assert np.array_equal(optimiser.ask(), start)
    assert np.array_equal(optimiser.ask(), start)  # until their fitness is told
    optimiser.tell(start, start[:, 0])
    later = optimiser.ask()
    assert later.shape == start.shape
    assert not np.isclose(later, start).any()


def test_the_mean_moves_towards_the_fitter_founders_by_the_published_weights():
    # Hansen's log-rank weights over the better half, and nothing else, move the mean.
    start = np.random.default_rng(3).normal(size=(12, 4))
    fitness = np.random.default_rng(4).normal(size=12)
    optimiser = CmaEs(start, 1.0, seed=1)
    optimiser.tell(start, fitness)
    weights = np.log(6.5) - np.log(np.arange(1, 7))
    best = start[np.argsort(-fitness)[:6]]
    assert np.allclose(optimiser.mean, (weights / weights.sum()) @ best)


def test_the_population_is_the_studys():
    assert [default_population(n) for n in (4096, 128)] == [40, 25]


@pytest.mark.parametrize(
    ("codes", "fitness"),
    [
        (np.zeros((8, 5)), np.zeros(7)),
        (np.zeros((8, 4)), np.zeros(8)),
        (np.zeros((8, 5)), np.full(8, np.nan)),
    ],
)
def test_answers_that_do_not_fit_are_refused(codes, fitness):
    with pytest.raises(InputError):
        CmaEs(np.zeros((8, 5)), 1.0, seed=0).tell(codes, fitness)


def test_a_block_shows_every_image_once_in_random_order_threads_interleaved():
    reference = [np.zeros((64, 64, 3), np.uint8)] * 2
    subject, history = run(references={0: reference, 1: reference})
    for number, block in enumerate(subject.blocks, 1):
        assert len({image.name for image in block}) == len(block) == 2 * (12 + 2)
        threads = [image.thread for image in block]
        assert threads != sorted(threads)
        for generation in history:
            if generation.block == number:
                shown = {i.name for i in block if i.thread == generation.thread and not i.reference}
                assert shown == set(generation.names)
    orders = {tuple(image.latent_row for image in block) for block in subject.blocks}
    assert len(orders) == len(subject.blocks)


def test_references_repeat_by_name_and_teach_nothing():
    reference = {0: [np.full((64, 64, 3), 255, np.uint8)]}
    with_them, history = run(references=reference)
    names = [[i.name for i in block if i.reference] for block in with_them.blocks]
    assert names == [["block000_thread000_gen_gen000_000000_nat"]] * 4
    _, without = run()
    assert all(np.array_equal(a.codes, b.codes) for a, b in zip(history, without, strict=True))


def test_each_score_goes_to_the_code_that_was_rendered():
    _, history = run()
    for generation in history:
        space = get_space(("texture", "object")[generation.thread])
        pixels = to_bytes(space.render(torch.from_numpy(generation.codes)))
        assert np.array_equal(pixels.mean(axis=(1, 2, 3)), generation.fitness)


def test_evolution_raises_the_fitness_of_a_subject_with_a_taste():
    _, history = run(n_blocks=12)
    scores = [g.fitness.mean() for g in history if g.thread == 1]
    assert scores[-1] > scores[0] + 5


def test_the_same_seeds_give_the_same_run():
    (first, a), (second, b) = run(5), run(5)
    assert [[i.name for i in block] for block in first.blocks] == [
        [i.name for i in block] for block in second.blocks
    ]
    assert all(np.array_equal(x.codes, y.codes) for x, y in zip(a, b, strict=True))


def test_names_follow_the_studys_rig():
    assert image_name(3, 1, 24) == "block003_thread001_gen_gen002_000024"
    assert image_name(0, 0, 1, reference=True) == "block000_thread000_gen_gen000_000001_nat"


def test_a_subject_that_answers_too_few_values_is_refused():
    class Mute:
        def show(self, images):
            return np.zeros(len(images) - 1)

    with pytest.raises(InputError, match=r"\[23\] values to 24 images"):
        evolve(paired(), Mute(), 2, np.random.default_rng(0))
