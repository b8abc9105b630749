"""Central's channel configurations: .ccf files."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from evoalign.errors import InputError

BINARY = b"cbCCF"  # Central before version 6


def read_ccf(path: Path) -> dict[str, Any]:
    """Read labels and spike thresholds of a Central channel configuration (XML); of a binary one its version.

    Raises
    ------
    InputError
        The file is no XML of that kind.
    """
    with path.open("rb") as file:
        first = file.read(64)
    if first.startswith(BINARY):
        version = first[len(BINARY) :].split(b"\0")[0].decode("latin-1").strip()
        return {"file": path.name, "version": version, "channels": [], "note": "binary: not read"}
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError as error:
        raise InputError(f"no valid XML: {error}", path, "save the configuration again in Central") from error
    if root.tag != "CCF":
        raise InputError(f"no channel configuration: its root is <{root.tag}>", path)
    channels = [
        {"channel": chan.text, "label": (info.findtext("label") or "").strip()}
        for info in root.iter("ChanInfo_item")
        if (chan := info.find("chan")) is not None
    ]
    return {"file": path.name, "version": root.get("Version", ""), "channels": channels}
