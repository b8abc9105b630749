"""What the validators of the community say of a file."""

from __future__ import annotations

import warnings
from os import PathLike
from pathlib import Path

import pandas as pd
import pynwb
from nwbinspector import Importance, inspect_nwbfile

from evoalign import study, tables
from evoalign.errors import InputError

# Importances that `nwb.strict` makes fatal.
FATAL = ("ERROR", "PYNWB_VALIDATION", "CRITICAL", "BEST_PRACTICE_VIOLATION")


def validate(path: str | PathLike[str], config: study.Config | None = None) -> pd.DataFrame:
    """Run nwbinspector and pynwb's validation on a file.

    Parameters
    ----------
    path : path
        An NWB file.
    config : study.Config, optional
        With ``nwb.strict``, findings are fatal.

    Returns
    -------
    pandas.DataFrame
        `tables.FINDINGS`, the gravest first; no rows when there is nothing to say.

    Raises
    ------
    InputError
        The file is missing; or ``nwb.strict`` is set and there is a finding
        at BEST_PRACTICE_VIOLATION or above.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("file does not exist", path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = [*_schema(path), *_inspector(path)]
    found = pd.DataFrame(rows, columns=tables.FINDINGS.names, dtype="str")
    found = tables.conform(found, tables.FINDINGS)
    fatal = found[found["importance"].isin(FATAL)]
    if config is not None and config.nwb.strict and len(fatal):
        worst = fatal.iloc[0]
        raise InputError(
            f"{len(fatal)} findings of the validators; {worst['check']}: {worst['message']}",
            f"{path}, {worst['location']}",
            "mend the metadata in config, or set nwb.strict: false",
        )
    return found


def _schema(path: Path) -> list[tuple[str, str, str, str, str]]:
    errors = pynwb.validate(path=str(path))
    return [("pynwb", "ERROR", str(e.name), str(e.location or ""), str(e.reason)) for e in errors]


def _inspector(path: Path) -> list[tuple[str, str, str, str, str]]:
    found = inspect_nwbfile(
        nwbfile_path=str(path),
        # pynwb's validation has run already.
        skip_validate=True,
        importance_threshold=Importance.BEST_PRACTICE_SUGGESTION,
    )
    messages = sorted(found, key=lambda m: (-m.importance.value, m.check_function_name, str(m.location)))
    return [
        (
            "nwbinspector",
            m.importance.name,
            str(m.check_function_name),
            f"{m.location or '/'} ({m.object_type})",
            m.message,
        )
        for m in messages
    ]
