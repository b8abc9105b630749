"""The two generators with few channels and random weights, behind the names of the real ones."""

from pathlib import Path

import pytest
import torch

from evoalign.spaces import registry
from evoalign.spaces.biggan import BigganSpace
from evoalign.spaces.biggan_layout import Architecture, biggan_shapes
from evoalign.spaces.biggan_network import BigganNetwork
from evoalign.spaces.deepsim import DeepsimNetwork, DeepsimSpace
from evoalign.spaces.settings import Biggan, Deepsim, Spaces

NARROW = Architecture(channel_width=8)


def narrow_deepsim(path):
    """Of the number in the file, which is the bias of the last layer."""
    network = DeepsimNetwork(16)
    network.last.bias.fill_(float(Path(path).read_text()))
    return DeepsimSpace(network, source={"weights_sha256": "ab" * 32})


def narrow_biggan(path, truncation, config):
    generator = torch.Generator().manual_seed(0)
    weights = {k: torch.rand(v, generator=generator) + 0.1 for k, v in biggan_shapes(NARROW).items()}
    return BigganSpace(BigganNetwork(weights, NARROW, truncation), source={"weights_sha256": "cd" * 32})


@pytest.fixture
def narrow_generators(monkeypatch):
    """Load narrow networks in place of the published ones; the list of files that were loaded."""
    loaded = []

    def loader(make):
        def load(path, **others):
            loaded.append(path)
            return make(path, **others)

        return load

    monkeypatch.setattr(registry, "load_deepsim", loader(narrow_deepsim))
    monkeypatch.setattr(registry, "load_biggan", loader(narrow_biggan))
    _forget()
    yield loaded
    _forget()


def _forget():
    registry._loaded_deepsim.cache_clear()
    registry._loaded_biggan.cache_clear()


def narrow_settings(folder):
    """Section `spaces` of the two, whose files it writes."""
    for name in ("fc6.pt", "biggan.bin"):
        (folder / name).write_text("1")
    return Spaces(
        deepsim=Deepsim(weights=str(folder / "fc6.pt")),
        biggan=Biggan(weights=str(folder / "biggan.bin"), truncation=0.4),
    )
