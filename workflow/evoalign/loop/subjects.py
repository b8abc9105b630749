"""Subjects for trials without an animal: what drives the preferred unit of the simulated recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.evolution.gradient import Response
from evoalign.insilico.module_unit import ModuleUnit, load_module
from evoalign.loop.settings import ModelSettings
from evoalign.simulate.ventral_stream import (
    AREAS,
    RESPONSE_MS,
    ModelUnit,
    early_kernel,
    figures,
    late_kernel,
    texture_statistics,
)
from evoalign.spaces.interface import Space

Floats = NDArray[np.float64]

BASE_HZ = 10.0  # without drive, as that of the model ventral stream
HIGHEST_HZ = 250.0  # of a stored rate: a bound of twice as much is still below that of the dead time
TABLE_WINDOW_MS = (20, 225)  # the evoked window, and as much around it as smoothing reaches


class DrivenUnit(Protocol):
    """A unit whose rate is base and two kernels, each times how well the image matches.

    Attributes
    ----------
    base_hz : float
        Rate without drive.
    """

    @property
    def base_hz(self) -> float:
        """Rate without drive."""
        ...

    def kernels(self) -> tuple[Floats, Floats]:
        """Return two kernels, spikes/s on the 1 ms grid from image onset, ``[225]`` each."""
        ...

    def matches(self, names: Sequence[str], pixels: np.ndarray) -> Floats:
        """Return matches of images, ``[2, image]`` in 0..1, from names and uint8 ``[image, H, W, 3]``."""
        ...


class VentralUnits:
    """Units of the model ventral stream, whose image statistics are taken once for all of them."""

    def __init__(self, units: Sequence[ModelUnit]) -> None:
        self.units = units

    def matches(self, pixels: np.ndarray) -> list[Floats]:
        """Return each unit's matches of images, ``[2, image]`` in 0..1."""
        statistics, coarse = texture_statistics(pixels), figures(pixels)
        return [np.stack([u.texture_match(statistics), u.object_match(coarse)]) for u in self.units]


class NetworkUnit:
    """A unit of a torch module with the time course of an area's object component.

    Its drive is 0 at the median activation to images of the spaces' priors, and half of the largest
    at the highest of these: it goes on rising beyond, without a bound in the activation.

    Parameters
    ----------
    unit : ModuleUnit
    area : str
        Whose kernel, as of `AREAS`.
    screen : sequence of ndarray
        Images of each space's prior, uint8 ``[n, H, W, 3]`` each.
    """

    base_hz = BASE_HZ

    def __init__(self, unit: ModuleUnit, area: str, screen: Sequence[np.ndarray]) -> None:
        self._unit = unit
        tuning, time_ms = AREAS[area], np.arange(RESPONSE_MS, dtype=np.float64)
        early = tuning.w_texture * early_kernel(tuning.latency_ms, tuning.sustained, time_ms)
        late = tuning.w_object * late_kernel(tuning.object_latency_ms, time_ms)
        self._kernel = ModelUnit.gain_hz * (late if late.any() else early)
        activations = np.concatenate([unit.of_pixels(images) for images in screen])
        self._middle = float(np.median(activations))
        self._half = float(activations.max()) - self._middle
        if not self._half > 0:
            raise InputError("the unit answers all images alike", "model.unit", "take another unit or layer")

    def kernels(self) -> tuple[Floats, Floats]:
        """Return spikes/s, ``[225]`` each: 0, and twice what full drive of the area adds."""
        return np.zeros_like(self._kernel), 2 * self._kernel

    def matches(self, names: Sequence[str], pixels: np.ndarray) -> Floats:
        """Return matches ``[2, image]``: x / (1 + x) of the activation above the median, in half-rises."""
        del names
        rise = np.maximum(self._unit.of_pixels(pixels) - self._middle, 0.0) / self._half
        return np.stack([np.zeros_like(rise), rise / (1 + rise)])


class StoredUnit:
    """Answers each image as a table says: its evoked rate, by image name.

    Parameters
    ----------
    path : path
        Tab-separated, with the columns `image` and `rate_hz`.

    Raises
    ------
    InputError
        Not readable, columns missing, an image twice, or a rate that no unit has.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        try:
            table = pd.read_csv(self._path, sep="\t", dtype={"image": str})
            rates = pd.to_numeric(table["rate_hz"]).to_numpy(np.float64)
            names = table["image"].tolist()
        except (OSError, KeyError, ValueError) as error:
            raise InputError(
                f"the stored responses cannot be read: {error!s:.200}",
                self._path,
                "tab-separated, with the columns image and rate_hz",
            ) from None
        if len(set(names)) < len(names) or not ((rates >= 0) & (rates <= HIGHEST_HZ)).all():
            raise InputError(
                f"images are named twice, or a rate is not within 0 and {HIGHEST_HZ:g} spikes/s", self._path
            )
        self._rates = dict(zip(names, rates.tolist(), strict=True))
        self.base_hz = min(BASE_HZ, float(rates.min(initial=BASE_HZ)))

    def kernels(self) -> tuple[Floats, Floats]:
        """Return spikes/s, ``[225]`` each: 0, and the highest that a table may store."""
        kernel = np.zeros(RESPONSE_MS)
        kernel[slice(*TABLE_WINDOW_MS)] = HIGHEST_HZ
        return np.zeros(RESPONSE_MS), kernel

    def matches(self, names: Sequence[str], pixels: np.ndarray) -> Floats:
        """Return matches ``[2, image]``, such that the rate in the window is the stored one.

        Raises
        ------
        InputError
            An image is not in the table.
        """
        del pixels
        missing = [name for name in names if name not in self._rates]
        if missing:
            raise InputError(
                f"{len(missing)} images have no stored response, as '{missing[0]}'",
                self._path,
                "a table answers the images of the evolution that it was stored with",
            )
        rates = np.array([self._rates[name] for name in names]) - self.base_hz
        return np.stack([np.zeros(len(names)), rates / HIGHEST_HZ])


def open_subject(settings: ModelSettings, screen: Sequence[np.ndarray]) -> DrivenUnit | None:
    """Return the unit that the settings name; None for one of the model ventral stream.

    Raises
    ------
    InputError
        See `load_module`, `ModuleUnit`, `NetworkUnit` and `StoredUnit`.
    """
    if settings.kind == "network":
        return NetworkUnit(_module_unit(settings), settings.area, screen)
    return StoredUnit(settings.table) if settings.kind == "table" else None


def gradient_response(settings: ModelSettings, space: Space) -> Response | None:
    """Return a space's latents to a network unit's activation; None where the subject is no network.

    Raises
    ------
    InputError
        See `load_module` and `ModuleUnit`.
    """
    if settings.kind != "network":
        return None
    unit = _module_unit(settings)
    return lambda latents: unit.response(space.render(latents))


def _module_unit(settings: ModelSettings) -> ModuleUnit:
    module = load_module(settings.module, settings.arguments, settings.weights)
    return ModuleUnit(module, settings.layer, settings.unit, settings.px, settings.mean, settings.scale)
