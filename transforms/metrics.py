"""Counts of what the pipeline does and of its time, for any runner and for whoever looks on in this process."""

import collections
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from apache_beam.metrics import Metrics

NAMESPACE = "favor"
_Item = TypeVar("_Item")


class Tally:
    """What this process has counted so far; Beam's own counters can only be read when an in-memory run is over."""

    def __init__(self) -> None:
        self._counts: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["Tally"], tuple[()]]:
        return Tally, ()  # what another process unpickles starts from zero

    def add(self, name: str, amount: int) -> None:
        """Adds to a count."""
        with self._lock:
            self._counts[name] += amount

    def snapshot(self) -> dict[str, int]:
        """Returns all counts of this moment."""
        with self._lock:
            return dict(self._counts)

    def drain(self) -> dict[str, int]:
        """Returns all counts of this moment and starts again from zero."""
        with self._lock:
            counts, self._counts = dict(self._counts), collections.Counter()
        return counts


TALLY = Tally()


def count(name: str, amount: int = 1) -> None:
    """Adds to the Beam counter ``favor/name`` and to this process's tally."""
    Metrics.counter(NAMESPACE, name).inc(amount)
    TALLY.add(name, amount)


@contextlib.contextmanager
def timed(stage: str, add: Callable[[str, int], None] = count) -> Iterator[None]:
    """Adds the time that the block takes to the count ``STAGE_us``, in microseconds.

    Args:
        stage: what the time is spent on.
        add: where to; a thread of its own, in which Beam counts nothing, keeps a `Tally`, and `count_all` counts it.
    """
    start = time.perf_counter_ns()
    try:
        yield
    finally:
        add(f"{stage}_us", (time.perf_counter_ns() - start) // 1000)


def timed_items(stage: str, items: Iterable[_Item], add: Callable[[str, int], None] = count) -> Iterator[_Item]:
    """Yields the items; the time that it takes to make them goes where `timed` puts it."""
    iterator = iter(items)
    while True:
        with timed(stage, add):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item


def count_all(tally: Tally) -> None:
    """Counts what another thread has gathered since the last call."""
    for name, amount in tally.drain().items():
        count(name, amount)
