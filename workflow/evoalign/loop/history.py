"""What a journal says: presentations, recordings and scores so far."""

from __future__ import annotations

import base64
import bisect
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
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

VERSION = 2  # of the journal: 1 held spikes and words as lists of numbers
ALIGNED_BLOCKS = 3  # that place a block's presentations on the recording's clock


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

    def take_recorded(self, block: int, round_number: int, recorded: Recorded) -> None:
        """Take in a round's recording that was journaled: its record holds the same, bit for bit."""
        self.recorded[block, round_number] = recorded

    def first_of(self, block: int, round_number: int) -> int:
        """Number of the first presentation of a round, whether it was shown or is next."""
        return bisect.bisect_left(self.presentations, (block, round_number), key=lambda p: (p.block, p.round))

    def recent(self, block: int, channel: int) -> tuple[list[Presentation], Recorded]:
        """Return the presentations that place a block's on the recording's clock, and what was recorded then.

        Spikes are those of one channel: a hundred others take longer to sort than all else.
        """
        first = block - ALIGNED_BLOCKS + 1
        of_blocks = {
            key: replace(part, spikes=part.spikes[part.spikes["channel"] == channel])
            for key, part in self.recorded.items()
            if key[0] >= first
        }
        return self.presentations[self.first_of(first, 0) :], merge_recorded(of_blocks)


def begun_record(settings: Record) -> Record:
    """Return a journal's first record."""
    return {"kind": "begun", "version": VERSION, "settings": settings}


def check_begun(begun: Record, settings: Record, path: PathLike[str]) -> None:
    """See that an evolution can go on.

    Parameters
    ----------
    begun : dict
        The journal's first record.
    settings : dict
        Of now.
    path : path
        Of the journal.

    Raises
    ------
    InputError
        It was written by another version, or begun with other settings.
    """
    if begun["version"] != VERSION:
        raise InputError(
            f"the journal has version {begun['version']}, this program writes {VERSION}",
            path,
            "go on with the version of the program that began the evolution, or give another folder",
        )
    if begun["settings"] != settings:
        changed = [name for name in settings if begun["settings"].get(name) != settings[name]]
        raise InputError(
            f"the evolution was begun with another {', '.join(changed)}",
            path,
            "restore the settings, or give another folder",
        )


def recorded_fields(recorded: Recorded) -> Record:
    """Return words, spikes and changes of light as a journal holds them: see `_packed`."""
    light = recorded.photodiode
    changes = None if light is None else {"on_s": _packed(light.on_s), "off_s": _packed(light.off_s)}
    fields: Record = {
        "words": _packed_columns(recorded.words, WORDS),
        "spikes": _packed_columns(recorded.spikes, ONLINE_SPIKES),
        "light": changes,
    }
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
    words = _unpacked_columns(fields["words"], WORDS)
    spikes = _unpacked_columns(fields["spikes"], ONLINE_SPIKES)
    changes = fields["light"]
    offsets_s = tuple(fields.get("offsets_s", ()))
    if changes is None:
        return Recorded(words, spikes, None, offsets_s)
    on_s, off_s = (_unpacked(changes[name]) for name in ("on_s", "off_s"))
    return Recorded(words, spikes, Photodiode(on_s, off_s), offsets_s)


def _packed_columns(frame: pd.DataFrame, contract: pa.Schema) -> Record:
    columns: Record = {}
    for field in contract:
        if field.type == pa.string():
            codes, texts = pd.factorize(frame[field.name])
            columns[field.name] = {"texts": texts.tolist(), "codes": _packed(codes)}
        else:
            columns[field.name] = _packed(frame[field.name].to_numpy())
    return columns


def _unpacked_columns(columns: Mapping[str, Any], contract: pa.Schema) -> pd.DataFrame:
    """Return a table from its columns."""
    frame = {
        name: np.array(column["texts"], object)[_unpacked(column["codes"])]
        if "texts" in column
        else _unpacked(column)
        for name, column in columns.items()
    }
    return tables.conform(pd.DataFrame(frame), contract)


def _packed(values: np.ndarray) -> dict[str, str]:
    """Return numbers as text, bit for bit: the smallest little-endian type that holds them, and base64.

    As decimal numbers, the spikes of a hundred channels take longer to write than all else in a block.
    """
    if values.dtype.kind in "iu" and len(values):
        limits = [np.min_scalar_type(limit) for limit in (values.min(), values.max())]
        values = values.astype(np.promote_types(*limits))
    values = values.astype(values.dtype.newbyteorder("<"))
    return {"dtype": values.dtype.str, "base64": base64.b64encode(values.tobytes()).decode()}


def _unpacked(column: Mapping[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(column["base64"]), column["dtype"])
