"""What the units of one electrode look like, for template matching."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PHASES = 4  # sub-sample positions of a template
NO_BURST = 1e9  # the cost of a spike in a burst of a unit that does not burst


@dataclass(frozen=True)
class Templates:
    """What the units of one electrode look like in whitened voltages.

    Attributes
    ----------
    waves : ndarray
        float32 ``[unit, phase, sample]``, in noise SDs; phase p is the
        waveform p/PHASES samples later.
    before : int
        Samples before the trough.
    scale_sd : ndarray
        float32 ``[unit]``: how much the size of the unit's spikes varies.
    n_spikes : ndarray
        float64 ``[unit]``: how often each was seen, in any unit of count.
    n_background : int
        So many templates, the last ones, are those of far cells: their spikes are no unit's.
    n_doubtful : int
        So many of the units, the last ones, may be far cells too: matching decides (`doubtful`).
    bursts : ndarray, optional
        bool ``[unit]``: smaller spikes follow those of the unit; none do where it is not given.
    """

    waves: np.ndarray
    before: int
    scale_sd: np.ndarray
    n_spikes: np.ndarray
    n_background: int = 0
    bursts: np.ndarray | None = None
    n_doubtful: int = 0

    @classmethod
    def of(
        cls,
        mean: np.ndarray,
        before: int,
        scale_sd: np.ndarray,
        n_spikes: np.ndarray | None = None,
        n_background: int = 0,
        n_doubtful: int = 0,
    ) -> Templates:
        """Make templates from mean waveforms ``[unit, sample]``."""
        waves = shifted(mean[:, None, :], np.arange(PHASES)[None, :] / PHASES)
        count = np.ones(len(mean)) if n_spikes is None else n_spikes.astype(np.float64)
        waves, scale_sd = waves.astype(np.float32), scale_sd.astype(np.float32)
        return cls(waves, before, scale_sd, count, n_background, n_doubtful=n_doubtful)

    @property
    def n_units(self) -> int:
        """Templates of units, which come first."""
        return len(self.waves) - self.n_background

    @property
    def n_sure(self) -> int:
        """Templates of units that are not doubtful, which come first."""
        return self.n_units - self.n_doubtful

    def only(self, indices: np.ndarray) -> Templates:
        """Return these templates, in the order of ``indices [template]``, which rises."""
        n_background, n_not_sure = (int(np.sum(indices >= first)) for first in (self.n_units, self.n_sure))
        bursts = None if self.bursts is None else self.bursts[indices]
        return Templates(
            self.waves[indices],
            self.before,
            self.scale_sd[indices],
            self.n_spikes[indices],
            n_background,
            bursts,
            n_not_sure - n_background,
        )

    def cost(self) -> np.ndarray:
        """Return what a spike of each must gain more than one of the commonest, float32 ``[template]``.

        Twice the log of its prior probability, and of the share of the prior
        on its scale that the data leave (Occam's factor; MacKay 2003, ch. 28).
        """
        energy = np.sum(self.waves[:, 0] ** 2, axis=1)
        occam = np.log1p(energy * self.scale_sd**2)
        rare = -2 * np.log(self.n_spikes / self.n_spikes.max())
        return (occam + rare - np.min(occam + rare)).astype(np.float32)

    def burst_cost(self, low: float) -> np.ndarray:
        """Return as `cost` of a spike in a burst, whose scale may be any from `low` to 1.

        `NO_BURST` for units that do not burst.
        """
        if self.bursts is None or not self.bursts.any():
            return np.full(len(self.waves), NO_BURST, np.float32)
        energy = np.sum(self.waves[:, 0] ** 2, axis=1)
        usual, any_scale = energy * self.scale_sd**2, energy * (1 - low) ** 2 / (2 * np.pi)
        wider = np.log1p(np.maximum(any_scale - usual, 0) / (1 + usual))
        return np.where(self.bursts, self.cost() + wider, NO_BURST).astype(np.float32)


def shifted(waves: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Shift waveforms later by fractions of a sample (band-limited interpolation).

    Parameters
    ----------
    waves : ndarray
        ``[.., sample]``.
    by : ndarray
        Samples, of a shape that broadcasts against the leading axes of `waves`.

    Returns
    -------
    ndarray
        Of the shape of `waves`.
    """
    n = waves.shape[-1]
    # Twice the length keeps what leaves at one end from coming in at the other.
    spectrum = np.fft.rfft(waves, 2 * n, axis=-1)
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(2 * n) * by[..., None])
    return np.fft.irfft(spectrum * turn, 2 * n, axis=-1)[..., :n]
