"""Settings of counting spikes."""

from __future__ import annotations

from evoalign.settings import Section, UnitKind, setting


class Responses(Section):
    """Spike times x presentations -> counts per ms."""

    start_ms: int = setting(-50, "first ms of the count tensor, relative to image onset", ge=-1000, le=0)
    stop_ms: int = setting(250, "end of the count tensor, relative to image onset", ge=50, le=5000)
    max_missing: float = setting(
        0.02,
        "share of the count tensor's window that may be missing (pause, blanked artefact, end of a file); "
        "beyond it the presentation is not recorded for the unit",
        ge=0,
        lt=1,
    )
    kinds: tuple[UnitKind, ...] = setting(
        ("sorted", "multiunit", "online", "envelope"), "unit kinds that are carried on"
    )
