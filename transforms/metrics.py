"""Counting what the pipeline does and how long it takes."""

import collections
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")


class Tally:
    """Counts by name; safe to change and to read from several threads."""

    def __init__(self) -> None:
        self._counts: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["Tally"], tuple[()]]:
        return type(self), ()  # an unpickled copy in another process starts from zero

    def add(self, name: str, amount: int = 1) -> None:
        """Adds to a count."""
        with self._lock:
            self._counts[name] += amount

    def snapshot(self) -> dict[str, int]:
        """Returns a copy of all counts."""
        with self._lock:
            return dict(self._counts)

    def drain_into(self, other: "Tally") -> None:
        """Moves all counts to another tally and starts again from zero."""
        with self._lock:
            counts, self._counts = self._counts, collections.Counter()
        for name, amount in counts.items():
            other.add(name, amount)


@contextlib.contextmanager
def timed(stage: str, add: Callable[[str, int], None]) -> Iterator[None]:
    """Adds the time that the block takes to the count ``STAGE_us``, in microseconds.

    Args:
        stage: what the time is spent on.
        add: adds to a named count, such as `Tally.add`.
    """
    start = time.perf_counter_ns()
    try:
        yield
    finally:
        add(f"{stage}_us", (time.perf_counter_ns() - start) // 1000)


def timed_items(stage: str, items: Iterable[_Item], add: Callable[[str, int], None]) -> Iterator[_Item]:
    """Yields the items and counts the time that it takes to produce them, as `timed` does."""
    iterator = iter(items)
    while True:
        with timed(stage, add):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item
