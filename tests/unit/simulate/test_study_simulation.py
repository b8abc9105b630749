"""The simulated study has the paper's numbers, and its NWB files hold what was drawn."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from evoalign import study
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session.analyse import analyse_experiment
from evoalign.nwb.read import read_nwb
from evoalign.recordings.array_map import read_array_map
from evoalign.responses.session_responses import responses_from
from evoalign.sheet import load_sessions
from evoalign.simulate.study import main, write_study
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.study_rates import draw_truth, effect
from evoalign.simulate.study_session import simulate_responses

CONFIG = study.Config(device="cpu")
SPAN = (CONFIG.responses.start_ms, CONFIG.responses.stop_ms)


@pytest.fixture(scope="module")
def designs():
    return draw_study()


def test_the_papers_numbers(designs):
    assert len(designs) == len({one.session for one in designs}) == 170
    valid = [one for one in designs if one.valid]
    assert Counter(one.area for one in valid) == {"V1": 10, "V4": 38, "IT": 106}
    assert len({(one.subject, one.preferred) for one in designs}) == 91
    assert {one.subject for one in designs} == {"A", "B"}
    assert min(one.n_blocks - (one.last_images < 10) for one in valid) >= 15
    assert max(one.n_blocks for one in designs) <= 56
    spaces = Counter(one.spaces for one in designs)
    assert spaces["fc6", "BigGAN_class"] == 130 and spaces["fc6", "BigGAN"] == 37
    assert any(one.unstable for one in designs) and any(one.dropout > 0 for one in designs)
    assert {(False, False), (True, False), (False, True), (True, True)} == {one.rises for one in designs}


def test_channels_lie_in_their_areas(designs):
    areas = read_array_map("resources/arrays/study_64.tsv").set_index("channel")["area"]
    assert all(areas[one.channel] == one.area for one in designs)


@pytest.mark.parametrize("n", [1, 12, 170, 500])
def test_a_smaller_study_keeps_the_areas_shares(n):
    drawn = draw_study(n)
    assert len(drawn) == min(n, 170) == len({one.session for one in drawn})
    if n >= 12:
        assert {one.area for one in drawn} == {"V1", "V4", "IT"}


def test_images_of_each_block(designs):
    design = next(one for one in designs if one.last_images < 10 and one.valid)
    shown = simulate_responses(design, *SPAN).presentations
    generated = shown[~shown["reference"]]
    table = pd.crosstab(generated["block"], generated["thread"])
    assert table.loc[1].tolist() == [30, 30]
    assert table.loc[2 : design.n_blocks - 1].drop_duplicates().to_numpy().tolist() == [[40, 25]]
    assert table.loc[design.n_blocks].tolist() == [design.last_images] * 2
    assert (shown[shown["reference"]].groupby(["block", "thread"]).size() == 10).all()


def test_inclusion_is_as_planned(designs):
    settings = CONFIG.analysis.model_copy(update={"n_bootstrap": 10})
    odd = [one for one in designs if not one.valid]
    odd = sorted(odd, key=lambda one: one.n_blocks)[:3] + [one for one in odd if one.unstable][:1]
    odd += [designs[0], *[one for one in designs if one.spaces[1] == "fc6"][:1]]
    for design in odd:
        responses = simulate_responses(design, *SPAN)
        experiment = experiment_from(responses, settings, unstable=design.unstable)
        row = analyse_experiment(experiment, settings, 0)["experiments"].iloc[0]
        assert row["valid"] == design.valid, (design.session, row["reason"])


def test_block_means_are_the_planted_rates(designs):
    design = designs[0]
    responses, truth = simulate_responses(design, *SPAN), draw_truth(design, *SPAN)
    shown, counts = responses.presentations, responses.counts[0].sum(1).astype(float)
    late = (shown["block"] > 10) & ~shown["reference"]
    for thread in (0, 1):
        own = counts[(late & (shown["thread"] == thread)).to_numpy()]
        blocks = shown.loc[late & (shown["thread"] == thread), "block"].to_numpy() - 1
        expected = truth.rates[thread].sum(-1)[blocks].mean() / 1000
        assert abs(own.mean() - expected) < 4 * own.std() / np.sqrt(len(own))


def test_null_plants_nothing_and_effects_are_where_they_are_said(designs):
    for design in designs[:20]:
        texture, object_ = draw_truth(design, *SPAN, null=True).rates
        assert np.array_equal(texture, object_)
    time = np.arange(0, 200) + 0.5
    assert set(effect("V4", time)) == {0.0, 0.5} and effect("V4", time)[50:110].min() == 0.5
    assert effect("IT", time)[[49, 50, 89, 90, 109, 110, 199]].tolist() == [0, 0.5, 0.5, 0, 0, -0.5, -0.5]


def test_nwb_files_read_back_as_the_responses(tmp_path):
    designs = draw_study(2, seed=5)
    write_study(tmp_path, designs, CONFIG)
    for row, design in zip(load_sessions(tmp_path / "sessions.tsv"), designs, strict=True):
        found = responses_from(read_nwb(row.nwb), CONFIG.responses)
        made = simulate_responses(design, *SPAN)
        assert np.array_equal(found.counts, made.counts)
        assert (found.session, found.subject, found.area) == (row.session, design.subject, design.area)
        pd.testing.assert_frame_equal(found.presentations, made.presentations)
        assert sorted(found.codes) == sorted(made.codes)
        assert all(np.array_equal(found.codes[k][0], made.codes[k][0]) for k in made.codes)


def test_a_stopped_run_goes_on(tmp_path, capsys):
    main([str(tmp_path), "--experiments", "2", "--null"])
    files = sorted((tmp_path / "nwb").iterdir())
    before, sheet = files[0].read_bytes(), (tmp_path / "sessions.tsv").read_bytes()
    stamp = files[0].stat().st_mtime_ns
    files[1].unlink()
    main([str(tmp_path), "--experiments", "2", "--null"])
    assert files[1].exists() and files[0].stat().st_mtime_ns == stamp
    files[0].unlink()
    main([str(tmp_path), "--experiments", "2", "--null"])
    assert files[0].read_bytes() == before and (tmp_path / "sessions.tsv").read_bytes() == sheet
    assert "snakemake --config sessions=" in capsys.readouterr().out
