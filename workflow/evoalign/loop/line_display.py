"""A display that watches a folder and speaks in lines of text over TCP, as MonkeyLogic's tasks do.

The messages are those of `zeromq_display`, each a line of JSON. What a round asks for stands
beside in a table of the watched folder, which appears whole.
"""

from __future__ import annotations

import contextlib
import json
import logging
import select
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgpack

from evoalign.errors import InputError
from evoalign.files import atomic_write
from evoalign.loop import protocol
from evoalign.loop.addresses import endpoint
from evoalign.loop.interfaces import Presentation, Round
from evoalign.loop.zeromq_display import ZeromqDisplay, check_loopback

MOST_BYTES = 1_000_000  # of a line: who sends more is no display


class LineDisplay(ZeromqDisplay):
    """Answers lines of a display's client; writes the images of each round into a folder's table.

    Parameters
    ----------
    address : str
        ``tcp://HOST:PORT`` or ``HOST:PORT``.
    folder : pathlib.Path
        Gets ``block{BBB}_round{R}.tsv``: order, name and file of the images.
    loopback_only : bool
        Refuse an address that other machines can reach.

    Raises
    ------
    InputError
        The address is not one of this machine's own, is taken, or others can reach it.
    """

    def __init__(self, address: str, folder: Path, loopback_only: bool = True) -> None:
        place = address.removeprefix("tcp://")
        if loopback_only:
            check_loopback(f"tcp://{place}")
        self._folder, self._next = folder, 0
        try:
            self._server = socket.create_server(endpoint(place, "display.address"))
        except OSError as error:
            raise InputError(f"the address cannot be used: {error}", address, "give another") from None
        self._clients: dict[socket.socket, bytes] = {}  # what came after the last whole line of each

    @property
    def port(self) -> int:
        """Port on which it listens."""
        return int(self._server.getsockname()[1])

    def close(self) -> None:
        """Free the address."""
        for client in [*self._clients, self._server]:
            client.close()

    def show(self, request: Round, presentations: Sequence[Presentation]) -> Iterator[Presentation]:
        """Have a round shown, and yield what was, in order: each is acknowledged when it is journaled."""
        rows = [
            f"{k}\t{image.name}\t{image.file.resolve()}\n" for k, image in enumerate(request.images, start=1)
        ]
        name = f"block{request.block:03d}_round{request.round}.tsv"
        with atomic_write(self._folder / name) as partial:
            partial.write_text("order\tname\tfile\n" + "".join(rows), encoding="utf-8")
        yield from super().show(request, presentations)

    def _send(self, client: Any, content: bytes) -> None:
        with contextlib.suppress(OSError):  # gone: it asks again when it is back
            client.sendall(json.dumps(msgpack.unpackb(content)).encode() + b"\n")

    def _poll(self, timeout_s: float) -> tuple[Any, protocol.Message] | None:
        """Return the next message that can be read, and who sent it."""
        stop = time.monotonic() + timeout_s
        while True:
            for client in self._clients:
                line, found, rest = self._clients[client].partition(b"\n")
                if found:
                    self._clients[client] = rest
                    try:
                        return client, _message(line)
                    except InputError as error:
                        logging.warning("%s", error)
                        break
            else:
                left_s = stop - time.monotonic()
                if left_s <= 0:
                    return None
                self._read(left_s)

    def _read(self, timeout_s: float) -> None:
        """Take in what the next ready connections bring; let those go that have ended."""
        for ready in select.select([self._server, *self._clients], [], [], timeout_s)[0]:
            if ready is self._server:
                self._clients[self._server.accept()[0]] = b""
                continue
            try:
                content = ready.recv(65_536)
            except OSError:
                content = b""
            self._clients[ready] += content
            if not content or len(self._clients[ready]) > MOST_BYTES:
                del self._clients[ready]
                ready.close()


def _message(line: bytes) -> protocol.Message:
    """Return the message of a line of JSON.

    Raises
    ------
    InputError
        It is none.
    """
    try:
        content = msgpack.packb(json.loads(line))
    except ValueError as error:
        raise InputError(f"a line is no JSON: {error}", "display") from None
    return protocol.decode(content, protocol.FROM_CLIENT)
