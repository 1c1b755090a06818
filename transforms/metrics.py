"""Counts of what the pipeline does and of its time."""

import collections
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")


class Tally:
    """Counts by name; several threads may add to them, and others may look on."""

    def __init__(self) -> None:
        self._counts: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["Tally"], tuple[()]]:
        return type(self), ()  # what another process unpickles starts from zero

    def add(self, name: str, amount: int = 1) -> None:
        """Adds to a count."""
        with self._lock:
            self._counts[name] += amount

    def snapshot(self) -> dict[str, int]:
        """Returns all counts of this moment."""
        with self._lock:
            return dict(self._counts)

    def drain_into(self, other: "Tally") -> None:
        """Adds all counts of this moment to another tally and starts again from zero."""
        with self._lock:
            counts, self._counts = self._counts, collections.Counter()
        for name, amount in counts.items():
            other.add(name, amount)


@contextlib.contextmanager
def timed(stage: str, add: Callable[[str, int], None]) -> Iterator[None]:
    """Adds the time that the block takes to the count ``STAGE_us``, in microseconds.

    Args:
        stage: what the time is spent on.
        add: where to, such as `Tally.add`.
    """
    start = time.perf_counter_ns()
    try:
        yield
    finally:
        add(f"{stage}_us", (time.perf_counter_ns() - start) // 1000)


def timed_items(stage: str, items: Iterable[_Item], add: Callable[[str, int], None]) -> Iterator[_Item]:
    """Yields the items; the time that it takes to make them goes where `timed` puts it."""
    iterator = iter(items)
    while True:
        with timed(stage, add):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item
