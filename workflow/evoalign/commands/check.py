"""`evoalign check`: everything that would fail in a run, before it does."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evoalign.commands.arguments import CONFIG, Subcommands, add_config, read_config, subcommand
from evoalign.commands.findings import Findings, finding_lines
from evoalign.commands.progress import each
from evoalign.commands.text import counted
from evoalign.errors import InputError

UNKNOWN = "unknown"  # what evoalign new fills in

if TYPE_CHECKING:
    from evoalign.sheet import Session
    from evoalign.study import Config

EXAMPLES = """
evoalign check
evoalign check --session day1 --whole
evoalign check --checksums
evoalign check --config my.yaml
evoalign check day1.nev day1.ns6
"""


def add(subcommands: Subcommands) -> None:
    """Add the subcommand."""
    parser = subcommand(
        subcommands, "check",
        "settings, sample sheet, files, words against logs, programs and machine, before a run",
        EXAMPLES, run,
    )  # fmt: skip
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE",
        help="in place of the study: a recording, a log, an array map or an NWB file, read from end to end",
    )  # fmt: skip
    parser.add_argument("--session", action="append", default=[], help="only this session (may be repeated)")
    parser.add_argument(
        "--whole", action="store_true", help="recordings from end to end, not their beginning"
    )
    parser.add_argument(
        "--checksums", action="store_true", help="also every byte of the files that results were made of"
    )
    parser.add_argument("--cores", type=int, default=None, help="that the run will have (all)")
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; 1 where a run would fail."""
    if arguments.files:
        from evoalign.commands.check_files import file_findings

        names = " + ".join(map(str, arguments.files))
        return _tell({names: file_findings(arguments.files, read_config(arguments.config))})
    parts: dict[str, Findings] = {}
    study = parts["Settings and sample sheet"] = Findings()
    config, rows = _study(arguments.config, study)
    if config is not None:
        from evoalign.commands.check_machine import machine_findings, program_findings
        from evoalign.commands.check_session import session_findings

        for row in each(_chosen(rows, config, arguments.session, study), "session"):
            parts[f"Session {row.session}"] = session_findings(row, config, arguments.whole)
            if row.subject == UNKNOWN:
                study.note(f"subject of session {row.session}: '{UNKNOWN}' counts as an animal of that name")
        if arguments.checksums:
            from evoalign.commands.check_records import record_findings

            parts["Results"] = record_findings(config.results)
        parts["Programs"] = program_findings(config)
        parts["Machine"] = machine_findings(config, rows, arguments.cores)
    return _tell(parts)


def _study(path: Path | None, findings: Findings) -> tuple[Config | None, tuple[Session, ...]]:
    """Read settings and sheet as a run does; every row that is wrong is a failure of its own."""
    from evoalign.sheet import check_curations, load_sessions
    from evoalign.study import check_generators

    named = path or CONFIG
    if not named.exists():
        findings.fail(InputError("there is no study here", named, "make one with evoalign new FOLDER"))
        return None, ()
    config = findings.result(lambda: read_config(named))
    if config is None:
        return None, ()
    findings.ok(f"settings: {named}")
    with findings.caught():
        check_generators(config)
    problems: list[InputError] = []
    rows = findings.result(lambda: load_sessions(config.sessions, exists=_exists, problems=problems)) or ()
    for problem in problems:
        findings.fail(problem)
    if rows:
        findings.ok(f"sample sheet: {config.sessions}, {counted(len(rows), 'session')} that can be read")
    with findings.caught():
        check_curations(rows, config.results)
    return config, rows


def _exists(file: str) -> bool:
    """Whether a file is there, or is made by the demo's rules."""
    return file.startswith("data/demo/") or Path(file).exists()


def _chosen(rows: tuple[Session, ...], config: Config, names: list[str], findings: Findings) -> list[Session]:
    """Return the rows of these names; a name that no row has, right or wrong, is a failure."""
    unread = set(names) - {row.session for row in rows}
    if unread and (in_sheet := _names_in_sheet(config)):
        from evoalign.settings import nearest

        for name in sorted(unread.difference(in_sheet)):
            findings.fail(InputError(f"there is no session '{name}'", "--session", nearest(name, in_sheet)))
    return [row for row in rows if not names or row.session in names]


def _names_in_sheet(config: Config) -> list[str]:
    """Names of all rows, of those that are wrong too; none where the sheet cannot be read, as was told."""
    from evoalign.sheet import session_names

    try:
        return session_names(config.sessions)
    except InputError:
        return []


def _tell(parts: dict[str, Findings]) -> int:
    for title, findings in parts.items():
        print("\n".join(finding_lines(title, findings)))
    n_failures = sum(findings.n_failures for findings in parts.values())
    n_notes = sum(finding.level == "note" for findings in parts.values() for finding in findings)
    print(f"\n{counted(n_failures, 'failure')}, {counted(n_notes, 'note')}")
    return 1 if n_failures else 0
