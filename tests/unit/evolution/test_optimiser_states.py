"""An optimiser that is restored goes on bit for bit; the library's own pickle does not."""

import io
import pickle

import numpy as np
import pytest
from cmaes import CMA

from evoalign.errors import InputError
from evoalign.evolution.choice import OPTIMISERS, Start
from evoalign.evolution.cholesky import UPDATE_EVERY, CholeskyCmaEs
from evoalign.evolution.optimisers import CmaEs, RandomSearch
from evoalign.spaces.hessian import Eigenframe

DIM, N = 9, 8


def founders(seed=0):
    return np.random.default_rng(seed).standard_normal((N, DIM))


def landscape(codes):
    return -((codes - 0.5) ** 2).sum(axis=1)  # of arrays and of tensors


def new(name, seed=3, first=None):
    """An optimiser of that name, with all that any of them may need."""
    rng = np.random.default_rng(1)
    vectors = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0]
    frame = Eigenframe("s", np.logspace(0, -2, DIM), vectors)
    blocks = {"noise": slice(0, 4), "class": slice(4, DIM)}
    return OPTIMISERS[name](
        Start(founders() if first is None else first, 0.7, seed, blocks, frame, landscape)
    )


def through_a_file(state):
    buffer = io.BytesIO()
    np.savez(buffer, **state)
    buffer.seek(0)
    with np.load(buffer, allow_pickle=False) as content:
        return {name: content[name] for name in content.files}


def steps(optimiser, n):
    asked = []
    for _ in range(n):
        codes = optimiser.ask()
        optimiser.tell(codes, landscape(codes))
        asked.append(codes)
    return asked


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
@pytest.mark.parametrize("n_before", [0, 1, 2, 10, 13])
def test_a_restored_optimiser_goes_on_bit_for_bit(name, n_before):
    optimiser = new(name)
    steps(optimiser, n_before)
    state = through_a_file(optimiser.state())
    expected = steps(optimiser, 6)
    resumed = new(name, 99)
    resumed.restore(state)
    np.testing.assert_array_equal(steps(resumed, 6), expected)


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
def test_a_state_taken_between_ask_and_tell_goes_on_too(name):
    optimiser = new(name)
    steps(optimiser, 3)
    codes = optimiser.ask()
    state = through_a_file(optimiser.state())
    resumed = new(name, 99)
    resumed.restore(state)
    for optimiser_of_two in (optimiser, resumed):
        optimiser_of_two.tell(codes, landscape(codes))
    np.testing.assert_array_equal(steps(resumed, 3), steps(optimiser, 3))


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
def test_a_state_stays_as_it_was_taken(name):
    optimiser = new(name)
    steps(optimiser, 2)
    state = optimiser.state()
    before = {key: np.array(value) for key, value in state.items()}
    steps(optimiser, 2)
    for key, value in before.items():
        np.testing.assert_array_equal(state[key], value, err_msg=key)


def test_the_pickle_of_cmaes_forgets_its_random_numbers():
    """Why `state` exists: if this fails, the library has mended it."""
    optimiser = CMA(mean=np.zeros(DIM), sigma=1.0, seed=1, population_size=N)
    optimiser.ask()
    copies = [pickle.loads(pickle.dumps(optimiser)) for _ in range(2)]
    assert not np.array_equal(copies[0].ask(), copies[1].ask())


def test_search_equals_the_library_told_the_same():
    optimiser = CmaEs(founders(), 0.7, 3)
    reference = CMA(mean=founders().mean(axis=0), sigma=0.7, seed=3, population_size=N)
    codes = founders()
    np.testing.assert_array_equal(optimiser.ask(), codes)
    for _ in range(5):
        optimiser.tell(codes, landscape(codes))
        reference.tell([(code, -value) for code, value in zip(codes, landscape(codes), strict=True)])
        codes = optimiser.ask()
        np.testing.assert_array_equal(codes, [reference.ask() for _ in range(N)])


def test_founders_that_lie_too_far_away_are_learnt_from_at_the_length_of_samples():
    """Told shortened founders, the library goes where the loop's `cma` goes."""
    first, sigma = founders(), 0.1
    mean = first.mean(axis=0)
    optimiser = OPTIMISERS["cma"](Start(first, sigma, 3))
    lengths = np.linalg.norm((first - mean) / sigma, axis=1)
    longest = np.sqrt(DIM) + 2 * DIM / (DIM + 2)
    assert (lengths > longest).all()
    shortened = mean + (first - mean) * (longest / lengths)[:, None]
    reference = CMA(mean=mean, sigma=sigma, seed=3, population_size=N)
    optimiser.tell(first, landscape(first))
    reference.tell([(code, -value) for code, value in zip(shortened, landscape(first), strict=True)])
    # Not the samples: the last bits of an almost round covariance turn its eigenvectors.
    for name in ("mean", "sigma", "C", "p_sigma", "pc"):
        np.testing.assert_allclose(
            optimiser.state()[f"cma_{name}"], getattr(reference, f"_{name}"), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize(
    "other", [CmaEs(np.ones((N, DIM + 1)), 1.0, 0), RandomSearch(np.ones((N, 4)), 1.0, 0)]
)
@pytest.mark.parametrize("name", sorted(OPTIMISERS))
def test_a_state_of_another_optimiser_is_refused(name, other):
    with pytest.raises(InputError, match="the state is not of this"):
        new(name).restore(other.state())


def test_random_search_steps_from_the_best_so_far():
    search = RandomSearch(founders(), 1e-9, 0)
    codes = search.ask()
    search.tell(codes, landscape(codes))
    best = codes[np.argmax(landscape(codes))]
    np.testing.assert_allclose(search.ask(), np.tile(best, (N, 1)), atol=1e-7)
    search.tell(search.ask(), np.full(N, -1e9))
    np.testing.assert_allclose(search.ask(), np.tile(best, (N, 1)), atol=1e-7)


def test_the_factor_and_its_inverse_are_those_of_the_covariance():
    """C becomes (1 - c) C + c p' p every ten generations: held to the matrices themselves."""
    optimiser = CholeskyCmaEs(founders(), 0.7, 3)
    covariance, c = np.eye(DIM), 2 / (DIM + np.sqrt(2)) ** 2
    for generation in range(1, 4 * UPDATE_EVERY + 1):
        steps(optimiser, 1)
        state = optimiser.state()
        if generation % UPDATE_EVERY == 0:
            covariance = (1 - c) * covariance + c * np.outer(state["path"], state["path"])
        np.testing.assert_allclose(state["factor"].T @ state["factor"], covariance, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(state["factor"] @ state["inverse"], np.eye(DIM), atol=1e-9)
    assert not np.allclose(covariance, np.eye(DIM))


def test_samples_of_the_cholesky_search_have_its_covariance():
    optimiser = CholeskyCmaEs(np.random.default_rng(0).standard_normal((4000, 3)), 0.5, 3)
    steps(optimiser, 12)
    state = optimiser.state()
    samples = (optimiser.ask() - state["mean"]) / state["sigma"]
    expected = state["factor"].T @ state["factor"]
    np.testing.assert_allclose(np.cov(samples.T), expected, atol=0.12)
    # The mean of 4,000 deviates: five standard errors.
    assert np.abs(samples.mean(axis=0)).max() < 5 * np.sqrt(expected.diagonal().max() / 4000)
