"""The one error that a user's input can end in."""

from __future__ import annotations

from os import PathLike


class InputError(Exception):
    """Input that the pipeline cannot use: what is wrong, where, how to mend it.

    Parameters
    ----------
    what : str
        What is wrong, in one sentence, with the numbers found and expected.
    where : str or path, optional
        File, and where it helps a row, key, byte or object in it
        (``sessions.tsv, row 3, column raw``; ``a.nev, byte 336``).
    mend : str, optional
        What the user can do about it.

    Examples
    --------
    >>> print(InputError("sampling rate is 0", "a.ns6, byte 286", "export the file again"))
    sampling rate is 0
      where: a.ns6, byte 286
      mend:  export the file again
    """

    def __init__(self, what: str, where: str | PathLike[str] = "", mend: str = "") -> None:
        self.what = what
        self.where = str(where)
        self.mend = mend
        super().__init__(what, self.where, mend)

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.mend:
            lines.append(f"  mend:  {self.mend}")
        return "\n".join(lines)
