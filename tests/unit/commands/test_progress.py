"""Long steps show on a terminal how far they are, and write nothing into a pipe."""

import io
import sys

import pytest

from evoalign import cli
from evoalign.commands.progress import each, steps


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal(), True), (io.StringIO(), False)])
def test_steps_and_items_are_shown_on_a_terminal_only(monkeypatch, stream, shown):
    monkeypatch.setattr(sys, "stderr", stream)
    with steps(2) as begin:
        begin("opening")
        begin("matching")
    assert list(each([1, 2], "session")) == [1, 2]
    output = stream.getvalue()
    assert ("opening" in output and "matching" in output and "step 1 of 2" in output) == shown
    assert ("sessions" in output) == shown
    assert bool(output) == shown


def test_a_step_that_fails_leaves_no_bar_and_its_error(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with pytest.raises(ValueError), steps(1) as begin:
        begin("opening")
        raise ValueError
    assert stream.getvalue().rpartition("\r")[2].strip() == ""


def parsers(parser, name="evoalign"):
    yield name, parser
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for child, below in action.choices.items():
                yield from parsers(below, f"{name} {child}")


PARSERS = dict(parsers(cli.make_parser()))


@pytest.mark.parametrize("name", PARSERS)
def test_every_help_ends_in_an_example_of_its_own(name):
    page = PARSERS[name].format_help()
    examples = page.partition("\nexample")[2].split("\n")
    assert name == "evoalign" or any(f"{line} ".strip().startswith(name) for line in examples)
    assert len(PARSERS) >= 13
