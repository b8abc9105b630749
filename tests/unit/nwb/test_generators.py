"""What made a session's images: its weights' checksum, and the noise that was kept fixed."""

import datetime as dt

import numpy as np
from hdmf.common import DynamicTable, VectorData
from pynwb import NWBFile
from scipy.io import savemat

from evoalign import tables
from evoalign.events.tables import PRESENTATIONS
from evoalign.files import sha256
from evoalign.nwb.assemble import generators
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.nwb.electrodes import read_module_table
from evoalign.nwb.settings import Nwb
from evoalign.nwb.tables import GENERATORS
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
    table = read_module_table(
        nwb, "misc", "generators", GENERATORS, "old.nwb", newer=("fixed_noise", "generator")
    )
    assert table["space"].tolist() == ["fc6"]
    assert table["fixed_noise"].tolist() == table["generator"].tolist() == [""]
