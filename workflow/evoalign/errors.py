"""The one error that a user's input can end in."""

from __future__ import annotations

from os import PathLike


class InputError(Exception):
    """Input that the pipeline cannot use: what is wrong, where, how to put it right.

    Parameters
    ----------
    what : str
        What is wrong, in one sentence, with the numbers found and expected.
    where : str or path, optional
        File, and where it helps a row, key, byte or object in it
        (``sessions.tsv, row 3, column raw``; ``a.nev, byte 336``).
    hint : str, optional
        What the user can do about it.

    Examples
    --------
    >>> print(InputError("sampling rate is 0", "a.ns6, byte 286", "export the file again"))
    sampling rate is 0
      where: a.ns6, byte 286
      hint:  export the file again
    """

    def __init__(self, what: str, where: str | PathLike[str] = "", hint: str = "") -> None:
        self.what = _readable(what)
        self.where = _readable(str(where))
        self.hint = _readable(hint)
        super().__init__(self.what, self.where, self.hint)

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.hint:
            lines.append(f"  hint:  {self.hint}")
        return "\n".join(lines)


def _readable(text: str) -> str:
    """Return text with characters that a terminal obeys, or cannot show, written as their codes."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape", "surrogatepass").decode()
        for c in text
    )
