"""Run a job's script in a new process of the run's starter: ``job_client.py SOCKET SCRIPT``.

This stands in the command of a job in the place of Python, and is run by one that loads nothing (``python -I
-S``): it gives its standard streams, working directory and environment to the process that runs the script,
waits for it, and ends as it ends. Where the starter cannot be reached, or something else than a
script is asked for, it becomes a plain Python.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

KILLED = 128 + signal.SIGKILL


def status_of(address: str, script: str) -> int | None:
    """Exit status of a script that the starter at an address runs; None where it did not begin."""
    folder = os.getcwd()  # noqa: PTH109 - pathlib takes longer to load than all of this
    request = {"script": script, "folder": folder, "environment": dict(os.environ)}
    text = json.dumps(request).encode(errors="surrogateescape")
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
            socket.send_fds(connection, [len(text).to_bytes(8, "big")], [0, 1, 2])
            connection.sendall(text)
            began = connection.recv(1)
        except OSError:
            return None
        if not began:
            return None
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the script gets it too, and says how that ended
        try:
            status = connection.recv(1)
        except OSError:
            status = b""
    return status[0] if status else KILLED


def main(address: str, *arguments: str) -> None:
    """Run one script by the starter; anything else, or without a starter, as Python does."""
    if len(arguments) == 1 and not arguments[0].startswith("-"):
        status = status_of(address, arguments[0])
        if status is not None:
            sys.exit(status)
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    main(*sys.argv[1:])
