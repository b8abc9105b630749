"""Central's channel configurations: .ccf files."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from evoalign.errors import InputError


def read_ccf(path: Path) -> dict[str, Any]:
    """Read labels and spike thresholds of a Central channel configuration (XML).

    Raises
    ------
    InputError
        The file is no XML of that kind.
    """
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
