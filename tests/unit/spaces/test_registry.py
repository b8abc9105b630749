"""Names of sessions' spaces lead to generators with the weights that are configured, and to no others."""

import os

import numpy as np
import pytest
import torch

from evoalign.errors import InputError
from evoalign.spaces.biggan import BigganSpace
from evoalign.spaces.deepsim import DeepsimSpace
from evoalign.spaces.registry import get_space
from evoalign.spaces.settings import Biggan, Deepsim, Spaces
from evoalign.study import Config, check_generators
from narrow_generators import narrow_settings


@pytest.fixture
def settings(tmp_path):
    return narrow_settings(tmp_path)


def test_each_name_of_a_session_s_space_leads_to_its_generator(narrow_generators, settings):
    noise = torch.zeros(128)
    for name, kind, n in (
        ("fc6", DeepsimSpace, 256),
        ("DeePSim", DeepsimSpace, 256),
        ("BigGAN", BigganSpace, 256),
        ("BigGAN_class", BigganSpace, 128),
    ):
        space = get_space(name, settings, noise)
        assert (space.name, type(space), space.latent_dim) == (name, kind, n)
    assert get_space("BigGAN", settings).describe()["truncation"] == "0.4"
    assert get_space("texture", settings).latent_dim == 24
    own = settings.model_copy(update={"deepsim": settings.deepsim.model_copy(update={"names": ("ours",)})})
    assert get_space("ours", own).name == "ours"
    with pytest.raises(InputError, match="no image space is called 'fc6'"):
        get_space("fc6", own)


def test_weights_are_loaded_once_and_again_when_their_file_changes(narrow_generators, settings):
    for _ in range(3):
        get_space("fc6", settings)
        get_space("DeePSim", settings)
        get_space("BigGAN", settings)
    assert len(narrow_generators) == 2
    before = get_space("fc6", settings).network.last.bias[0].item()
    path = settings.deepsim.weights
    with open(path, "w") as file:
        file.write("7")
    os.utime(path, ns=(1, 1))
    assert (before, get_space("fc6", settings).network.last.bias[0].item()) == (1, 7)


def test_what_is_not_configured_is_said_with_the_remedy(narrow_generators, settings, tmp_path):
    with pytest.raises(InputError) as caught:
        get_space("fc6")
    for part in ("no weights are configured", "spaces.deepsim.weights", "evoalign spaces fetch deepsim"):
        assert part in str(caught.value)
    with pytest.raises(InputError, match=r"spaces\.biggan\.weights"):
        get_space("BigGAN_class", noise=torch.zeros(128))
    with pytest.raises(InputError, match="noise that the session kept fixed"):
        get_space("BigGAN_class", settings)
    np.save(tmp_path / "noise.npy", np.arange(128.0))
    biggan = settings.biggan.model_copy(update={"noise": str(tmp_path / "noise.npy")})
    space = get_space("BigGAN_class", settings.model_copy(update={"biggan": biggan}))
    assert space.noise[5] == 5


def test_a_file_of_another_checksum_is_refused(narrow_generators, settings):
    wrong = settings.deepsim.model_copy(update={"sha256": "00" * 32})
    with pytest.raises(InputError, match=r"SHA-256 abab.*, not 0000"):
        get_space("fc6", settings.model_copy(update={"deepsim": wrong}))
    right = settings.deepsim.model_copy(update={"sha256": "AB" * 32})
    assert get_space("fc6", settings.model_copy(update={"deepsim": right})).name == "fc6"


def test_weights_that_are_not_there_are_refused_before_any_job(settings, tmp_path):
    check_generators(Config(spaces=settings))
    check_generators(Config())
    missing = Config(spaces={"deepsim": {"weights": "no/fc6.pt"}, "biggan": {"config": "no/config.json"}})
    with pytest.raises(InputError) as caught:
        check_generators(missing)
    for part in (
        "no/fc6.pt (spaces.deepsim.weights)",
        "no/config.json (spaces.biggan.config)",
        "spaces list",
    ):
        assert part in str(caught.value)


def test_a_wrong_file_ends_in_the_loader_s_message(tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="24 missing"):
        get_space("fc6", Spaces(deepsim=Deepsim(weights=str(tmp_path / "other.pt"))))
    with pytest.raises(InputError, match="do not exist"):
        get_space("BigGAN", Spaces(biggan=Biggan(weights=str(tmp_path / "nowhere.bin"))))
