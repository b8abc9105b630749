"""What the loop asks of a display and of whoever records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from evoalign.events.photodiode import Photodiode


@dataclass(frozen=True)
class ToShow:
    """One image of a round, in the place in which it is to be shown.

    Attributes
    ----------
    name : str
        Image name without suffix.
    file : pathlib.Path
        PNG.
    sha256 : str
        Of the file.
    """

    name: str
    file: Path
    sha256: str


@dataclass(frozen=True)
class Round:
    """Images that the display is asked for: of a block, or those of it that it owes.

    Attributes
    ----------
    block, round : int
        Block from 1; round of the block from 0.
    images : sequence of ToShow
        In the order of showing.
    first : int
        Number, in the session, of the round's first presentation.
    """

    block: int
    round: int
    images: Sequence[ToShow]
    first: int


@dataclass(frozen=True)
class Presentation:
    """What the display really showed.

    Attributes
    ----------
    number : int
        In the order of showing, from 0, over the session and without gaps.
    name : str
        Image name without suffix.
    block, round : int
        Of the request that it answers.
    trial : int
        From 1.
    onset_word, offset_word : int
        Event words that were sent to the recording.
    onset_s, offset_s : float
        On the display's clock; `offset_s` is None where the trial broke while the image was on.
    """

    number: int
    name: str
    block: int
    round: int
    trial: int
    onset_word: int
    offset_word: int
    onset_s: float
    offset_s: float | None

    def as_record(self) -> dict[str, Any]:
        """Return it as the journal and the protocol hold it."""
        return dict(vars(self))


class Display(Protocol):
    """Shows images and tells what it showed."""

    def show(self, request: Round, presentations: Sequence[Presentation]) -> Iterator[Presentation]:
        """Have a round shown, and yield what was, in order, up to the round's end.

        Parameters
        ----------
        request : Round
        presentations : sequence of Presentation
            All of the session that are journaled, of this round as well: those are not yielded again.
            A presentation counts as journaled, and may be acknowledged, when the next is asked for.
        """
        ...

    def end(self) -> None:
        """Tell the display that no more will be shown."""
        ...

    def close(self) -> None:
        """Give back what it holds of the machine."""
        ...


@dataclass(frozen=True)
class Recorded:
    """What was recorded during a round.

    Attributes
    ----------
    words : pandas.DataFrame
        `WORDS`.
    spikes : pandas.DataFrame
        `ONLINE_SPIKES`.
    photodiode : Photodiode, optional
        Changes of light; None without a photodiode.
    offsets_s : tuple of float
        Whole seconds added to the recorder's clock, one for each piece between its resets; empty where
        the clock needs none.
    """

    words: pd.DataFrame
    spikes: pd.DataFrame
    photodiode: Photodiode | None = None
    offsets_s: tuple[float, ...] = ()


class Recorder(Protocol):
    """Gives event words and online spikes on the recording's clock."""

    def go_on(self, recorded: Recorded) -> None:
        """Take up a session of which this much was recorded before, by another process.

        Parameters
        ----------
        recorded : Recorded
        """
        ...

    def take(self, request: Round, presentations: Sequence[Presentation]) -> Recorded:
        """Return what was recorded since the last round's end and up to this one's.

        Parameters
        ----------
        request : Round
        presentations : sequence of Presentation
            Of this round.
        """
        ...

    def finish(self, folder: Path, recorded: Recorded) -> tuple[str, ...]:
        """Return the recording's raw files, for sessions.tsv.

        Parameters
        ----------
        folder : pathlib.Path
            Of the session.
        recorded : Recorded
            Of the whole session.
        """
        ...

    def close(self) -> None:
        """Give back what it holds of the machine."""
        ...
