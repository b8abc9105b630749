"""What the subcommands' parsers share."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import evoalign
from evoalign.errors import InputError

if TYPE_CHECKING:
    from evoalign.sheet import Session
    from evoalign.study import Config

Subcommands = Any  # argparse keeps the type of `add_subparsers` to itself
CONFIG = Path("config/config.yaml")


def subcommand(
    subcommands: Subcommands, name: str, summary: str, examples: str, run: Callable[[argparse.Namespace], Any]
) -> argparse.ArgumentParser:
    """Add a subcommand whose help ends in examples.

    Parameters
    ----------
    subcommands
        What `argparse` returns from `add_subparsers`.
    name, summary, examples : str
        Examples are command lines, one a line.
    run : callable
        Called with the parsed arguments; an int that it returns is the exit status.
    """
    lines = [f"  {line.strip()}" for line in examples.strip().splitlines()]
    parser = subcommands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog="\n".join(["examples:" if len(lines) > 1 else "example:", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the settings."""
    parser.add_argument(
        "--config", type=Path, help=f"settings of the study ({CONFIG} where it is there, else the defaults)"
    )


def read_config(path: Path | None) -> Config:
    """Read the settings of a study: of the named file, of this folder's, or else the defaults.

    Raises
    ------
    InputError
        As for `load_config` and `check_yaml`.
    """
    from evoalign.study import Config, load_config
    from evoalign.study_checks import check_consistency, check_yaml

    if path is None and not CONFIG.exists():
        return Config()
    named = path or CONFIG
    check_yaml(named)
    config = load_config(named)
    check_consistency(config, named)
    return config


def checkout() -> Path:
    """Return the folder of this checkout: that of the Snakefile."""
    return Path(evoalign.__file__).parents[2]


def of_checkout(name: str | Path) -> Path:
    """Return a file or folder of the checkout.

    Raises
    ------
    InputError
        It is not there: the library alone was installed.
    """
    path = checkout() / name
    if not path.exists():
        hint = "install with pip install --editable, from a checkout: rules and styles lie there"
        raise InputError("the checkout that this belongs to is not there", path, hint)
    return path


def style_file(config: Config) -> Path:
    """Return the style file of figures: the study's, else this checkout's of the same name."""
    style = Path(config.figures.style)
    return style if style.exists() else checkout() / style


def check_target(target: Path, replace: bool = False) -> None:
    """Refuse to write where something is already.

    Raises
    ------
    InputError
        The file or folder exists, and is not to be replaced.
    """
    if target.exists() and not replace:
        raise InputError("this exists already, and nothing is replaced", target, "name another with --to")


@contextmanager
def new_folder(target: Path, what: str) -> Iterator[Path]:
    """Yield a folder that appears as `target`, whole or not at all.

    Raises
    ------
    InputError
        The disk does not take it; `what` says what could not be written.
    """
    from evoalign.files import atomic_write

    try:
        with atomic_write(target) as partial:
            partial.mkdir()
            yield partial
    except OSError as error:
        raise InputError(f"the {what} cannot be written: {error.strerror}", target) from error


def session_of(arguments: argparse.Namespace) -> Session:
    """Return the row of a sample sheet that the options make.

    Raises
    ------
    InputError
        An option has a value that the column of its name does not take.
    """
    from pydantic import ValidationError

    from evoalign.settings import explain
    from evoalign.sheet import Session

    named = {name: value for name, value in vars(arguments).items() if name in Session.model_fields}
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(arguments.files[0]).stem)
    row = {"session": name, "subject": "unknown", "raw": tuple(arguments.files)}
    try:
        return Session.model_validate(row | named | {"spaces": tuple(named.get("spaces", ()))})
    except ValidationError as error:
        raise explain(error, "options", Session) from None
