"""Counts of what the pipeline does, for any runner and for a progress bar in the same process."""

import collections
import threading

from apache_beam.metrics import Metrics

NAMESPACE = "favor"


class Tally:
    """What this process has counted so far; Beam's own counters can only be read when an in-memory run is over."""

    def __init__(self) -> None:
        self._counts: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()

    def add(self, name: str, amount: int) -> None:
        """Adds to a count."""
        with self._lock:
            self._counts[name] += amount

    def snapshot(self) -> dict[str, int]:
        """Returns all counts of this moment."""
        with self._lock:
            return dict(self._counts)

    def clear(self) -> None:
        """Starts again from zero, for a new run in the same process."""
        with self._lock:
            self._counts.clear()


TALLY = Tally()


def count(name: str, amount: int = 1) -> None:
    """Adds to the Beam counter ``favor/name`` and to this process's tally."""
    Metrics.counter(NAMESPACE, name).inc(amount)
    TALLY.add(name, amount)
