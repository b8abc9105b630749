"""No validator finds a violation in an experiment of the simulated study."""

import h5py
from session_to_package import CONFIG

from evoalign.nwb.validate import FATAL, validate
from evoalign.simulate.study import write_study
from evoalign.simulate.study_design import draw_study

# Each session has one segment here; nwbinspector would rather not have a table of one row.
BENIGN = {"check_single_row"}


def test_the_shortest_experiment_is_clean_and_a_violation_in_it_is_found(tmp_path):
    shortest = min(draw_study(), key=lambda one: one.n_blocks)
    write_study(tmp_path, [shortest], CONFIG)
    path = tmp_path / "nwb" / f"{shortest.session}.nwb"
    found = validate(path)
    assert set(found["check"]) <= BENIGN, found.to_string()
    with h5py.File(path, "r+") as file:
        del file["general/subject/species"]
    assert set(validate(path)["importance"]) & set(FATAL)
