"""The frame of a rule's script: its process, its log, its threads, its one InputError."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import os
import shutil
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from threadpoolctl import threadpool_limits

from evoalign.errors import InputError
from evoalign.files import no_space, remove_partials, sha256
from evoalign.pipeline.changes import stat_of, states
from evoalign.pipeline.declared import config_of
from evoalign.pipeline.process import RUN, end_with, temporary_directory
from evoalign.pipeline.provenance.measure import Meter
from evoalign.pipeline.provenance.metadata import provenance
from evoalign.pipeline.provenance.records import Job, named, record_file, write_job
from evoalign.study import Config

# Checksums of raw files are taken once, by the rule `recording`, whose descriptor holds them.
LARGE = ("raw", "stimuli")
GARBAGE_OBJECTS = 50_000  # new objects after which Python looks for cycles; it does so after 700 by itself


@contextmanager
def job(snakemake: Any) -> Iterator[tuple[Config, dict[str, str]]]:
    """Run the body of a script for a Snakemake job.

    Bad input ends the job with the InputError's message on the screen and in
    the rule's log, without a traceback, and so does a full disk; anything else
    is a defect of ours and leaves its traceback in both.

    The process ends with the Snakemake that started it. It removes what a
    killed one left of its outputs. What it took is recorded when it ends well.

    Parameters
    ----------
    snakemake : snakemake.script.Snakemake
        The object that Snakemake gives to a script.

    Yields
    ------
    Config
        The checked configuration of the run: where it works, and the settings that the rule depends on.
    dict of str to str
        Provenance for the outputs: version, commit, config hash, checksums of
        the inputs.
    """
    # What is loaded stays, and jobs leave little garbage: Python need not look for it so often.
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
    end_with(os.environ.get(RUN))
    log, meter = Path(snakemake.log[0]), Meter()
    with ExitStack() as stack:
        stream = _log(log)
        stack.callback(_close, stream)
        logging.basicConfig(stream=stream, level=logging.INFO, force=True)
        stack.callback(logging.getLogger().handlers.clear)  # none writes into the log when it is closed
        logging.captureWarnings(True)
        _tell(stream, f"{_name(snakemake)}: process {os.getpid()} on {socket.gethostname()}")
        for output in snakemake.output:
            remove_partials(output)
            remove_partials(Path(output).parent)
        try:
            stack.enter_context(temporary_directory())
            stack.enter_context(threadpool_limits(snakemake.threads))
            config = config_of(snakemake)
            read = _read_states(snakemake, config.results)
            remove_partials(record_file(config.results, snakemake.rule, _wildcards(snakemake)))
            checksums = _checksums(snakemake)
            facts = provenance(config, _by_name(checksums, config.results))
            yield config, facts
            _check_unchanged(read)
            write_job(_job(snakemake, meter, facts, checksums), config.results)
        except Exception as error:
            failure = _full(snakemake, error) if no_space(error) else error
            if not isinstance(failure, InputError):
                with suppress(OSError):
                    traceback.print_exc(file=stream)
                raise
            message = f"{_name(snakemake)}: {failure}"
            print(f"InputError in {message}", file=sys.stderr)
            _tell(stream, message)
            raise SystemExit(1) from None
        _tell(stream, f"{_name(snakemake)}: done")


def _log(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w", encoding="utf-8", buffering=1)


def _tell(stream: TextIO, line: str) -> None:
    """Write a line to the log, unless its disk is full."""
    with suppress(OSError):
        print(line, file=stream)


def _close(stream: TextIO) -> None:
    with suppress(OSError):
        stream.close()


def _full(snakemake: Any, error: BaseException) -> InputError:
    """Say of a full disk how much is left where, and that nothing is lost."""
    output = Path(snakemake.output[0]).absolute()
    existing = next(folder for folder in output.parents if folder.exists())
    left = [
        f"{what} in {place}, {shutil.disk_usage(place).free >> 20} MB free"
        for what, place in {"outputs": existing, "temporary files": Path(tempfile.gettempdir())}.items()
    ]
    return InputError(
        f"no space left on a disk, or a quota is used up ({error})",
        "; ".join(left),
        "free some space and run again: what was finished is kept",
    )


def _checksums(snakemake: Any) -> dict[str, str]:
    large = {file for name in LARGE for file in _listed(snakemake.input.get(name, []))}
    return {named(file): sha256(file) for file in snakemake.input if file not in large}


def _by_name(checksums: dict[str, str], results: str) -> dict[str, str]:
    """Call files by name: where they lie, or were fetched to, says nothing of the content.

    Files of the results keep their place in these, and the user's own files of one name their folders
    as far as these tell them apart.
    """
    names = {}
    user_files = [file for file in checksums if not Path(file).is_relative_to(named(results))]
    for file in checksums:
        if file not in user_files:
            names[file] = f"{Path(results).name}/{Path(file).relative_to(named(results))}"
            continue
        parts = Path(file).parts
        n = next((n for n in range(1, len(parts)) if _alone(parts[-n:], user_files)), len(parts))
        names[file] = "/".join(parts[-n:])
    return {names[file]: digest for file, digest in checksums.items()}


def _alone(ending: tuple[str, ...], files: list[str]) -> bool:
    return sum(Path(file).parts[-len(ending) :] == ending for file in files) == 1


def _job(snakemake: Any, meter: Meter, facts: dict[str, str], checksums: dict[str, str]) -> Job:
    """What is recorded of a job that has ended well."""
    return Job(
        rule=snakemake.rule,
        wildcards=_wildcards(snakemake),
        threads=snakemake.threads,
        usage=meter.read(),
        facts={name: value for name, value in facts.items() if not name.startswith("input:")},
        settings=json.loads(snakemake.params.settings),
        row=json.loads(snakemake.params.get("session", "{}")),
        inputs=dict.fromkeys(map(named, snakemake.input), "") | checksums,
        outputs=tuple(map(named, snakemake.output)),
        files=states(
            [*snakemake.output, *(file for file in snakemake.input if Path(file).is_file())], checksums
        ),
    )


def version(snakemake: Any) -> str:
    """Return what pieces of an output must have been made with to be taken: digest of code and settings."""
    made_with = f"{snakemake.params.code} {snakemake.params.settings}"
    return hashlib.sha256(made_with.encode()).hexdigest()[:16]


def _wildcards(snakemake: Any) -> dict[str, str]:
    return dict(snakemake.wildcards.items())


def _read_states(snakemake: Any, results: str) -> dict[str, tuple[int, int]]:
    """Size and time of last change of the user's own files that a job reads."""
    files = (Path(file) for file in snakemake.input)
    own = (
        file
        for file in files
        if file.is_file() and not file.resolve().is_relative_to(Path(results).resolve())
    )
    return {str(file): stat_of(file)[:2] for file in own}


def _check_unchanged(read: dict[str, tuple[int, int]]) -> None:
    """Refuse what was read while it changed: a copy that was not finished, a recording that goes on."""
    for file, state in read.items():
        if not Path(file).exists() or stat_of(Path(file))[:2] != state:
            raise InputError(
                "the file was changed while it was read", file, "wait until it is copied, and run again"
            )


def _listed(files: Any) -> list[str]:
    return [files] if isinstance(files, str) else list(files)


def _name(snakemake: Any) -> str:
    """Rule and wildcards, as a user knows a job."""
    wildcards = ", ".join(f"{name}={value}" for name, value in _wildcards(snakemake).items())
    return f"{snakemake.rule} ({wildcards or 'study'})"
