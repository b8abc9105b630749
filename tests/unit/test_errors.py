"""The one error shows what a damaged file holds, and lets none of it reach the terminal as a command."""

import pickle

import pytest

from evoalign.errors import InputError


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ("a\0b", "a\\x00b"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\udcff", "\\udcff"),
        ("naïve µV", "naïve µV"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_characters_that_a_terminal_obeys_are_shown_as_their_codes(found, shown):
    error = InputError(f"it holds {found}", f"{found}.nev", f"remove {found}")
    assert (error.what, error.where, error.hint) == (f"it holds {shown}", f"{shown}.nev", f"remove {shown}")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    str(error).encode()
