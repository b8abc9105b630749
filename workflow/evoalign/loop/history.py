"""What a journal says: presentations, recordings and scores so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.photodiode import Photodiode
from evoalign.loop.interfaces import Presentation, Recorded
from evoalign.loop.journal import Record
from evoalign.recordings.tables import ONLINE_SPIKES, WORDS

_WORD_FIELDS = ("time_s", "word", "source", "segment")
_SPIKE_FIELDS = ("channel", "unit", "time_s")


class History:
    """Records taken in one after the other.

    Attributes
    ----------
    presentations : list of Presentation
    recorded : dict of (int, int) to Recorded
        By block and round.
    digests : dict of int to dict of str to str
        By block, SHA-256 of the latents of each thread.
    names : dict of int to dict of str to list of str
        By block, image names of each thread, a row of its latents each.
    rates : dict of int to dict of str to float
        By block, the rate of each image that has one, spikes/s.
    baselines_hz : dict of int to float
        By block, the mean rate before the answer; not of journals of earlier versions.
    """

    def __init__(self) -> None:
        self.presentations: list[Presentation] = []
        self.recorded: dict[tuple[int, int], Recorded] = {}
        self.digests: dict[int, dict[str, str]] = {}
        self.names: dict[int, dict[str, list[str]]] = {}
        self.rates: dict[int, dict[str, float]] = {}
        self.baselines_hz: dict[int, float] = {}

    @property
    def last_scored(self) -> int:
        """Last block that is finished; 0 when none is."""
        return max(self.rates, default=0)

    def take(self, record: Record) -> None:
        """Take in the next record.

        Raises
        ------
        InputError
            It is of a kind that this version does not know, or a presentation is missing before it.
        """
        fields = {name: value for name, value in record.items() if name != "kind"}
        match record["kind"]:
            case "proposed":
                self.digests[fields["block"]] = fields["latents"]
                self.names[fields["block"]] = fields["names"]
            case "shown":
                presentation = Presentation(**fields)
                if presentation.number != len(self.presentations):
                    raise InputError(
                        f"presentation {presentation.number} follows {len(self.presentations) - 1}", "journal"
                    )
                self.presentations.append(presentation)
            case "recorded":
                self.recorded[fields["block"], fields["round"]] = _recorded(fields)
            case "scored":
                self.rates[fields["block"]] = fields["rates"]
                if "baseline_hz" in fields:
                    self.baselines_hz[fields["block"]] = fields["baseline_hz"]
            case kind:
                raise InputError(f"records of kind '{kind}' are unknown", "journal", "use a newer version")

    def first_of(self, block: int, round_number: int) -> int:
        """Number of the first presentation of a round, whether it was shown or is next."""
        for presentation in self.presentations:
            if (presentation.block, presentation.round) >= (block, round_number):
                return presentation.number
        return len(self.presentations)


def recorded_fields(recorded: Recorded) -> Record:
    """Return words and spikes as a journal holds them: a list a column."""
    words: dict[str, Any] = {name: recorded.words[name].tolist() for name in _WORD_FIELDS}
    spikes: dict[str, Any] = {name: recorded.spikes[name].tolist() for name in _SPIKE_FIELDS}
    light = recorded.photodiode
    changes = None if light is None else {"on_s": light.on_s.tolist(), "off_s": light.off_s.tolist()}
    fields: Record = {"words": words, "spikes": spikes, "light": changes}
    return fields | ({"offsets_s": list(recorded.offsets_s)} if recorded.offsets_s else {})


def merge_recorded(parts: Mapping[tuple[int, int], Recorded]) -> Recorded:
    """Return what was recorded in several rounds, in the order of time."""
    ordered = [parts[key] for key in sorted(parts)]
    if not ordered:
        return Recorded(tables.empty(WORDS), tables.empty(ONLINE_SPIKES))
    words = pd.concat([part.words for part in ordered], ignore_index=True)
    spikes = pd.concat([part.spikes for part in ordered], ignore_index=True)
    order = np.lexsort((words["time_s"], words["segment"]))
    return Recorded(
        words.iloc[order].reset_index(drop=True),
        spikes.sort_values(["time_s", "channel"], kind="stable").reset_index(drop=True),
        _merge_light([part.photodiode for part in ordered if part.photodiode is not None]),
        ordered[-1].offsets_s,
    )


def _merge_light(parts: list[Photodiode]) -> Photodiode | None:
    if not parts:
        return None
    return Photodiode(
        np.concatenate([part.on_s for part in parts]), np.concatenate([part.off_s for part in parts])
    )


def _recorded(fields: Mapping[str, Any]) -> Recorded:
    words = _frame(fields["words"], WORDS)
    spikes = _frame(fields["spikes"], ONLINE_SPIKES)
    changes = fields["light"]
    offsets_s = tuple(fields.get("offsets_s", ()))
    if changes is None:
        return Recorded(words, spikes, None, offsets_s)
    on_s, off_s = (np.array(changes[name], np.float64) for name in ("on_s", "off_s"))
    return Recorded(words, spikes, Photodiode(on_s, off_s), offsets_s)


def _frame(columns: Mapping[str, list[Any]], contract: pa.Schema) -> pd.DataFrame:
    """Return a table from its columns; lists without items have no type of their own."""
    frame = pd.DataFrame(columns)
    return tables.conform(frame, contract) if len(frame) else tables.empty(contract)
