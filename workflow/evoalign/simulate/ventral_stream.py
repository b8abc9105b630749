"""Model neurons whose rate follows from the shown image alone.

A unit sees the pixels, never the latent: how well the local texture matches
its preferred one, T(image), and how well the whole matches its preferred
object, O(image). Texture drives it early, object structure late, in
proportions that differ by area, so that the time at which the object thread
overtakes the texture thread is planted and known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import fft
from scipy.special import expit

from evoalign.spaces.procedural import IMAGE_SIZE, analytic_bands

FREQUENCIES = (4.5, 7.0, 11.0, 17.0)  # cycles/image; not the texture space's own
N_ORIENTATIONS = 6
NOISE_FLOOR = 0.03  # contrast at which the local normalisation is half effective
RESPONSE_MS = 225  # a response has ended this long after its image's onset

# A match m drives the unit by 1 / (1 + exp(-(m - h) / s)): (h, s). Tuning this broad answers to most
# images of its space by degrees, as most visual units do, and not to its best image alone.
TEXTURE_DRIVE = (0.3, 0.1)
OBJECT_DRIVE = (0.4, 0.15)
UNTUNED_DRIVE = 0.5  # of a unit that answers to every image alike
FIGURE_CUTOFF = 6.0  # cycles/image; the figure is what is coarser

# Single precision: the images are of 8 bits. Twice the filter: its pairs have the band's own amplitude.
# Complex numbers, as each product with a spectrum would make of them.
_BANDS = (2 * analytic_bands(IMAGE_SIZE, FREQUENCIES, N_ORIENTATIONS, 0.9)).astype(np.complex64)


def _lowpass(size: int, cutoff: float) -> np.ndarray:
    f = np.fft.fftfreq(size, d=1 / size)
    return np.exp(-0.5 * (np.hypot(*np.meshgrid(f, f, indexing="ij")) / cutoff) ** 2)


_COARSE = _lowpass(IMAGE_SIZE, FIGURE_CUTOFF).astype(np.float32)
_HALF_COARSE = _COARSE[:, : IMAGE_SIZE // 2 + 1]  # as the transform of real images keeps it


def texture_statistics(images: np.ndarray) -> np.ndarray:
    """Return the local texture energy of images, pooled over the field.

    Energy of quadrature pairs in each band, divided at each place by the
    energy of all bands there plus a floor (divisive normalisation), then
    averaged over places: a blank field gives zeros, a texture that fills the
    field gives shares that add to nearly one, a lone contour little.

    Parameters
    ----------
    images : ndarray
        uint8 ``[n, 64, 64, 3]``, as shown.

    Returns
    -------
    ndarray
        float64 ``[n, band]``, bands = frequencies x orientations.
    """
    luminance = images.mean(axis=3, dtype=np.float32) / np.float32(255)
    statistics = np.empty((len(images), len(_BANDS)))
    filtered = np.empty(_BANDS.shape, np.complex64)  # one for all images, so that it stays in the cache
    for row, image in zip(statistics, luminance, strict=True):
        pairs = fft.ifft2(np.multiply(fft.fft2(image), _BANDS, out=filtered), overwrite_x=True)
        energy = pairs.real**2 + pairs.imag**2
        # Normalised by the contrast energy around each place, over about a fifth of the field.
        around = fft.irfft2(fft.rfft2(energy.sum(axis=0)) * _HALF_COARSE, s=image.shape)
        energy /= around + NOISE_FLOOR**2
        row[:] = energy.mean(axis=(1, 2), dtype=np.float64)
    return statistics


def figures(images: np.ndarray) -> np.ndarray:
    """Return the coarse figure of images in units of their whole contrast.

    Deviations from the mean colour, low-passed, divided by the norm of the
    deviations before the low-pass: the norm of a figure on blank ground is
    nearly one, that of a fine texture nearly zero.

    Parameters
    ----------
    images : ndarray
        uint8 ``[n, 64, 64, 3]``, as shown.

    Returns
    -------
    ndarray
        float32 ``[n, 3 * 64 * 64]``.
    """
    values = images.astype(np.float32) / np.float32(255)
    deviation = values - values.mean(axis=(1, 2), keepdims=True)
    contrast = np.linalg.norm(deviation.reshape(len(images), -1), axis=1)
    spectrum = fft.rfft2(deviation, axes=(1, 2)) * _HALF_COARSE[:, :, None]
    coarse = fft.irfft2(spectrum, s=images.shape[1:3], axes=(1, 2))
    return coarse.reshape(len(images), -1) / (contrast + 1.0)[:, None]


def _drive(match: np.ndarray, half: float, width: float) -> np.ndarray:
    """Return the drive of a match, in 0..1: half at `half`, 0.27 and 0.73 a `width` below and above."""
    return np.asarray(expit((match - half) / width))


def early_kernel(latency_ms: float, sustained: float, time_ms: np.ndarray) -> np.ndarray:
    """Return the texture component's time course: fast rise, transient, smaller rest.

    Parameters
    ----------
    latency_ms : float
        Start of the rise after image onset.
    sustained : float
        What is left after the transient, as a share of its peak.
    time_ms : ndarray
        Times after image onset, ms ``[time]``.

    Returns
    -------
    ndarray
        Dimensionless ``[time]``, peak about 1, zero before `latency_ms` and from 225 ms on.
    """
    since = np.maximum(time_ms - latency_ms, 0)
    rise = 1 - np.exp(-((since / 8) ** 2))
    decay = sustained + (1 - sustained) / (1 + np.exp((since - 42) / 5))
    return rise * decay * _ending(time_ms)


def late_kernel(latency_ms: float, time_ms: np.ndarray) -> np.ndarray:
    """Return the object component's time course: starts late, rises to a plateau.

    `latency_ms`, `time_ms` ``[time]`` and the returned array as for `early_kernel`.
    """
    since = np.maximum(time_ms - latency_ms, 0)
    return (1 - np.exp(-((since / 24) ** 3))) * _ending(time_ms)


def _ending(time_ms: np.ndarray) -> np.ndarray:
    """Fade between 195 and 225 ms, so that little is left when the next image's baseline starts."""
    return np.cos(np.clip((time_ms - 195) / 30, 0, 1) * np.pi / 2) ** 2


