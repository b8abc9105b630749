"""A demo session as a whole: files, truth, determinism, and evolutions that succeed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import stats

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.latent_codes import read_codes
from evoalign.events.tables import LOG
from evoalign.files import sha256
from evoalign.simulate.demo import demo_array_map, demo_sessions, simulate_session
from evoalign.simulate.experiment import run_evolution
from evoalign.simulate.settings import Demo
from evoalign.simulate.tables import TRUE_PRESENTATIONS, TRUE_UNITS
from evoalign.simulate.truth import planted_facts
from evoalign.simulate.ventral_stream import AREAS, ModelUnit
from evoalign.sorting.tables import SPIKES
from evoalign.spaces.interface import to_bytes
from evoalign.spaces.registry import get_space

SMALL = Demo(n_electrodes=6, n_blocks=4, images_per_thread=6, references_per_thread=1)
VENDORS = ("blackrock", "plexon")


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    folders = {}
    for vendor in VENDORS:
        folders[vendor] = tmp_path_factory.mktemp("demo") / f"it_{vendor}"
        simulate_session(folders[vendor], area="IT", vendor=vendor, settings=SMALL, seed=11)
    return folders


@pytest.fixture(scope="module", params=VENDORS)
def session(request, sessions):
    return sessions[request.param]


def read_log(folder):
    return pd.read_csv(folder / "log.tsv", sep="\t").fillna({"reason": ""})


def picture(path):
    return np.array(Image.open(path))


def test_a_session_holds_what_a_rig_saves_under_the_folders_name(sessions):
    for vendor, suffixes in (("blackrock", (".nev", ".ns6")), ("plexon", (".plx",))):
        folder = sessions[vendor]
        raw = {path.suffix for path in folder.iterdir() if path.stem == folder.name}
        assert raw == set(suffixes)
        assert {"log.tsv", "latents", "images", "truth"} <= {path.name for path in folder.iterdir()}


def test_the_log_keeps_its_contract_and_names_every_image(session):
    log = tables.conform(read_log(session), LOG)
    assert len(log) == 4 * 2 * 7
    assert {f"{name}.png" for name in log["image"]} == {p.name for p in (session / "images").iterdir()}
    assert (log[log["reference"]].groupby("image").size() == 4).all()  # references repeat in every block
    assert (log[~log["reference"]].groupby("image").size() == 1).all()
    assert set(zip(log["thread"], log["space"], strict=True)) == {(0, "texture"), (1, "object")}


def test_the_latents_render_to_the_shown_images(session):
    log = read_log(session).set_index("image")
    codes = read_codes(session / "latents")
    assert set(codes) == {(block, thread) for block in range(1, 5) for thread in (0, 1)}
    for (block, thread), (latents, names) in codes.items():
        space = get_space(("texture", "object")[thread])
        pixels = to_bytes(space.render(torch.from_numpy(np.array(latents))))
        for row, name in enumerate(names):
            assert log.loc[name, ["block", "thread", "latent_row"]].tolist() == [block, thread, row]
            assert np.array_equal(picture(session / "images" / f"{name}.png"), pixels[row])


def preferred_unit(session):
    truth = session / "truth"
    preferred = (picture(truth / f"preferred_{kind}.png") for kind in ("texture", "object"))
    return ModelUnit(AREAS["IT"], *preferred, gain_hz=AREAS["IT"].gain_hz)


def test_the_planted_rate_follows_from_the_image_files_alone(session):
    planted = json.loads((session / "truth" / "truth.json").read_text())
    true = tables.read(session / "truth" / "presentations.parquet", TRUE_PRESENTATIONS)
    shown = np.stack([picture(session / "images" / f"{name}.png") for name in true["image"]])
    from_images = preferred_unit(session).rates(shown)
    from_truth = (
        planted["base_hz"]
        + np.outer(true["texture_match"], planted["kernel_texture_hz"])
        + np.outer(true["object_match"], planted["kernel_object_hz"])
    )
    assert np.allclose(from_images, from_truth, rtol=1e-5)


def test_the_planted_crossover_is_that_of_the_images_of_the_last_two_blocks(session):
    planted = json.loads((session / "truth" / "truth.json").read_text())
    log = read_log(session)
    rates = {}
    for thread in (0, 1):
        names = log.query("thread == @thread and not reference and block >= 3")["image"]
        shown = np.stack([picture(session / "images" / f"{name}.png") for name in names])
        rates[thread] = preferred_unit(session).rates(shown)[:, :200].mean(axis=0)
        assert np.allclose(rates[thread], planted["converged_rates_hz"][f"thread{thread}"], rtol=1e-5)
    leads = rates[1] > rates[0]
    expected = next((ms for ms in range(200) if leads[ms:].all()), None)
    assert planted["crossover_ms"] == expected


def test_both_vendors_record_the_same_animal(sessions):
    # The spikes, the images and the words do not depend on the file format.
    a, b = (sessions[vendor] for vendor in VENDORS)
    for name in ("log.tsv", "images", "latents", "truth/spikes.parquet", "truth/units.parquet"):
        assert sha256(a / name) == sha256(b / name)


def test_spikes_of_the_preferred_unit_follow_the_planted_rate(session):
    planted = json.loads((session / "truth" / "truth.json").read_text())
    spikes = tables.read(session / "truth" / "spikes.parquet", SPIKES)
    true = tables.read(session / "truth" / "presentations.parquet", TRUE_PRESENTATIONS)
    times = spikes.query(f"unit == {planted['preferred_unit']}")["time_s"].to_numpy()
    onset = true["onset_s"].to_numpy()
    found = (np.searchsorted(times, onset + 0.2) - np.searchsorted(times, onset + 0.05)).sum()
    texture, late = (np.array(planted[f"kernel_{k}_hz"])[50:200].sum() for k in ("texture", "object"))
    expected = (
        planted["base_hz"] * 0.15 * len(true)
        + (true["texture_match"].sum() * texture + true["object_match"].sum() * late) / 1000
    )
    assert abs(found - expected) < 4 * np.sqrt(expected)


def test_units_are_as_the_demo_promises(session):
    units = tables.read(session / "truth" / "units.parquet", TRUE_UNITS)
    assert units["channel"].value_counts().between(1, 3).all()
    assert sorted(units["channel"].unique()) == list(range(1, 7))
    assert units["amplitude_uv"].between(60, 180).all()
    preferred = units[units["preferred"]]
    assert preferred[["channel", "online_unit"]].to_numpy().tolist() == [[6, 1]]
    others = units.query("channel == 6 and not preferred")
    assert (others["amplitude_uv"] < 0.6 * preferred["amplitude_uv"].iloc[0]).all()


def test_the_sample_sheets_facts_are_known_beforehand():
    rows = demo_sessions(Demo())
    assert len({row.session for row in rows}) == 6
    assert {row.preferred for row in rows} == {"6a"}
    assert {row.photodiode for row in rows} == {"ainp1", "AI01"}
    assert all(row.spaces == ("texture", "object") for row in rows)
    assert demo_array_map("V4", Demo())["area"].tolist() == ["V4"] * Demo().n_electrodes


def test_bytes_depend_on_the_seed_and_not_on_threads(tmp_path):
    tiny = Demo(n_electrodes=4, n_blocks=4, images_per_thread=4, references_per_thread=1)
    sums = []
    for run, (threads, seed) in enumerate([(1, 3), (2, 3), (1, 4)]):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        for vendor in VENDORS:
            simulate_session(tmp_path / str(run) / vendor, area="V4", vendor=vendor, settings=tiny, seed=seed)
        assert torch.get_num_threads() == threads
        torch.set_num_threads(before)
        sums.append(sha256(tmp_path / str(run)))
    assert sums[0] == sums[1]
    assert sums[0] != sums[2]


def test_an_unknown_area_or_vendor_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="area 'V2'"):
        simulate_session(tmp_path / "s", area="V2", vendor="plexon", settings=SMALL, seed=0)
    with pytest.raises(InputError, match="vendor 'tdt'"):
        simulate_session(tmp_path / "s", area="V4", vendor="tdt", settings=SMALL, seed=0)
    assert not list(Path(tmp_path).iterdir())


def succeeds(history, thread):
    """Success statistics of docs/methods.md section 3, written out: (endinit, maxinit)."""
    scores = np.stack([g.fitness for g in history if g.thread == thread])
    best = min(int(scores.mean(axis=1).argmax()), len(scores) - 3)
    outcome = []
    for blocks in (scores[-2:], scores[best : best + 2]):
        test = stats.ttest_ind(blocks.ravel(), scores[:2].ravel())
        outcome.append(bool(test.pvalue < 0.01 and test.statistic > 0))
    return tuple(outcome)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("area", "texture", "figure"), [("V1", True, None), ("V4", True, None), ("IT", True, True)]
)
def test_evolutions_succeed_where_the_area_is_driven(area, texture, figure):
    for seed in (1001, 1002, 1003):
        evolved = run_evolution(area, Demo(), seed)
        assert succeeds(evolved.history, 0) == (texture, texture)
        if figure is not None:
            assert succeeds(evolved.history, 1) == (figure, figure)
        crossover = planted_facts(evolved)["crossover_ms"]
        if area == "IT":
            assert 90 <= crossover <= 110
        else:
            assert crossover is None
