"""isosplit6 in other processes: its own labels, from any thread, and no process that outgrows its bound."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isosplit6 import isosplit6

from evoalign.sorting import isosplit as of
from evoalign.sorting.isosplit import end_children, isosplit


@pytest.fixture(autouse=True)
def _tidy():
    end_children()
    yield
    end_children()


def clouds(n, dimensions, k, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(6 * rng.integers(0, k, n)[:, None], 1, (n, dimensions))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.integers(1, 10), st.integers(1, 4), st.booleans())
def test_labels_are_the_librarys_own(n, dimensions, k, started):
    points = clouds(n, dimensions, k)
    first = np.random.default_rng(1).integers(1, 3, n).astype(np.int32) if started else None
    np.testing.assert_array_equal(isosplit(points, first), isosplit6(points, initial_labels=first))


def test_threads_that_ask_at_once_get_their_own_answers():
    asked = [clouds(2000 + 100 * k, 3, 1 + k % 4, seed=k) for k in range(12)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(isosplit, asked))
    for points, labels in zip(asked, found, strict=True):
        np.testing.assert_array_equal(labels, isosplit6(points))
    assert 1 <= len(of._idle) <= 4, "processes wait for more work"


def test_a_process_that_has_grown_is_replaced(monkeypatch):
    isosplit(clouds(100, 2, 2))
    (kept,) = of._idle
    isosplit(clouds(100, 2, 2))
    assert of._idle == [kept]
    end_children()
    assert kept._process.returncode == 0
    monkeypatch.setattr(of, "MAX_RSS", 1)
    isosplit(clouds(100, 2, 2))
    assert of._idle == []


def test_a_process_that_dies_is_told_and_the_next_call_has_another():
    isosplit(clouds(100, 2, 2))
    (child,) = of._idle
    child._process.kill()
    with pytest.raises(ChildProcessError, match="isosplit6 ended with -9"):
        isosplit(clouds(100, 2, 2))
    assert len(np.unique(isosplit(clouds(300, 2, 2)))) == 2
