"""The clustering process: its answers are its own, it is not waited for without limit, ties do no harm."""

import numpy as np
import pytest

from evoalign.errors import InputError
from evoalign.sorting import isosplit as of
from evoalign.sorting.clustering import cluster, distinct
from evoalign.sorting.isosplit import end_children, isosplit

STUB = """
import os, sys, time
import numpy as np
sys.path.insert(0, {package!r})
from evoalign.sorting import isosplit_child
def labels(points, initial_labels=None):
    {what}
    return np.ones(len(points), np.int32)
isosplit_child.isosplit6 = labels
isosplit_child.main(10**12)
"""


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """A function that puts a child that does something in the place of isosplit6's."""

    def put(what):
        end_children()
        path = tmp_path / "child.py"
        package = of.__file__.rsplit("/evoalign/", 1)[0]
        path.write_text(STUB.format(package=package, what=what))
        monkeypatch.setattr(of.isosplit_child, "__file__", str(path))

    yield put
    end_children()


@pytest.mark.parametrize("what", ["print('warning: ties', flush=True)", "os.write(1, b'warning' * 99)"])
def test_what_the_library_prints_is_no_label(stub, what):
    stub(what)
    for _ in range(3):
        assert isosplit(np.zeros((50, 2))).tolist() == [1] * 50


def test_a_child_that_does_not_answer_is_an_input_error(stub, monkeypatch):
    stub("time.sleep(3600)")
    monkeypatch.setattr(of, "LIMIT_S", 0.5)
    with pytest.raises(InputError, match="clustering 50 spikes did not end within 1 s") as caught:
        isosplit(np.zeros((50, 2)))
    assert caught.value.hint
    assert of._idle == []


@pytest.mark.parametrize("n_loops", [2, 4, 10])
def test_spikes_of_a_loop_give_the_clusters_of_fresh_ones(n_loops):
    rng = np.random.default_rng(n_loops)
    mean = 8 * np.repeat([0, 1], 300)[:, None]
    once = rng.normal(mean, 1, (600, 20))
    fresh = rng.normal(np.tile(mean, (n_loops, 1)), 1, (600 * n_loops, 20))
    for waves in (np.tile(once, (n_loops, 1)), fresh):
        labels = cluster(waves, 30)
        np.testing.assert_array_equal(np.unique(labels, return_counts=True)[1], [300 * n_loops] * 2)
        assert (labels == np.tile(labels[:600], n_loops)).all()


def test_points_without_ties_keep_their_order():
    points = np.random.default_rng(0).normal(size=(100, 3))
    assert distinct(points)[0].tolist() == list(range(100))
    first, copy_of = distinct(np.tile(points, (2, 1)))
    np.testing.assert_array_equal(points[first][copy_of], np.tile(points, (2, 1)))
