"""Images of a session: tables against pandas on single presentations, and the figures that show them."""

import numpy as np
import pandas as pd
import pytest

from evoalign import tables
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session.analyse import analyse_experiment
from evoalign.analysis.settings import Analysis, Encoding, Tuning
from evoalign.analysis.tables import BLOCK_IMAGES
from evoalign.figures import evolved_images, reference_responses
from evoalign.figures.captions import FigureSettings
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.study_session import simulate_responses

SETTINGS = Analysis(n_bootstrap=10, n_permutations=20)
DRAWN_WITH = FigureSettings(SETTINGS, Encoding(), Tuning())


@pytest.fixture(scope="module")
def experiment():
    design = next(one for one in draw_study(40, seed=2) if one.valid and one.n_blocks > 24)
    return experiment_from(simulate_responses(design, -50, 250), SETTINGS)


@pytest.fixture(scope="module")
def found(experiment):
    return analyse_experiment(experiment, SETTINGS, 0)


@pytest.fixture(scope="module")
def presentations(experiment):
    first, last = SETTINGS.evoked_ms
    return pd.DataFrame(
        {
            "image": experiment.images,
            "block_index": experiment.block,
            "thread": experiment.thread,
            "reference": experiment.reference,
            "rate": experiment.rates[:, first:last].mean(1),
        }
    )


def test_each_blocks_best_image(found, presentations):
    own = presentations[~presentations["reference"]]
    means = own.groupby(["thread", "block_index", "image"])["rate"].mean()
    table = found["block_images"].set_index(["thread", "block_index"])
    assert len(table) == own.groupby(["thread", "block_index"]).ngroups
    for key, images in means.groupby(level=["thread", "block_index"]):
        row = table.loc[key]
        assert row["mean_hz"] == pytest.approx(images.max())
        assert means[(*key, row["image"])] == pytest.approx(images.max())
    best = found["experiments"].iloc[0]
    for thread in (0, 1):
        assert table.loc[(thread, best[f"best_block_{thread}"]), "image"] == best[f"best_image_{thread}"]


def test_references_are_means_over_all_their_presentations(found, presentations, experiment):
    own = presentations[presentations["reference"]]
    expected = own.groupby("image")["rate"].agg(["count", "mean", "sem"])
    table = found["reference_images"].set_index("image")
    np.testing.assert_array_equal(table.index, expected.index)
    np.testing.assert_allclose(table[["n", "mean_hz", "sem_hz"]], expected)
    psth = found["reference_psth"]
    for name in expected.index[:2]:
        rates = experiment.rates[(experiment.images == name) & experiment.reference.numpy()].numpy()
        rows = psth[psth["image"] == name].sort_values("time_ms")
        np.testing.assert_allclose(rows["mean_hz"], rates.mean(0), atol=1e-9)
        np.testing.assert_allclose(rows["sem_hz"], rates.std(0, ddof=1) / np.sqrt(len(rates)), atol=1e-9)


def test_unknown_images_give_tables_without_rows(experiment):
    from dataclasses import replace

    bare = analyse_experiment(replace(experiment, images=None), SETTINGS, 0)
    assert all(bare[name].empty for name in ("block_images", "reference_images", "reference_psth"))


@pytest.fixture(scope="module")
def images(found):
    """Each image in a colour of its own, but for one block of the object thread."""
    rng = np.random.default_rng(0)
    rows = found["block_images"]
    rows = rows[(rows["thread"] == 0) | (rows["block_index"] > 0)]
    names = [*rows["image"], *found["reference_images"]["image"]]
    return {name: np.broadcast_to(rng.integers(0, 256, 3).astype(np.uint8), (8, 8, 3)) for name in names}


def test_the_strip_shows_the_best_image_of_every_nth_block(found, images):
    n_blocks = int(found["experiments"]["n_blocks"].iloc[0])
    step = -(-n_blocks // evolved_images.COLUMNS)
    assert step > 1
    figure, source = evolved_images.draw_evolved_images(found, images)
    figure.draw_without_rendering()
    own = source["a"]
    assert own.loc[own["kind"] == "texture", "block_index"].tolist() == list(range(0, n_blocks, step))
    assert own.loc[own["kind"] == "object", "block_index"].tolist() == list(range(step, n_blocks, step))
    drawn = [panel.images[0].get_array()[0, 0] for panel in figure.axes if panel.images]
    np.testing.assert_array_equal(drawn, [images[name][0, 0] for name in own["image"]])
    assert f"every {step}" in evolved_images.caption(found, DRAWN_WITH, images)
    assert evolved_images.shown_blocks(found["block_images"], {}).empty
    assert evolved_images.shown_blocks(tables.empty(BLOCK_IMAGES), images).empty


def test_natural_images_are_ranked_with_the_best_and_the_worst_psth(found, images):
    figure, source = reference_responses.draw_reference_responses(found, DRAWN_WITH, images)
    figure.draw_without_rendering()
    ranked = source["a"]
    assert ranked["mean_hz"].is_monotonic_decreasing and len(ranked) == 20
    ends = source["b"].groupby("which")["image"].first()
    assert (ends["best"], ends["worst"]) == (ranked["image"].iloc[0], ranked["image"].iloc[-1])
    drawn = [panel.images[0].get_array()[0, 0] for panel in figure.axes if panel.images]
    shown = [*ranked["image"][:3], *ranked["image"][-3:]]
    np.testing.assert_array_equal(drawn, [images[name][0, 0] for name in shown])
    without = reference_responses.draw_reference_responses(found, DRAWN_WITH, {})[0]
    assert not any(panel.images for panel in without.axes)
    assert "the 20 natural reference images" in reference_responses.caption(found, DRAWN_WITH)
