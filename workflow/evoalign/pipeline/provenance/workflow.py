"""A copy of the workflow as it ran: Snakefile, rules, configuration, sample sheet, pins."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from evoalign.files import atomic_write

# Name in the copy -> what it is.
PARTS = {
    "Snakefile": "the workflow's main file",
    "workflow/rules": "its rules, one file a stage",
    "config/config.yaml": "every knob, with what the command line changed",
    "config/sessions.tsv": "the sample sheet",
    "envs/requirements.lock": "the exact version of every Python package",
}


def copy_workflow(
    snakefile: str | PathLike[str],
    rules: Iterable[str | PathLike[str]],
    sheet: str | PathLike[str],
    lock: str | PathLike[str],
    config: Mapping[str, Any],
    folder: str | PathLike[str],
) -> None:
    """Write the copy; it appears whole or not at all.

    Parameters
    ----------
    snakefile, rules, sheet, lock : path, paths, path, path
        Where the parts lie.
    config : mapping
        As Snakemake gives it to its jobs.
    folder : path
        Holds `PARTS` afterwards.
    """
    with atomic_write(folder) as partial:
        for name in PARTS:
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
        (partial / "workflow/rules").mkdir()
        for rule in rules:
            shutil.copyfile(rule, partial / "workflow/rules" / Path(rule).name)
        for source, name in (
            (snakefile, "Snakefile"),
            (sheet, "config/sessions.tsv"),
            (lock, "envs/requirements.lock"),
        ):
            shutil.copyfile(source, partial / name)
        text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
        (partial / "config/config.yaml").write_text(text, encoding="utf-8")
