"""Spaces by the names that sessions call them: generators whose weights are configured, and those without."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from rapidfuzz import process

from evoalign.errors import InputError
from evoalign.events.fixed_noise import read_noise
from evoalign.nwb.contents import SessionContents
from evoalign.spaces.biggan import BigganSpace, load_biggan
from evoalign.spaces.deepsim import DeepsimSpace, load_deepsim
from evoalign.spaces.interface import Space
from evoalign.spaces.procedural import ObjectSpace, TextureSpace
from evoalign.spaces.settings import Biggan, Deepsim, Spaces

_FACTORIES: dict[str, Callable[[], Space]] = {
    TextureSpace.name: TextureSpace,
    ObjectSpace.name: ObjectSpace,
}
WHERE = "column spaces of the sample sheet"


def register_space(name: str, factory: Callable[[], Space]) -> None:
    """Make `get_space(name)` return ``factory()``."""
    _FACTORIES[name] = factory


def get_space(
    name: str,
    generators: Spaces | None = None,
    noise: torch.Tensor | None = None,
    device: str = "cpu",
) -> Space:
    """Return the space of that name (docs/methods.md section 9).

    Parameters
    ----------
    name : str
        As in sessions.tsv, column ``spaces``: ``texture``, ``object``, and of
        section `spaces` of the configuration ``fc6``, ``BigGAN`` ..
    generators : Spaces, optional
        Which generators have weights, and the names that they go by.
    noise : torch.Tensor ``[128]``, optional
        Noise that a session kept fixed: needed for BigGAN's class part, unless
        `spaces.biggan.noise` names it.
    device : str
        'cpu' or 'cuda', where a generator with weights computes.

    Raises
    ------
    InputError
        No space has that name; or its weights, or its fixed noise, are not
        configured, missing, of another checksum or of another layout.
    """
    if name in _FACTORIES:
        return _FACTORIES[name]()
    configured = generators or Spaces()
    deepsim, biggan = configured.deepsim, configured.biggan
    if name in deepsim.names:
        return _deepsim(name, deepsim, device)
    if name in biggan.names:
        return _biggan(name, biggan, None, device)
    if name in biggan.class_names:
        return _biggan(name, biggan, _fixed_noise(name, biggan) if noise is None else noise, device)
    raise _unknown(name, sorted([*_FACTORIES, *deepsim.names, *biggan.names, *biggan.class_names]))


def session_space(
    name: str, contents: SessionContents, generators: Spaces | None = None, device: str = "cpu"
) -> Space:
    """Return a space of a session, at the noise that the session kept fixed where it tells one.

    Parameters
    ----------
    name, generators, device
        As in `get_space`.
    contents : SessionContents
        Of the session.

    Raises
    ------
    InputError
        See `get_space`.
    """
    threads = contents.generators.loc[contents.generators["space"] == name, "thread"]
    noise = contents.fixed_noise(int(threads.iloc[0])) if len(threads) else None
    return get_space(name, generators, None if noise is None else torch.from_numpy(noise), device)


def lacks(name: str, generators: Spaces | None = None, noise: bool = False) -> str:
    """Say why a space of that name cannot render: what is not known or not configured; '' when it can.

    A file that is configured and wrong is another thing: `get_space` refuses it.

    Parameters
    ----------
    name, generators
        As in `get_space`.
    noise : bool
        Whether the session tells the noise that it kept fixed.
    """
    configured = generators or Spaces()
    if name in _FACTORIES:
        return ""
    if not configured.weights_of(name):
        return f"no generator of space '{name}' is configured"
    if name in configured.biggan.class_names and not (noise or configured.biggan.noise):
        return f"space '{name}' needs the noise that was kept fixed, and nothing tells it"
    return ""


def _unknown(name: str, known: list[str]) -> InputError:
    nearest = process.extractOne(name, known, score_cutoff=50)
    listed = f"known spaces: {', '.join(known)}"
    hint = f"did you mean '{nearest[0]}'? {listed}" if nearest else listed
    return InputError(f"no image space is called '{name}'", WHERE, hint)


class _File(NamedTuple):
    """A file of weights as it lies: one that is replaced is another."""

    path: str
    size: int
    modified_ns: int


def _deepsim(name: str, settings: Deepsim, device: str) -> Space:
    loaded = _loaded_deepsim(_weights(name, settings.weights, "deepsim"), device)
    _check_sum(loaded.source["weights_sha256"], settings.weights, settings.sha256, "deepsim")
    return DeepsimSpace(loaded.network, name, loaded.source)


def _biggan(name: str, settings: Biggan, noise: torch.Tensor | None, device: str) -> Space:
    weights = _weights(name, settings.weights, "biggan")
    loaded = _loaded_biggan(weights, settings.config, settings.truncation, device)
    _check_sum(loaded.source["weights_sha256"], settings.weights, settings.sha256, "biggan")
    return BigganSpace(loaded.network, name, noise, loaded.source)


# A session has two spaces, and a study many sessions.
@functools.lru_cache(maxsize=1)
def _loaded_deepsim(weights: _File, device: str) -> DeepsimSpace:
    loaded = load_deepsim(weights.path)
    return DeepsimSpace(loaded.network.to(device), loaded.name, loaded.source)


@functools.lru_cache(maxsize=1)
def _loaded_biggan(weights: _File, config: str, truncation: float, device: str) -> BigganSpace:
    loaded = load_biggan(weights.path, truncation=truncation, config=config)
    loaded.network.to(device)
    return loaded


def _weights(name: str, weights: str, generator: str) -> _File:
    if not weights:
        raise InputError(
            f"no weights are configured for the image space '{name}'",
            f"config, spaces.{generator}.weights",
            f"`evoalign spaces fetch {generator}` gets them, or says where they are published",
        )
    if not Path(weights).is_file():
        return _File(weights, 0, 0)  # loading says what is missing
    status = Path(weights).stat()
    return _File(weights, status.st_size, status.st_mtime_ns)


def _check_sum(found: str, weights: str, expected: str, generator: str) -> None:
    if expected and found != expected.lower():
        raise InputError(
            f"the weights have the SHA-256 {found}, not {expected}",
            weights,
            f"get the file again, or correct spaces.{generator}.sha256",
        )


def _fixed_noise(name: str, settings: Biggan) -> torch.Tensor:
    if not settings.noise:
        raise InputError(
            f"space '{name}' needs the noise that the session kept fixed, and nothing tells it",
            "config, spaces.biggan.noise",
            "name a file with it there, or put the rig's space_opts.mat into the session's folder of latents",
        )
    return torch.from_numpy(read_noise(settings.noise))
