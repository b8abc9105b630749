import errno

import numpy as np
import pytest
import spikeinterface as si
import spikeinterface.sorters as sorters
from planted_spikes import RATE, make_channels, make_recording, make_truth

from evoalign.errors import InputError
from evoalign.sorting import external
from evoalign.sorting.quality import CUTOFF_BINS, CUTOFF_MIN_PER_BIN
from evoalign.sorting.settings import Sorting
from evoalign.sorting.sort import sort


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
        external._run_all("tridesclous2", {"electrode 1": None}, {})


def test_a_sorter_that_gives_up_on_an_electrode_finds_nothing_there(monkeypatch):
    def run(name, recording, **_):
        if recording == "quiet":
            raise ValueError("Prototype should have a negative peak")
        return si.NumpySorting.from_unit_dict({0: np.array([5, 9])}, 30_000.0)

    monkeypatch.setattr(external.sorters, "run_sorter", run)
    recordings = {"electrode 1": "quiet", "electrode 2": "with a unit"}
    quiet, (train,) = external._run_all("spykingcircus2", recordings, {})
    assert quiet == [] and train.tolist() == [5, 9]


def test_a_sorter_that_gives_up_everywhere_is_an_error_with_its_own_words(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("Spike sorting trace:\n  File a, line 3\nValueError: no recording in memory")

    monkeypatch.setattr(external.sorters, "run_sorter", fail)
    with pytest.raises(InputError, match="of electrode 1: ValueError: no recording in memory"):
        external._run_all("spykingcircus2", {"electrode 1": None, "electrode 2": None}, {})


@pytest.mark.parametrize("name", ["lupin", "mountainsort5", "simple", "spykingcircus2", "tridesclous2"])
def test_seed_and_jobs_reach_every_sorter(name):
    params = external.of_run(external.check_sorter(name, {}), {}, seed=7, n_jobs=3)
    assert set(params) == set(sorters.get_default_sorter_params(name))
    assert 7 in (params.get("seed"), params.get("whitening_seed"))
    assert 3 in (params.get("n_jobs"), params.get("job_kwargs", {}).get("n_jobs"))


def test_what_config_chooses_stays():
    chosen = {"seed": 1, "job_kwargs": {"n_jobs": 2, "chunk_duration": "1s"}}
    params = external.of_run(external.check_sorter("simple", chosen), chosen, seed=7, n_jobs=3)
    assert params["seed"] == 1 and params["job_kwargs"] == chosen["job_kwargs"]


def test_units_of_many_spikes_are_described_without_their_sizes(monkeypatch):
    """Another sorter tells when spikes were, not how large: what rests on sizes stays unknown."""
    counts, _ = make_truth(duration_s=30.0)
    many = CUTOFF_BINS * CUTOFF_MIN_PER_BIN + 100
    train = np.linspace(RATE, 29 * RATE, many).astype(np.int64)
    found = si.NumpySorting.from_unit_dict([{0: train}], RATE)
    monkeypatch.setattr(external.sorters, "run_sorter", lambda *_, **__: found)
    settings = Sorting(sorter="tridesclous2", multiunit=False)
    result = sort(make_recording([counts]), make_channels(4), settings, seed=0)
    assert len(result.units) == 3 and set(result.units["n_spikes"]) == {many}
    assert result.units["amplitude_cutoff"].isna().all() and result.units["snr"].notna().all()
