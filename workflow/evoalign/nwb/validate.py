"""What the validators of the community say of a file."""

from __future__ import annotations

import warnings
from os import PathLike
from pathlib import Path

import pandas as pd
import pynwb
from nwbinspector import Importance, inspect_nwbfile_object, load_config
from pynwb import NWBFile

from evoalign import tables
from evoalign.errors import InputError
from evoalign.nwb.dandi import dandi_findings, place_in_dandiset
from evoalign.nwb.objects import is_zarr
from evoalign.nwb.read import opened
from evoalign.nwb.settings import Packaging
from evoalign.nwb.tables import FINDINGS

# Importances that `nwb.strict` makes fatal.
FATAL = ("ERROR", "PYNWB_VALIDATION", "CRITICAL", "BEST_PRACTICE_VIOLATION")

# It asks for array elements by unsigned numbers, which zarr 2 does not take, and breaks down.
_NOT_FOR_ZARR = ["check_units_table_duration"]

Finding = tuple[str, str, str, str, str]


def validate(path: str | PathLike[str], config: Packaging | None = None) -> pd.DataFrame:
    """Run pynwb's validation, nwbinspector and ``dandi validate`` on a file; nothing is downloaded.

    Parameters
    ----------
    path : path
        An NWB file, HDF5 or Zarr.
    config : Packaging, optional
        With ``nwb.strict``, findings are fatal.

    Returns
    -------
    pandas.DataFrame
        `FINDINGS`; no rows when there is nothing to say.

    Raises
    ------
    InputError
        The file is missing or damaged; or ``nwb.strict`` is set and there is a finding
        at BEST_PRACTICE_VIOLATION or above.
    """
    path = Path(path)
    with opened(path) as nwb, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = dandi_findings(nwb, path)
        schema = [row for row in told if row[0] == "pynwb"]
        # The tool runs pynwb's validation too, which takes longer than to read a file; not that of Zarr, nor
        # where it is not run itself.
        if is_zarr(path) or place_in_dandiset(nwb, path) is None:
            schema = _schema(nwb)
        rows = [*schema, *_inspector(nwb, path), *(row for row in told if row[0] == "dandi")]
    findings = tables.conform(pd.DataFrame(rows, columns=FINDINGS.names, dtype="str"), FINDINGS)
    fatal = findings[findings["importance"].isin(FATAL)]
    if config is not None and config.nwb.strict and len(fatal):
        worst = fatal.iloc[0]
        raise InputError(
            f"{len(fatal)} findings of the validators; {worst['check']}: {worst['message']}",
            f"{path}, {worst['location']}",
            "correct the metadata in config, or set nwb.strict: false",
        )
    return findings


def _schema(nwb: NWBFile) -> list[Finding]:
    try:
        # Not by its path, for which pynwb gives hdmf_zarr arguments that it does not know.
        errors = pynwb.validate(io=nwb.read_io)
    except Exception as error:  # a damaged file raises almost anything
        return [("pynwb", "ERROR", "readable", "/", str(error).partition("\n")[0])]
    return [("pynwb", "ERROR", str(e.name), str(e.location or "/"), str(e.reason)) for e in errors]


def _inspector(nwb: NWBFile, path: Path) -> list[Finding]:
    try:
        inspector_messages = [
            *inspect_nwbfile_object(
                nwb,
                # The archive asks for more of the subject than nwbinspector by itself.
                config=load_config("dandi"),
                ignore=_NOT_FOR_ZARR if is_zarr(path) else None,
                importance_threshold=Importance.BEST_PRACTICE_SUGGESTION,
            )
        ]
    except Exception as error:  # a check that breaks down on damaged content
        return [("nwbinspector", "ERROR", type(error).__name__, "/", str(error).partition("\n")[0])]
    messages = sorted(
        inspector_messages, key=lambda m: (-m.importance.value, str(m.check_function_name), str(m.location))
    )
    return [
        (
            "nwbinspector",
            m.importance.name,
            str(m.check_function_name).partition("\n")[0],
            _place(m),
            m.message,
        )
        for m in messages
    ]


def _place(message: object) -> str:
    location = str(getattr(message, "location", None) or "/").rstrip("/")
    return f"{location}/{getattr(message, 'object_name', None) or ''} ({getattr(message, 'object_type', '')})"
