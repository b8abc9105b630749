"""Reference client of a display: asks for a round, shows it, tells what it showed.

``python -m evoalign.loop.client tcp://127.0.0.1:5577 --ledger shown.jsonl --seed 1`` is a display
without a screen. A client for a screen gives `DisplayClient` a function that shows.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import zmq

from evoalign.errors import InputError
from evoalign.loop import protocol
from evoalign.loop.interfaces import Presentation, Round
from evoalign.loop.journal import Journal
from evoalign.loop.program import exit_status
from evoalign.loop.simulated import plan_round

# Shows what is missing of a round: the round, the session's last presentation before it, and
# presentations of the round that were shown before this process began.
Shower = Callable[[Round, Presentation | None, Sequence[Presentation]], Iterable[Presentation]]


class Faults:
    """Loses, doubles and delays messages on purpose, for tests.

    Parameters
    ----------
    share : float
        Of messages that are lost; as many are doubled, and as many come late.
    seed : int
    """

    def __init__(self, share: float, seed: int) -> None:
        self._share, self._random = share, random.Random(seed)
        self._late: dict[str, list[bytes]] = {"to": [], "from": []}

    def passed(self, content: bytes, way: str) -> list[bytes]:
        """Return what arrives in place of a message on its way 'to' the server or 'from' it."""
        draw = self._random.random()
        if draw < self._share:
            return []
        if draw < 2 * self._share:
            self._late[way].append(content)
            return []
        late, self._late[way] = self._late[way], []
        copies = 2 if draw < 3 * self._share else 1
        return [content] * copies + late


class DisplayClient:
    """Speaks for a display; it keeps a ledger, so that nothing is shown twice after it was killed.

    Parameters
    ----------
    address : str
        Of the server.
    ledger : path
        Journal of what was shown.
    show : callable
        See `Shower`.
    retry_s : float
        An answer that takes longer is asked for again.
    faults : Faults, optional
        Of the way to the server and back.
    """

    def __init__(
        self,
        address: str,
        ledger: str | Path,
        show: Shower,
        retry_s: float = 1.0,
        faults: Faults | None = None,
    ) -> None:
        self._journal = Journal(ledger)
        self._shown = [protocol.to_presentation(record) for record in self._journal.records]
        self._show, self._retry_s, self._faults = show, retry_s, faults or Faults(0.0, 0)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(address)
        # Answers to a client that was killed do not come here: any number to begin with will do.
        self._question = 0

    def run(self) -> None:
        """Show what the server asks for until it says that the evolution has ended."""
        while True:
            answer = self._ask("ask", shown=len(self._shown))
            if answer["kind"] == "end":
                return
            self._round(answer)

    def close(self) -> None:
        """Leave the server and let another process have the ledger."""
        self._socket.close()
        self._context.term()
        self._journal.close()

    def _round(self, message: protocol.Message) -> None:
        request = protocol.to_round(message)
        before = None if message["before"] is None else protocol.to_presentation(message["before"])
        if message["next"] > len(self._shown) or request.first > len(self._shown):
            raise InputError(
                f"the server knows {message['next']} presentations, the ledger {len(self._shown)}",
                self._journal.path,
                "start the display with the ledger of this session",
            )
        of_round = list(self._shown[request.first :])
        confirmed = self._deliver(message["next"])
        for presentation in self._show(request, before, of_round):
            # Before it is told: who is killed in between knows that it was shown.
            self._journal.append(presentation.as_record())
            self._shown.append(presentation)
            confirmed = self._deliver(confirmed)
        self._deliver(confirmed)
        # If the server was restarted before it had written this down, it asks for the round again.
        self._ask("round_end", block=request.block, round=request.round, shown=len(self._shown))

    def _deliver(self, first: int) -> int:
        """Tell the server of presentations from a number on until it has all; return the next number."""
        while first < len(self._shown):
            first = self._ask("shown", presentation=self._shown[first].as_record())["next"]
        return first

    def _ask(self, kind: str, **fields: object) -> protocol.Message:
        """Send a message until it is answered."""
        self._question += 1
        content = protocol.encode(kind, self._question, **fields)
        while True:
            for copy in self._faults.passed(content, "to"):
                self._socket.send(copy)
            stop = time.monotonic() + self._retry_s
            while (left_s := stop - time.monotonic()) > 0 and self._socket.poll(int(1000 * left_s) + 1):
                for answer in self._faults.passed(self._socket.recv(), "from"):
                    message = protocol.decode(answer, protocol.FROM_SERVER)
                    if message["id"] == self._question:
                        return message


def simulated_shower(seed: int) -> Shower:
    """Return a display without a screen, which keeps its own time and breaks a few trials off."""

    def show(
        request: Round, before: Presentation | None, of_round: Sequence[Presentation]
    ) -> Iterable[Presentation]:
        return plan_round(request, before, seed)[len(of_round) :]

    return show


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a display without a screen."""
    parser = argparse.ArgumentParser(description="A display without a screen, for evoalign evolve.")
    parser.add_argument("address", help="as tcp://127.0.0.1:5577")
    parser.add_argument("--ledger", required=True, help="file that keeps what was shown")
    parser.add_argument("--seed", type=int, default=1, help="of its timing: the evolution's")
    parser.add_argument("--retry-s", type=float, default=1.0, help="wait so long for an answer")
    parser.add_argument("--faults", type=float, default=0.0, help="share of messages lost, doubled and late")
    parsed = parser.parse_args(arguments)

    def run() -> None:
        faults = Faults(parsed.faults, time.time_ns())
        client = DisplayClient(
            parsed.address, parsed.ledger, simulated_shower(parsed.seed), parsed.retry_s, faults
        )
        try:
            client.run()
        finally:
            client.close()

    return exit_status(run)


if __name__ == "__main__":
    sys.exit(main())
