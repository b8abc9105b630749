"""What made a session's images: its weights' checksum, and the noise that was kept fixed."""

import datetime as dt

import numpy as np
import pytest
from hdmf.common import DynamicTable, VectorData
from pynwb import NWBFile
from scipy.io import savemat

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.searches import Search, write_searches
from evoalign.events.tables import PRESENTATIONS
from evoalign.files import sha256
from evoalign.nwb.assemble import generators
from evoalign.nwb.contents import SessionContents, SessionMetadata, check_contents
from evoalign.nwb.electrodes import read_module_table
from evoalign.nwb.settings import Nwb
from evoalign.nwb.tables import GENERATORS, NEWER_OF_GENERATORS
from evoalign.sheet import Session
from evoalign.spaces.settings import Spaces

NOISE = np.random.default_rng(0).normal(size=128)
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def test_the_task_s_fixed_noise_and_the_configured_weights_are_kept(tmp_path):
    options = np.zeros((1, 2), dtype=[("name", object), ("fix_noise_vec", object)])
    options[0, 0] = ("fc6", np.zeros((0, 0)))
    options[0, 1] = ("BigGAN_class", NOISE[None])
    savemat(tmp_path / "space_opts.mat", {"space_opts": options})
    for name in ("fc6.pt", "other.pt"):
        (tmp_path / name).write_text(name)
    session = Session(
        session="s1", subject="A", log="log.tsv", latents=str(tmp_path), spaces=("fc6", "BigGAN_class")
    )
    codes = {(1, 0): (np.zeros((3, 4096)), []), (1, 1): (np.zeros((3, 128)), [])}
    spaces = Spaces.model_validate({"deepsim": {"weights": f"{tmp_path}/fc6.pt"}})
    no_presentations = tables.empty(PRESENTATIONS)
    table = generators(session, no_presentations, codes, Nwb(), spaces.weights_of)
    assert table["latent_dim"].tolist() == [4096, 128]
    assert table["weights_sha256"].tolist() == [sha256(tmp_path / "fc6.pt"), ""]
    contents = SessionContents(SessionMetadata("s1", "A"), START, generators=table)
    assert contents.fixed_noise(0) is None
    assert np.array_equal(contents.fixed_noise(1), NOISE)  # to the last bit
    assert contents.fixed_noise(2) is None
    own = Nwb(weights={"fc6": f"{tmp_path}/other.pt"})  # nwb.weights wins
    table = generators(session, no_presentations, codes, own, spaces.weights_of)
    assert table["weights_sha256"][0] == sha256(tmp_path / "other.pt")


def test_files_of_before_these_columns_are_still_read():
    nwb = NWBFile("d", "i", START)
    columns = {"thread": [0], "space": ["fc6"], "latent_dim": [4096], "weights_sha256": [""], "metric": [""]}
    nwb.create_processing_module("misc", "d").add(
        DynamicTable(
            name="generators",
            description="d",
            columns=[VectorData(name=name, description="d", data=data) for name, data in columns.items()],
        )
    )
    table = read_module_table(nwb, "misc", "generators", GENERATORS, "old.nwb", newer=NEWER_OF_GENERATORS)
    assert table["space"].tolist() == ["fc6"]
    assert (table[list(NEWER_OF_GENERATORS)] == "").all(axis=None)


NO_PRESENTATIONS = tables.empty(PRESENTATIONS)
SHEET = {"session": "s1", "subject": "A", "log": "log.tsv", "spaces": ("fc6", "BigGAN_class")}


def test_of_a_session_of_the_closed_loop_optimisers_and_spaces_are_those_that_ran(tmp_path):
    optimiser = {"name": "cholesky", "first_step": "3.0", "seed": "12"}
    biggan = {"space": "BigGAN_class", "weights_sha256": "cd" * 32, "fixed_noise": "0.5 -1.25"}
    write_searches(tmp_path, {0: Search({"name": "zoha"}, {"space": "fc6"}), 1: Search(optimiser, biggan)})
    session = Session(**SHEET, latents=str(tmp_path), optimisers=("sphere", "the study's"))
    table = generators(session, NO_PRESENTATIONS, {}, Nwb())
    assert table["optimiser"].tolist() == ["zoha", "cholesky"]
    assert table["optimiser_settings"][1] == "first_step: 3.0; seed: 12"
    assert table["weights_sha256"].tolist() == ["", "cd" * 32]
    assert table["generator"][0] == "space: fc6"
    contents = check_contents(SessionContents(SessionMetadata("s1", "A"), START, generators=table))
    assert contents.fixed_noise(0) is None and contents.fixed_noise(1).tolist() == [0.5, -1.25]


def test_other_weights_than_those_that_made_the_images_are_refused(tmp_path):
    write_searches(tmp_path, {0: Search({"name": "cma"}, {"space": "fc6", "weights_sha256": "cd" * 32})})
    (tmp_path / "fc6.pt").write_text("other")
    session = Session(**SHEET, latents=str(tmp_path))
    with pytest.raises(InputError, match="are not those that made the images of thread 0"):
        generators(session, NO_PRESENTATIONS, {}, Nwb(weights={"fc6": f"{tmp_path}/fc6.pt"}))


def test_of_another_rig_the_optimisers_are_those_of_the_sheet(tmp_path):
    session = Session(**SHEET, latents=str(tmp_path), optimisers=("CMA-ES", "Adam"))
    table = generators(session, NO_PRESENTATIONS, {}, Nwb())
    assert table["optimiser"].tolist() == ["CMA-ES", "Adam"]
    assert table["optimiser_settings"].tolist() == ["", ""]
    unnamed = Session(**SHEET, latents=str(tmp_path))
    assert generators(unnamed, NO_PRESENTATIONS, {}, Nwb())["optimiser"].tolist() == ["", ""]


@pytest.mark.parametrize(
    ("optimiser", "settings"),
    [("cma", "{"), ("cma", "seed: 7; twice"), ("cma", "seed: 7; seed: 8"), ("", "seed: 7")],
)
def test_settings_that_cannot_be_read_again_are_refused(tmp_path, optimiser, settings):
    table = generators(Session(**SHEET, latents=str(tmp_path)), NO_PRESENTATIONS, {}, Nwb())
    table.loc[1, ["optimiser", "optimiser_settings"]] = [optimiser, settings]
    with pytest.raises(InputError, match="settings of thread 1 are not"):
        check_contents(SessionContents(SessionMetadata("s1", "A"), START, generators=table))


def test_a_thread_that_stands_twice_is_refused(tmp_path):
    table = generators(Session(**SHEET, latents=str(tmp_path)), NO_PRESENTATIONS, {}, Nwb())
    with pytest.raises(InputError, match="thread 0 stands twice"):
        check_contents(
            SessionContents(SessionMetadata("s1", "A"), START, generators=table.assign(thread=[0, 0]))
        )
