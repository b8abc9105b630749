"""Write the contents of a recording as the tables of the ingest stage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from evoalign import tables
from evoalign.files import atomic_write, sha256
from evoalign.recordings.tables import CHANNELS, ONLINE_SPIKES, SEGMENTS, WORDS

_TABLES = tables.by_name(CHANNELS, SEGMENTS, WORDS, ONLINE_SPIKES)


if TYPE_CHECKING:
    from evoalign.recordings.recording import Recording


def write_recording_tables(
    recording: Recording, files: Mapping[str, str | PathLike[str]], provenance: Mapping[str, str]
) -> None:
    """Write descriptor, channels, segments, words and online spikes of a recording.

    The descriptor also holds the SHA-256 of each raw file: everything made
    from them states it.

    Parameters
    ----------
    recording : Recording
        What to describe; its array map is applied already.
    files : mapping of str to path
        Where to write ``descriptor`` (JSON), ``channels``, ``segments``,
        ``words`` and ``online_spikes`` (Parquet).
    provenance : mapping of str to str
        Kept in each table.
    """
    checksums = {Path(file).name: sha256(file) for file in recording.files}
    descriptor = recording.descriptor() | {"sha256": checksums}
    for name, contract in _TABLES.items():
        tables.write(getattr(recording, name), contract, files[name], provenance)
    with atomic_write(files["descriptor"]) as partial:
        partial.write_text(json.dumps(descriptor, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
