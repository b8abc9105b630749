"""The frame of a rule's script: its log, its threads, its one InputError."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from evoalign.depends import config_of
from evoalign.errors import InputError
from evoalign.files import sha256
from evoalign.provenance import DEPENDENCIES, provenance
from evoalign.study import Config

# Checksums of raw files are taken once, by the rule `recording`, whose descriptor holds them.
LARGE = ("raw", "stimuli")


@contextmanager
def job(snakemake: Any) -> Iterator[tuple[Config, dict[str, str]]]:
    """Run the body of a script for a Snakemake job.

    Bad input ends the job with the InputError's message on the screen and in
    the rule's log, without a traceback; anything else is a defect of ours and
    leaves its traceback in both.

    Parameters
    ----------
    snakemake : snakemake.script.Snakemake
        The object that Snakemake gives to a script.

    Yields
    ------
    Config
        The checked configuration of the run: where it works, and the knobs that the rule depends on.
    dict of str to str
        Provenance for the outputs: version, commit, config hash, checksums of
        the inputs.
    """
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as stream, threadpool_limits(snakemake.threads):
        logging.basicConfig(stream=stream, level=logging.INFO, force=True)
        logging.captureWarnings(True)
        try:
            config = config_of(snakemake)
            packages = snakemake.params.get("pins", DEPENDENCIES)
            yield config, provenance(config, _checksums(snakemake), packages)
        except InputError as error:
            message = f"{snakemake.rule} ({_wildcards(snakemake)}): {error}"
            print(message, file=stream)
            print(f"InputError in {message}", file=sys.stderr)
            stream.flush()
            raise SystemExit(1) from None
        except Exception:
            traceback.print_exc(file=stream)
            raise
        stream.write(f"{snakemake.rule} ({_wildcards(snakemake)}): done\n")


def _checksums(snakemake: Any) -> dict[str, str]:
    large = {file for name in LARGE for file in _listed(snakemake.input.get(name, []))}
    return {_named(file): sha256(file) for file in snakemake.input if file not in large}


def _named(file: str) -> str:
    """Path below the folder of the run: where that folder lies says nothing of the content."""
    path = Path(file)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _listed(files: Any) -> list[str]:
    return [files] if isinstance(files, str) else list(files)


def _wildcards(snakemake: Any) -> str:
    return ", ".join(f"{name}={value}" for name, value in snakemake.wildcards.items()) or "study"
