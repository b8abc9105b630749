"""The same function over many pieces, in order, on one or several cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from joblib import Parallel, delayed  # type: ignore[import-untyped]
from tqdm import tqdm


def run(
    function: Callable[..., Any], shared: tuple[Any, ...], pieces: Sequence[Any], n_jobs: int, what: str
) -> Iterator[Any]:
    """Yield ``function(*shared, piece)`` of each piece, in the order of the pieces.

    Parameters
    ----------
    function : callable
        Must not depend on which pieces went before.
    shared : tuple
        Its first arguments.
    pieces : sequence
        Its last argument, one a call.
    n_jobs : int
        Threads; the heavy steps (FFT, matching) let go of the interpreter's lock.
    what : str
        Of the progress bar, which is shown on a terminal only.
    """
    bar = tqdm(total=len(pieces), desc=what, disable=None, leave=False)
    calls = (delayed(function)(*shared, piece) for piece in pieces)
    with bar:
        for result in Parallel(n_jobs, backend="threading", return_as="generator", pre_dispatch=2 * n_jobs)(
            calls
        ):
            bar.update()
            yield result
