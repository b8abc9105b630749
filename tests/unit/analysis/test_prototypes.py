"""Prototypes of a session by hand, and a planted relation of image and response distance that is found."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from evoalign import study, tables
from evoalign.analysis.experiment import space_kind
from evoalign.analysis.labelled import dataset_of
from evoalign.analysis.pooling.similarity import RESPONSES, compare_prototypes
from evoalign.analysis.session.prototypes import session_prototypes
from evoalign.analysis.session.rendered_images import as_tensor
from evoalign.analysis.session.results import SessionResults
from evoalign.analysis.tables import EXPERIMENTS
from evoalign.analysis.tuning.tables import TUNING_AXES
from evoalign.figures.captions import FigureSettings
from evoalign.figures.pairings import caption_pairings, draw_pairings
from evoalign.figures.prototypes import caption_image_similarity, draw_image_similarity, draw_prototypes
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.spaces.registry import get_space
from evoalign.spaces.settings import Prototypes

CONFIG = study.Config(device="cpu", prototypes=Prototypes(efficientnet=False, measure="pixel"))
DRAWN_WITH = FigureSettings(CONFIG.analysis, CONFIG.encoding, CONFIG.tuning, CONFIG.prototypes)
DIMS = {"texture": 24, "object": 16}


def evolution(session, names=("texture", "object"), seed=0, change=0.0, images=None):
    """Dataset and content of a session whose best blocks are 2 and 3."""
    rng = np.random.default_rng(seed)
    latents, shown = {}, []
    for thread, name in enumerate(names):
        for block in (1, 2, 3):
            ids = [f"block{block:03d}_thread{thread:03d}_gen_gen{block - 1:03d}_{i:06d}" for i in range(4)]
            latents[block, thread] = (rng.standard_normal((4, DIMS.get(name, 5))), ids)
            shown += [(one, block, thread) for one in ids]
    of_threads = {
        "best_block": [1, 2],
        "best_image": [latents[2, 0][1][3], latents[3, 1][1][1]],
        "optimiser": ["", ""],
        **{name: [0, 0] for name in ("t", "p", "succeeds")},
    }
    blank = {field.name: "" if field.type == tables.TEXT else 0 for field in EXPERIMENTS}
    single = blank | {"normaliser_hz": 10.0, "valid": True, "both_succeed": True}
    shared = {
        **{name: ((), text) for name, text in (("session", session), ("subject", "A"), ("area", "IT"))},
        "site": ((), session),
        "thread": (("thread",), [0, 1]),
        "space": (("thread",), list(names)),
        "kind": (("thread",), [space_kind(name, CONFIG.analysis) for name in names]),
        "stimuli": (("stimuli",), ["generated"]),
        "block": (("block",), [1, 2, 3]),
        "time_ms": (("time_ms",), np.arange(200)),
    }
    rates = np.broadcast_to((5 + change * np.arange(2.0))[None, :, None, None], (1, 2, 3, 200))
    arrays = {
        "experiments": {
            name: ((), value)
            for name, value in single.items()
            if name not in shared and name[-2:] not in ("_0", "_1")
        }
        | {name: (("thread",), values) for name, values in of_threads.items()},
        "psth": {"mean_hz": (("stimuli", "thread", "block", "time_ms"), rates)},
    }
    found = SessionResults(dataset_of(shared, arrays, {}), {})
    frame = pd.DataFrame(shown, columns=["image", "block", "thread"]).assign(reference=False)
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    content = SessionContents(SessionMetadata(session, "A"), start, presentations=frame, latents=latents)
    content.images = images or {}
    return found, content


def made_of(found, content):
    return {(p.prototype, p.thread): p for p in session_prototypes(content, found, CONFIG.analysis)}


def test_prototypes_are_rendered_where_the_file_holds_no_images():
    found, content = evolution("s1")
    made = made_of(found, content)
    assert set(made) == {(p, t) for p in ("best", "average") for t in (0, 1)}
    space = get_space("object")
    codes = content.latents[3, 1][0]
    for prototype, latent in (("best", codes[1]), ("average", codes.mean(0))):
        expected = space.render(torch.tensor(latent)[None])[0]
        torch.testing.assert_close(made[prototype, 1].pixels, expected)
        assert (made[prototype, 1].source, made[prototype, 1].block) == ("rendered", 3)


def test_the_re_evolved_image_is_the_linear_models_best_on_its_sphere():
    found, content = evolution("s1")
    rng = np.random.default_rng(5)
    rows = [
        {
            "unit": 0,
            "space": "texture",
            "start_ms": start,
            "stop_ms": start + 10,
            "latent": k,
            "weight": weight,
        }
        for start, scale in ((0, 100.0), (60, 1.0), (70, 3.0))
        for k, weight in enumerate(scale * rng.standard_normal(24))
    ]
    found = found | {"encoding_weights": pd.DataFrame(rows)}
    made = made_of(found, content)
    assert ("re-evolved", 0) in made and ("re-evolved", 1) not in made
    weights = found["encoding_weights"].query("start_ms >= 50").groupby("latent")["weight"].mean().to_numpy()
    radius = np.linalg.norm(content.latents[2, 0][0], axis=1).mean()
    best = weights / np.linalg.norm(weights) * radius
    others = rng.standard_normal((2000, 24))
    others *= radius / np.linalg.norm(others, axis=1, keepdims=True)
    assert (others @ weights < best @ weights).all()
    expected = get_space("texture").render(torch.tensor(best)[None])[0]
    torch.testing.assert_close(made["re-evolved", 0].pixels, expected)


def test_images_of_the_file_come_first_and_are_averaged_where_no_generator_is_known():
    found, content = evolution("s1", names=("fc6", "unheard of"))
    assert made_of(found, content) == {}, "neither images nor generators"
    grey = {name: np.full((8, 8), 10 * i, np.uint8) for i, name in enumerate(content.latents[2, 0][1])}
    content.images = grey
    made = made_of(found, content)
    assert set(made) == {("best", 0), ("average", 0)}
    assert made["best", 0].pixels.shape == (3, 8, 8) and made["best", 0].source == "file"
    torch.testing.assert_close(made["best", 0].pixels, as_tensor(grey[content.latents[2, 0][1][3]]))
    assert (made["average", 0].source, made["average", 0].n) == ("mean of images", 4)
    torch.testing.assert_close(
        made["average", 0].pixels, torch.full((3, 8, 8), 15 / 255, dtype=torch.float64)
    )


@pytest.fixture(scope="module")
def related():
    """Twelve experiments whose PSTHs differ by as much as their images do, and one without images."""
    sessions, contents = [], {}
    for i in range(12):
        change = 1 + 0.5 * i
        found, content = evolution(f"s{i:02d}", ("fc6", "BigGAN"), seed=i, change=change)
        levels = (100, 100 + int(10 * change))
        content.images = {
            content.latents[t + 2, t][1][3 if t == 0 else 1]: np.full((16, 16, 3), levels[t], np.uint8)
            for t in (0, 1)
        }
        sessions.append(found)
        contents[f"s{i:02d}"] = content
    found, contents["none"] = evolution("none", ("fc6", "BigGAN"))
    sessions += [found, SessionResults(None, {"tuning_axes": tables.empty(TUNING_AXES)})]
    return sessions, contents, *compare_prototypes(sessions, contents.__getitem__, CONFIG)


def test_a_planted_relation_is_found(related):
    _, _, found, _ = related
    pixel = found["image_distances"].query("prototype == 'best' and measure == 'pixel' and mask == 'none'")
    assert pixel["session"].tolist() == [f"s{i:02d}" for i in range(12)]
    change = 1 + 0.5 * np.arange(12)
    np.testing.assert_allclose(pixel["psth_distance"], change / 10)
    np.testing.assert_allclose(pixel["activation_distance"], change / 10)
    np.testing.assert_allclose(pixel["distance"], (10 * change).astype(int) / 255, atol=1e-7)
    table = found["distance_correlations"]
    keys = "area == 'all' and selection == 'both' and prototype == 'best' and mask == 'none'"
    for response in RESPONSES:
        row = table.query(f"{keys} and measure == 'pixel' and response == '{response}'").iloc[0]
        expected = stats.pearsonr(pixel["distance"], pixel[f"{response}_distance"])
        assert (row["n"], row["pearson_r"]) == (12, pytest.approx(expected.statistic))
        assert row["pearson_low"] == pytest.approx(expected.confidence_interval(0.95).low)
        assert row["q"] < 0.001
    # Blank images have neither a correlation nor a spectrum.
    assert table.query(f"{keys} and measure == 'spectrum'")["pearson_r"].isna().all()


def test_figures_of_prototypes_show_their_tables(related):
    _, _, found, pictures = related
    figure, source = draw_image_similarity(found, DRAWN_WITH)
    figure.draw_without_rendering()
    drawn = figure.axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(drawn, source["a"][["distance", "psth_distance"]])
    assert "PIT n = 12" in caption_image_similarity(found, DRAWN_WITH)
    figure, source = draw_pairings(found, DRAWN_WITH)
    figure.draw_without_rendering()
    own = source["a"].set_index("session")["distance"].sort_index().to_numpy()
    levels = np.array([100 + int(10 * (1 + 0.5 * i)) for i in range(12)]) / 255
    np.testing.assert_allclose(own, levels - 100 / 255, atol=1e-7)
    # All texture prototypes are alike here: an own partner is as far as another's, on average.
    test = found["image_pairings"].query("area == 'IT' and selection == 'both' and prototype == 'best'")
    test = test.query("measure == 'pixel' and mask == 'none'").iloc[0]
    assert (test["n"], test["paired"]) == (12, pytest.approx(test["shuffled"], abs=1e-7))
    assert "PIT n = 12" in caption_pairings(found, DRAWN_WITH)
    pixels = {name: (255 * image).byte().permute(1, 2, 0).numpy() for name, image in pictures.items()}
    shown = draw_prototypes(found, pixels, DRAWN_WITH)[1]["a"]
    assert shown["distance"].is_monotonic_decreasing and len(shown) == 12
