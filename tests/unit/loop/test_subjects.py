"""Subjects of trials without an animal: a unit of any torch module, a stored table; their gradients."""

import numpy as np
import pytest
import torch
from test_live_evolution import settings_of
from torch import nn

from evoalign.errors import InputError
from evoalign.evolution.loop import ShownImage
from evoalign.insilico.module_unit import ModuleUnit, load_module
from evoalign.loop.command import JOURNAL, run_evolution, start
from evoalign.loop.journal import read_journal
from evoalign.loop.settings import ModelSettings
from evoalign.loop.subjects import NetworkUnit, StoredUnit, gradient_response
from evoalign.simulate.spiketrains import ceiling_hz, driven_rate
from evoalign.spaces.registry import get_space
from evoalign.study import Config

PLAIN = {"mean": (0.0, 0.0, 0.0), "scale": (1.0, 1.0, 1.0)}


def small_network(channels: int = 4) -> nn.Module:
    """A map, tokens and a vector: one layer of each kind."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, channels, 3), nn.Flatten(2), nn.Flatten(1), nn.Linear(14 * 14 * channels, 5)
        )


def images(n=3, px=16):
    return torch.rand(n, 3, px, px, generator=torch.Generator().manual_seed(1))


def test_a_unit_is_a_map_s_centre_a_mean_over_tokens_or_an_entry():
    network = small_network()
    with torch.no_grad():
        maps = network[0](images())
        vector = network(images())
    unit = lambda layer, number: ModuleUnit(network, layer, number, 0, **PLAIN).response(images())
    torch.testing.assert_close(unit("0", 2), maps[:, 2, 7, 7].double())
    torch.testing.assert_close(unit("1", 2), maps.flatten(2)[:, :, 2].mean(dim=1).double())
    torch.testing.assert_close(unit("3", 4), vector[:, 4].double())


def test_images_are_normalised_and_brought_to_size():
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    unit = ModuleUnit(network, "1", 1, 8, (0.1, 0.2, 0.3), (1.0, 0.5, 1.0))
    pixels = np.full((2, 16, 16, 3), 102, np.uint8)
    shown = [ShownImage(str(i), image, 1, 0, "s", i, False) for i, image in enumerate(pixels)]
    np.testing.assert_allclose(unit.show(shown), (0.4 - 0.2) / 0.5, atol=1e-6)


def test_the_rest_of_the_module_is_not_run():
    class Fails(nn.Module):
        def forward(self, x):
            raise AssertionError

    unit = ModuleUnit(nn.Sequential(nn.Conv2d(3, 2, 3), Fails()), "0", 0, 0, **PLAIN)
    assert unit.response(images()).shape == (3,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": "9"}, "no layer '9'"),
        ({"unit": 4}, "units 0 to 3"),
        ({"module": "no.such:thing"}, "cannot be made"),
        ({"module": "math:sqrt"}, "cannot be made"),
        ({"module": "builtins:dict"}, "no torch module"),
        ({"weights": __file__}, "weights do not fit"),
    ],
)
def test_a_subject_that_is_none_is_told(change, message):
    settings = ModelSettings(
        kind="network", module="test_subjects:small_network", layer="0", px=0
    ).model_copy(update=change)
    with pytest.raises(InputError, match=message):
        gradient_response(settings, get_space("texture"))(torch.zeros(2, get_space("texture").latent_dim))


def test_weights_of_a_file_are_taken(tmp_path):
    network = small_network()
    torch.save({name: torch.ones_like(value) for name, value in network.state_dict().items()}, tmp_path / "w")
    loaded = load_module("test_subjects:small_network", {}, str(tmp_path / "w"))
    assert all(bool((value == 1).all()) for value in loaded.state_dict().values())


def test_the_drive_of_a_network_unit_rises_with_its_activation_and_never_ends():
    unit = ModuleUnit(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), "1", 0, 0, **PLAIN)
    levels = np.linspace(0, 200, 41).astype(np.uint8)
    screen = [np.broadcast_to(levels[:, None, None, None], (41, 64, 64, 3)).copy()] * 2
    driven = NetworkUnit(unit, "IT", screen)
    bright = np.stack([np.full((64, 64, 3), level, np.uint8) for level in (50, 100, 200, 255)])
    _, match = driven.matches([], bright)
    np.testing.assert_allclose(match[:3], [0.0, 0.0, 0.5], atol=1e-6)
    assert 0.5 < match[3] < 1
    assert ceiling_hz(np.stack(driven.kernels()), driven.base_hz) < 1 / 1.5e-3


def test_a_table_s_rate_is_the_rate_of_the_evoked_window(tmp_path):
    (tmp_path / "t.tsv").write_text("image\trate_hz\na\t12.5\nb\t80\n")
    unit = StoredUnit(tmp_path / "t.tsv")
    matches = unit.matches(["b", "a"], np.empty(0))
    times = 0.5 + np.arange(50, 200) / 1000 + 5e-4
    for place, rate_hz in ((0, 80.0), (1, 12.5)):
        rates = driven_rate(
            times, np.array([0.5]), matches[:, [place]], np.stack(unit.kernels()), unit.base_hz
        )
        np.testing.assert_allclose(rates, rate_hz)
    with pytest.raises(InputError, match="no stored response, as 'c'"):
        unit.matches(["a", "c"], np.empty(0))


@pytest.mark.parametrize(
    "text", ["image\trate\na\t1\n", "image\trate_hz\na\t1\na\t2\n", "image\trate_hz\na\t-1\n"]
)
def test_a_wrong_table_is_told(tmp_path, text):
    (tmp_path / "t.tsv").write_text(text)
    with pytest.raises(InputError):
        StoredUnit(tmp_path / "t.tsv")


def test_a_table_of_an_evolution_answers_it_again(tmp_path):
    settings = settings_of(tmp_path / "first", 3).model_copy(update={"n_blocks": 1})
    run_evolution(settings)
    (scored,) = [r for r in read_journal(tmp_path / "first" / JOURNAL) if r["kind"] == "scored"]
    rows = [f"{name}\t{5 + 22 * i}" for i, name in enumerate(sorted(scored["rates"]))]
    (tmp_path / "t.tsv").write_text("\n".join(["image\trate_hz", *rows]) + "\n")
    again = settings_of(tmp_path / "again", 3).model_copy(
        update={"n_blocks": 1, "model": ModelSettings(kind="table", table=str(tmp_path / "t.tsv"))}
    )
    run_evolution(again)
    (scored,) = [r for r in read_journal(tmp_path / "again" / JOURNAL) if r["kind"] == "scored"]
    rates = [scored["rates"][name] for name in sorted(scored["rates"])]
    assert np.corrcoef(rates, np.arange(len(rates)))[0, 1] > 0.8


def test_a_gradient_climbs_a_network_unit_through_the_space(tmp_path):
    settings = settings_of(tmp_path / "run", 3)
    model = ModelSettings(kind="network", module="test_subjects:small_network", layer="0", px=0)
    thread = settings.threads[0].model_copy(update={"optimiser": "gradient"})
    settings = settings.model_copy(update={"model": model, "threads": (thread, settings.threads[1])})
    threads, _ = start(settings, Config())
    response = gradient_response(model, threads[0].space)
    climber, means = threads[0].optimiser, []
    for _ in range(10):
        latents = climber.ask()
        means.append(float(response(torch.from_numpy(latents)).detach().mean()))
        climber.tell(latents, np.zeros(len(latents)))
    assert means[-1] > means[0]
    run_evolution(settings.model_copy(update={"n_blocks": 1}))
