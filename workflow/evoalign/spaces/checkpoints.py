"""Weights of a generator from a file, every tensor by its name and shape.

Nothing is guessed: a tensor that is missing, unknown or of another shape is an
error that names it. A file is read as numbers only, never as Python objects.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from evoalign.errors import InputError

Shapes = Mapping[str, tuple[int, ...]]

NAMED = 4  # tensors that a message names of each fault


def load_weights(
    path: str | PathLike[str],
    shapes: Shapes,
    generator: str,
    hint: str = "",
    rename: Callable[[str], str] = str,
) -> dict[str, Tensor]:
    """Read a generator's weights and hold them to its layout (docs/methods.md section 9).

    Parameters
    ----------
    path : path
        ``.safetensors``, or a file of ``torch.save`` with a mapping of tensors
        (read with ``weights_only``: a file that holds anything else is refused).
    shapes : mapping of str to tuple of int
        Name and shape of every tensor.
    generator : str
        As messages call it.
    hint : str
        Which file to give, for messages.
    rename : callable
        Name in the file -> name in `shapes`.

    Returns
    -------
    dict of str to torch.Tensor
        In the order of `shapes`; floating point numbers as float32.

    Raises
    ------
    InputError
        The file is missing or no file of weights; or, in one message, all
        tensors that are missing, unknown, there twice, of another shape, no
        numbers, or not finite.
    """
    path = Path(path)
    tensors: dict[str, Tensor] = {}
    twice = []
    for name, tensor in read_tensors(path, generator, hint).items():
        key = rename(name)
        if key in tensors:
            twice.append(key)
        tensors[key] = tensor
    faults = [*_faults(tensors, shapes), *_fault("there twice", twice)]
    if faults:
        layout = _listed(_with_shape(name, shape) for name, shape in shapes.items())
        raise InputError(
            f"not the weights of {generator}: {'; '.join(faults)}. "
            f"Expected are {len(shapes)} tensors: {layout}",
            path,
            hint,
        )
    return {name: _as_float32(tensors[name]) for name in shapes}


def read_tensors(path: Path, generator: str, hint: str = "") -> dict[str, Tensor]:
    """Read all tensors of a file by name, whatever they are.

    Raises
    ------
    InputError
        The file is missing, cut, of another kind, or holds more than tensors.
    """
    if not path.is_file():
        raise InputError(f"the weights of {generator} do not exist", path, hint)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (
        RuntimeError,
        ValueError,
        OSError,
        EOFError,
        KeyError,
        UnpicklingError,
        SafetensorError,
        zipfile.BadZipFile,
    ) as error:
        raise InputError(f"no file of weights of {generator}: {error!s:.200}", path, hint) from error
    if not isinstance(state, Mapping):
        raise InputError(f"a {type(state).__name__}, not a mapping of the weights of {generator}", path, hint)
    not_tensors = [str(name) for name, value in state.items() if not isinstance(value, Tensor)]
    if not_tensors:
        raise InputError(
            f"among the weights of {generator} are no tensors: {_listed(not_tensors)}", path, hint
        )
    return {str(name): value for name, value in state.items()}


def _faults(tensors: Mapping[str, Tensor], shapes: Shapes) -> list[str]:
    """Every way in which the tensors are not those of the layout, each with the first names."""
    in_both = [name for name in shapes if name in tensors]
    misshaped = [
        f"{_with_shape(name, tuple(tensors[name].shape))}, not {list(shapes[name])}"
        for name in in_both
        if tuple(tensors[name].shape) != tuple(shapes[name])
    ]
    numbers = [name for name in in_both if tensors[name].is_floating_point()]
    infinite = [name for name in numbers if not bool(torch.isfinite(tensors[name]).all())]
    return [
        *_fault("missing", [name for name in shapes if name not in tensors]),
        *_fault("unknown", [name for name in tensors if name not in shapes]),
        *_fault("of another shape", misshaped),
        *_fault("no floating point numbers", [name for name in in_both if name not in numbers]),
        *_fault("with NaN or infinity", infinite),
    ]


def _fault(what: str, names: list[str]) -> list[str]:
    return [f"{len(names)} {what} ({_listed(names)})"] if names else []


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = [f".. and {len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join([*names[:NAMED], *more])


def _with_shape(name: str, shape: tuple[int, ...]) -> str:
    return f"{name} {list(shape)}"


def _as_float32(tensor: Tensor) -> Tensor:
    return tensor.detach().to(torch.float32)