@dataclass(frozen=True)
class AreaTuning:
    """Proportions of an area's units (the demo's planted facts).

    Attributes
    ----------
    w_texture, w_object : float
        Weights of the two components at the kernels' peaks, 0..1.
    latency_ms, object_latency_ms : float
        Start of the texture and of the object component.
    sustained : float
        Texture component after its transient, as a share of the peak.
    gain_hz : float
        Rate that full drive adds to the preferred unit at a kernel's peak, spikes/s.
    """

    w_texture: float
    w_object: float
    latency_ms: float
    object_latency_ms: float
    sustained: float
    gain_hz: float


# V1 sees texture and little else, V4 mostly, posterior IT both, the object later. V1 is driven
# hardest by what is flashed onto its fields, and for the shortest time.
AREAS = {
    "V1": AreaTuning(
        w_texture=0.9,
        w_object=0.15,
        latency_ms=42.0,
        object_latency_ms=75.0,
        sustained=0.3,
        gain_hz=320.0,
    ),
    "V4": AreaTuning(
        w_texture=0.9,
        w_object=0.28,
        latency_ms=46.0,
        object_latency_ms=78.0,
        sustained=0.45,
        gain_hz=240.0,
    ),
    "IT": AreaTuning(
        w_texture=1.0,
        w_object=1.0,
        latency_ms=50.0,
        object_latency_ms=79.0,
        sustained=0.2,
        gain_hz=200.0,
    ),
}


@dataclass(frozen=True)
class ModelUnit:
    """A unit with a preferred texture and a preferred object, both given as images.

    Attributes
    ----------
    tuning : AreaTuning
        Weights and latencies.
    preferred_texture, preferred_object : ndarray
        uint8 ``[64, 64, 3]``.
    base_hz, gain_hz : float
        Rate without drive; rate that full drive adds at a kernel's peak, spikes/s.
    tuned : bool
        False: it answers to every image alike, whatever it shows.
    """

    tuning: AreaTuning
    preferred_texture: np.ndarray
    preferred_object: np.ndarray
    base_hz: float = 10.0
    gain_hz: float = 160.0
    tuned: bool = True
    _texture: np.ndarray = field(init=False, repr=False)
    _figure: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        statistic = texture_statistics(self.preferred_texture[None])[0]
        axis = statistic - statistic.mean()  # isotropic contrast is no match
        object.__setattr__(self, "_texture", axis / (axis @ statistic))
        figure = figures(self.preferred_object[None])[0]
        object.__setattr__(self, "_figure", figure / (figure @ figure))

    def texture_match(self, statistics: np.ndarray) -> np.ndarray:
        """Return T, ``[n]`` in 0..1, from `texture_statistics` ``[n, band]``."""
        if not self.tuned:
            return np.full(len(statistics), UNTUNED_DRIVE)
        return _drive(statistics @ self._texture, *TEXTURE_DRIVE)

    def object_match(self, coarse: np.ndarray) -> np.ndarray:
        """Return O, ``[n]`` in 0..1, from `figures` ``[n, pixel]``."""
        if not self.tuned:
            return np.full(len(coarse), UNTUNED_DRIVE)
        return _drive(coarse @ self._figure, *OBJECT_DRIVE)

    def kernels(self, time_ms: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the weighted kernels of texture and object, spikes/s per unit of match.

        Parameters
        ----------
        time_ms : ndarray, optional
            Times after onset, ms ``[time]``; 0, 1, .. 224 ms when not given.
        """
        time_ms = np.arange(RESPONSE_MS, dtype=float) if time_ms is None else time_ms
        tuning = self.tuning
        return (
            self.gain_hz * tuning.w_texture * early_kernel(tuning.latency_ms, tuning.sustained, time_ms),
            self.gain_hz * tuning.w_object * late_kernel(tuning.object_latency_ms, time_ms),
        )

    def rates(self, images: np.ndarray) -> np.ndarray:
        """Return the planted rate to single images.

        Parameters
        ----------
        images : ndarray
            uint8 ``[n, 64, 64, 3]``, as shown.

        Returns
        -------
        ndarray
            spikes/s, ``[n, 225]`` on the 1 ms grid from image onset.
        """
        early, late = self.kernels()
        texture = self.texture_match(texture_statistics(images))
        figure = self.object_match(figures(images))
        return self.base_hz + np.outer(texture, early) + np.outer(figure, late)


def crossover_ms(texture_thread: np.ndarray, object_thread: np.ndarray) -> float | None:
    """Return when the object thread's rate overtakes the texture thread's for good.

    Parameters
    ----------
    texture_thread, object_thread : ndarray
        Mean rates of the two threads, spikes/s ``[ms]``, on the 1 ms grid from onset,
        cut at 200 ms.

    Returns
    -------
    float or None
        First ms from which the object thread leads to the end of the window;
        None when it does not lead at the end or leads all along.
    """
    behind = np.flatnonzero(object_thread <= texture_thread)
    if len(behind) == 0 or behind[-1] == len(object_thread) - 1:
        return None
    return float(behind[-1] + 1)
