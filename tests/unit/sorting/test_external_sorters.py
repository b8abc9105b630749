import errno

import pytest

from evoalign.sorting import external


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        MemoryError(),
        # As SpikeInterface hands on what happened in a sorter: by its text.
        RuntimeError("Spike sorting trace:\n  OSError: [Errno 28] No space left on device"),
        RuntimeError("Spike sorting trace:\n  numpy.core._exceptions._ArrayMemoryError / MemoryError"),
    ],
)
def test_a_full_machine_is_not_taken_for_a_sorter_that_finds_nothing(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(external.sorters, "run_sorter", fail)
    with pytest.raises(type(error)):
        external._run("tridesclous2", None, {}, "electrode 1")


def test_a_sorter_that_gives_up_finds_nothing(monkeypatch):
    def fail(*_, **__):
        raise ValueError("Prototype should have a negative peak")

    monkeypatch.setattr(external.sorters, "run_sorter", fail)
    assert external._run("spykingcircus2", None, {}, "electrode 1") == []
