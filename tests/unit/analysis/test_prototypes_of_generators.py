"""With a line of configuration for each file of weights, prototypes come from the real generators."""

import numpy as np
import pandas as pd
import pytest
import torch
from test_prototypes import CONFIG, DIMS, evolution

from evoalign import study
from evoalign.analysis.session.prototypes import session_prototypes
from evoalign.nwb.tables import GENERATORS
from evoalign.spaces.biggan_layout import biggan_shapes
from evoalign.spaces.deepsim import deepsim_shapes
from evoalign.spaces.registry import get_space
from evoalign.spaces.settings import Spaces

NOISE = np.random.default_rng(9).normal(0, 0.5, 128)


@pytest.fixture(scope="module")
def generators(tmp_path_factory):
    """Settings as a user writes them, and files of the published layouts with random weights."""
    folder = tmp_path_factory.mktemp("weights")
    random = torch.Generator().manual_seed(0)
    for name, shapes in (("upconvGAN_fc6.pt", deepsim_shapes()), ("biggan.bin", biggan_shapes())):
        weights = {key: torch.randn(shape, generator=random) * 0.02 for key, shape in shapes.items()}
        weights |= {key: 1 + w.abs() for key, w in weights.items() if key.endswith("running_vars")}
        # Of positive weights the first singular vectors are about constant: norms are right.
        weights |= {key: w.abs() for key, w in weights.items() if ".weight_" in key}
        weights |= {
            key: torch.full_like(w, len(w) ** -0.5)
            for key, w in weights.items()
            if key.endswith(("weight_u", "weight_v"))
        }
        torch.save(weights, folder / name)
    return study.check_config(
        {
            "spaces": {
                "deepsim": {"weights": str(folder / "upconvGAN_fc6.pt")},
                "biggan": {"weights": str(folder / "biggan.bin")},
            }
        }
    ).spaces


@pytest.fixture
def session(monkeypatch):
    monkeypatch.setitem(DIMS, "fc6", 4096)
    monkeypatch.setitem(DIMS, "BigGAN_class", 128)
    monkeypatch.setitem(DIMS, "BigGAN", 256)
    return evolution


def weights_of(space, n):
    rows = {"unit": 0, "space": space, "start_ms": 60, "stop_ms": 70, "latent": range(n)}
    return pd.DataFrame(rows).assign(weight=np.random.default_rng(5).standard_normal(n))


def made_of(found, content, generators):
    return {
        (one.prototype, one.thread): one
        for one in session_prototypes(content, found, CONFIG.analysis, generators)
    }


@pytest.mark.slow
def test_best_average_and_re_evolved_images_are_rendered_in_both_spaces(session, generators):
    found, content = session("s1", ("fc6", "BigGAN_class"))
    found = found | {
        "encoding_weights": pd.concat([weights_of("fc6", 4096), weights_of("BigGAN_class", 128)])
    }
    told = " ".join(map(repr, NOISE.tolist()))
    rows = [(0, "fc6", 4096, *[""] * 6), (1, "BigGAN_class", 128, "", "", told, *[""] * 3)]
    content.generators = pd.DataFrame(rows, columns=GENERATORS.names)
    made = made_of(found, content, generators)
    assert set(made) == {(p, t) for p in ("best", "average", "re-evolved") for t in (0, 1)}
    for thread, name in enumerate(("fc6", "BigGAN_class")):
        space = get_space(name, generators, torch.from_numpy(NOISE))
        codes = content.latents[thread + 2, thread][0]
        weights = found["encoding_weights"].query("space == @name")["weight"].to_numpy()
        radius = np.linalg.norm(codes, axis=1).mean()
        latents = {
            "best": codes[3 if thread == 0 else 1],
            "average": codes.mean(0),
            "re-evolved": weights / np.linalg.norm(weights) * radius,
        }
        for prototype, latent in latents.items():
            one = made[prototype, thread]
            assert one.source == "rendered"
            assert one.pixels.shape == (3, 256, 256)
            with torch.no_grad():
                expected = space.render(torch.from_numpy(latent)[None])[0].double()
            torch.testing.assert_close(one.pixels, expected, rtol=0, atol=1e-5)


def test_a_class_part_whose_noise_is_not_known_is_not_rendered_with_another(session, generators):
    found, content = session("s1", ("fc6", "BigGAN_class"))
    assert {thread for _, thread in made_of(found, content, generators)} == {0}


def test_without_weights_nothing_is_rendered(session):
    found, content = session("s1", ("fc6", "BigGAN"))
    assert made_of(found, content, Spaces()) == {}
