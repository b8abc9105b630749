"""Makes a bundle of a .pl2 file on the acquisition PC, and holds one against its checksums.

``python -m evoalign.formats.pl2 export FILE.pl2`` and ``verify BUNDLE``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from evoalign.errors import InputError
from evoalign.formats.pl2 import export
from evoalign.formats.pl2.bundle import verify


def main(arguments: list[str] | None = None) -> int:
    """Run ``export FILE.pl2`` or ``verify BUNDLE``; return the exit status."""
    command, *operands = sys.argv[1:] if arguments is None else arguments or [""]
    if command == "export":
        return export.main(operands)
    if command == "verify" and len(operands) == 1:
        try:
            n = verify(Path(operands[0]))
        except InputError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{operands[0]}: {n} files are as they were written")
        return 0
    print("usage: python -m evoalign.formats.pl2 export FILE.pl2 | verify BUNDLE", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
