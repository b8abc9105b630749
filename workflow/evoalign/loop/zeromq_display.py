"""The server's side of a display that is reached over ZeroMQ."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import zmq

from evoalign.errors import InputError
from evoalign.loop import protocol
from evoalign.loop.addresses import is_loopback
from evoalign.loop.interfaces import Presentation, Round

END_S = 4.0  # without a question: longer than a client waits for an answer, several times
STATED_S = 60.0  # of silence, after which the log says that the display is awaited


class ZeromqDisplay:
    """Answers the messages of a display's client; a wrong message is logged and left unanswered.

    Parameters
    ----------
    address : str
        As ``tcp://127.0.0.1:5577``.
    loopback_only : bool
        Refuse an address that other machines can reach.

    Raises
    ------
    InputError
        The address is not one of this machine's own, is taken, or others can reach it.
    """

    def __init__(self, address: str, loopback_only: bool = True) -> None:
        if loopback_only:
            check_loopback(address)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 500)
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self.close()
            raise InputError(f"the address cannot be used: {error}", address, "give another") from None
        self._next = 0

    def close(self) -> None:
        """Free the address."""
        self._socket.close()
        self._context.term()

    def show(self, request: Round, presentations: Sequence[Presentation]) -> Iterator[Presentation]:
        """Have a round shown, and yield what was, in order: each is acknowledged when it is journaled."""
        names = {image.name for image in request.images}
        before = presentations[request.first - 1] if request.first else None
        self._next = len(presentations)
        is_ended = False
        while not is_ended:
            client, message = self._receive()
            if message["kind"] == "ask":
                content = protocol.show_message(request, message["id"], self._next, before)
                self._send(client, content)
                continue
            if message["kind"] == "shown":
                presentation = self._presentation(message, request, names)
                if presentation is not None and presentation.number == self._next:
                    yield presentation
                    self._next += 1
            else:
                is_ended = self._ends(message, request)
            self._answer("next", client, message)

    def end(self) -> None:
        """Tell clients that ask that no more will be shown, until none asks any more."""
        while (received := self._poll(END_S)) is not None:
            self._answer("end", *received)

    def _ends(self, message: protocol.Message, request: Round) -> bool:
        is_round = (message["block"], message["round"]) == (request.block, request.round)
        return is_round and message["shown"] == self._next

    def _presentation(
        self, message: protocol.Message, request: Round, names: set[str]
    ) -> Presentation | None:
        """Check what a client says it showed; None and a line of the log where it cannot be."""
        try:
            presentation = protocol.to_presentation(message["presentation"])
        except InputError as error:
            logging.warning("%s", error)
            return None
        is_asked = (presentation.block, presentation.round) == (request.block, request.round)
        if presentation.number < self._next or (is_asked and presentation.name in names):
            return presentation
        logging.warning(
            "the display showed '%s' in block %d, round %d: not asked for",
            presentation.name, presentation.block, presentation.round,
        )  # fmt: skip
        return None

    def _receive(self) -> tuple[Any, protocol.Message]:
        while (received := self._poll(STATED_S)) is None:
            logging.warning("the display says nothing; presentation %d is awaited", self._next)
        return received

    def _poll(self, timeout_s: float) -> tuple[Any, protocol.Message] | None:
        """Return the next message that can be read, and who sent it."""
        stop = time.monotonic() + timeout_s
        while (left_s := stop - time.monotonic()) > 0:
            if self._socket.poll(int(1000 * left_s) + 1):
                client, *parts = self._socket.recv_multipart()
                try:
                    return client, protocol.decode(b"".join(parts), protocol.FROM_CLIENT)
                except InputError as error:
                    logging.warning("%s", error)
        return None

    def _answer(self, kind: str, client: Any, message: protocol.Message) -> None:
        self._send(client, protocol.encode(kind, message["id"], next=self._next))

    def _send(self, client: Any, content: bytes) -> None:
        self._socket.send_multipart([client, content])


def check_loopback(address: str) -> None:
    """Refuse an address that other machines can reach.

    Raises
    ------
    InputError
        It is one.
    """
    host = urlsplit(address).hostname or ""
    if not (is_loopback(host) or address.startswith(("ipc://", "inproc://"))):
        raise InputError(
            f"other machines can reach '{address}', and messages are not encrypted",
            "display.address",
            "give an address of 127.0.0.1, or say display.loopback_only: false on a network of the rig alone",
        )
