"""Progress of a command on a terminal; in a pipe or a log nothing is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
BAR = "{desc} |{bar:20}| step {n_fmt} of {total_fmt}, {elapsed}"


@contextmanager
def steps(n: int) -> Iterator[Callable[[str], None]]:
    """Yield a function that is told what begins, `n` times, and shows it with the time gone by."""
    from tqdm import tqdm

    bar: Any = tqdm(total=n, bar_format=BAR, disable=None, leave=False)
    begun = 0

    def begin(what: str) -> None:
        nonlocal begun
        bar.set_description_str(what, refresh=False)
        bar.update(min(begun, 1))
        bar.refresh()
        begun += 1

    with bar:
        yield begin


def each(items: Iterable[Item], what: str, total: int | None = None) -> Iterable[Item]:
    """Return the items one by one with a bar that says how many are done; `what` is one of them."""
    from tqdm import tqdm

    return tqdm(items, total=total, desc=f"{what}s", unit=what, disable=None, leave=False)
