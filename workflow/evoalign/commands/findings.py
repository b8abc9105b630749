"""What a check found: failures, notes and what is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from evoalign.errors import InputError

OK, NOTE, FAIL = "ok", "note", "FAIL"
Value = TypeVar("Value")


@dataclass(frozen=True)
class Finding:
    """One line of a check.

    Attributes
    ----------
    level : str
        'ok', 'note' (it runs, and may not be what is meant) or 'FAIL' (a run would end there).
    text : str
    """

    level: str
    text: str


class Findings(list[Finding]):
    """Findings in the order in which they were made."""

    def ok(self, text: str) -> None:
        """Add what is right."""
        self.append(Finding(OK, text))

    def note(self, text: str) -> None:
        """Add what should be looked at."""
        self.append(Finding(NOTE, text))

    def fail(self, error: InputError | str) -> None:
        """Add what a run would end in."""
        self.append(Finding(FAIL, str(error)))

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Take an InputError of the block as a failure; what follows the block goes on."""
        try:
            yield
        except InputError as error:
            self.fail(error)

    def result(self, function: Callable[[], Value]) -> Value | None:
        """Return what a function does; None, and a failure more, where it ends in an InputError."""
        with self.caught():
            return function()
        return None

    @property
    def n_failures(self) -> int:
        """How many would end a run."""
        return sum(finding.level == FAIL for finding in self)


def finding_lines(title: str, findings: Sequence[Finding]) -> list[str]:
    """Return lines of text: the title, then the findings, further lines of a message below its first."""
    lines = [title]
    for finding in findings:
        first, *further_lines = finding.text.splitlines()
        lines += [f"  {finding.level:<4}  {first}", *(f"        {line}" for line in further_lines)]
    return lines
