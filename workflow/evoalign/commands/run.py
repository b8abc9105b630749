"""`evoalign run`: the pipeline over the study in this folder."""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from evoalign.commands.arguments import CONFIG, Subcommands, checkout, of_checkout, subcommand
from evoalign.errors import InputError

EXAMPLES = """
evoalign run --dry
evoalign run --cores 8
evoalign run --slurm
evoalign run results/nwb/day1.nwb
evoalign run -- --config device=cuda --forcerun sort
"""


def add(subcommands: Subcommands) -> None:
    """Add the subcommand."""
    parser = subcommand(
        subcommands, "run", "the pipeline over the study in this folder: Snakemake with the right profile",
        EXAMPLES, run,
    )  # fmt: skip
    parser.add_argument(
        "targets", nargs="*", metavar="FILE", help="make only these, and what they need (the report); "
        "after --, options of Snakemake",
    )  # fmt: skip
    parser.add_argument("--config", type=Path, default=CONFIG, help=f"settings of the study ({CONFIG})")
    parser.add_argument("--cores", type=int, default=None, help="on this machine (all)")
    parser.add_argument("--slurm", action="store_true", help="send the jobs to a SLURM cluster")
    parser.add_argument("--dry", action="store_true", help="say what would be done, and why")


def run(arguments: argparse.Namespace) -> int:
    """Run Snakemake; its exit status.

    Raises
    ------
    InputError
        There is no study here, or no Snakemake.
    """
    if not arguments.config.exists():
        raise InputError(
            "there is no study here",
            arguments.config.absolute(),
            "make one with evoalign new FOLDER, or cd to it",
        )
    command = snakemake_command(arguments)
    # The study's folder is where Snakemake looks for everything that the sheet names.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(_paths())}
    return subprocess.run(command, env=environment, check=False).returncode


def snakemake_command(arguments: argparse.Namespace) -> list[str]:
    """Return the command line of Snakemake.

    Raises
    ------
    InputError
        Snakemake or the rules are not installed.
    """
    if importlib.util.find_spec("snakemake") is None:
        hint = f"pip install --requirement {checkout() / 'envs/requirements.lock'}"
        raise InputError("Snakemake is not installed", sys.executable, hint)
    snakefile = of_checkout("Snakefile")
    profile = of_checkout("workflow/profiles") / ("slurm" if arguments.slurm else "default")
    command = [
        sys.executable,
        "-m",
        "snakemake",
        # takes any number of files, so it must not come last, before the targets
        "--configfile",
        str(arguments.config),
        "--snakefile",
        str(snakefile),
        "--workflow-profile",
        str(profile),
    ]
    if arguments.cores is not None:
        command += ["--cores", str(arguments.cores)]
    return command + (["--dry-run"] if arguments.dry else []) + arguments.targets


def _paths() -> list[str]:
    """Return where Python finds the library also in Snakemake's own processes."""
    return [str(checkout() / "workflow"), *filter(None, [os.environ.get("PYTHONPATH")])]
