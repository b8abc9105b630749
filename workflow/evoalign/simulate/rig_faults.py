"""What goes wrong at a simulated rig."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Faults:
    """Kinds of faults, and how often they occur.

    Attributes
    ----------
    dropped, doubled, spurious : float
        Share of words that are lost, sent twice, or added at random.
    drift_ppm, offset_s : float
        Recording's clock = offset + (1 + drift) x log clock.
    pauses, resets : int
        Times that the recording pauses (5 to 20 s), and that its clock starts anew.
    delay_ms : (float, float)
        Word to light on the screen, uniform.
    log_jitter_ms : float
        Standard deviation of logged times around the words.
    flash_missing, flash_late : float
        Share of images that the photodiode misses, or sees 60 ms late.
    broken : float
        Share of trials that break while an image is shown.
    residual_drift_ppm : float
        Slow change of the drift, over the whole session.
    """

    dropped: float = 0.02
    doubled: float = 0.01
    spurious: float = 0.02
    drift_ppm: float = 40.0
    offset_s: float = 10.0
    pauses: int = 3
    resets: int = 1
    delay_ms: tuple[float, float] = (0.0, 17.0)
    log_jitter_ms: float = 0.2
    flash_missing: float = 0.0
    flash_late: float = 0.0
    broken: float = 0.03
    residual_drift_ppm: float = 0.0


NO_FAULTS = Faults(0, 0, 0, 0, 0, 0, 0, (0.0, 0.0), 0, 0, 0, 0, 0)
