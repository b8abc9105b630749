"""Settings of reading raw files."""

from __future__ import annotations

from evoalign.settings import Section, setting


class Recordings(Section):
    """Raw files -> samples, words and online spikes at their true times."""

    gap_tolerance_ms: float = setting(
        1.0, "time stamps no further off the samples before them are jitter; beyond is a gap", ge=0, le=20
    )
