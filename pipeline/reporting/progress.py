"""Showing progress: a bar on a terminal, otherwise an occasional line."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from tqdm import tqdm

from transforms.counts import Counts

BAR_SECONDS = 0.5
LINE_SECONDS = 15.0


class Bar:
    """A tqdm bar: windows done of windows planned, speed in multiples of real time, failures."""

    def __init__(self, stream: TextIO) -> None:
        self._bar = tqdm(total=0, unit="window", file=stream, dynamic_ncols=True)

    def show(self, counts: Counts, seconds: float) -> None:
        """Updates the bar."""
        self._bar.total = counts.windows_planned
        self._bar.n = counts.windows_done
        self._bar.set_postfix_str(f"{counts.times_real_time(seconds):.1f} x real time, {counts.failures} failed")

    def close(self) -> None:
        """Leaves the finished bar on the screen."""
        self._bar.close()


class Lines:
    """Lines of progress, at most one every 15 seconds, and only if something has changed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = 0
        self._due = LINE_SECONDS

    def show(self, counts: Counts, seconds: float) -> None:
        """Prints a line if one is due."""
        done = counts.windows_done
        if seconds < self._due or done == self._shown:
            return
        self._due, self._shown = seconds + LINE_SECONDS, done
        speed = f"{counts.times_real_time(seconds):.1f} x real time, {counts.failures} failed"
        print(f"{done} of {counts.windows_planned} windows, {speed}", file=self._stream, flush=True)

    def close(self) -> None:
        """Does nothing: lines need no closing."""


@contextlib.contextmanager
def shown(counts: Callable[[], Counts], stream: TextIO = sys.stderr) -> Iterator[None]:
    """Shows progress while the block runs.

    Args:
        counts: returns the current counts; called from another thread.
        stream: a terminal gets a bar, anything else gets lines.
    """
    display: Bar | Lines = Bar(stream) if stream.isatty() else Lines(stream)
    start, done = time.monotonic(), threading.Event()

    def refresh() -> None:
        while not done.wait(BAR_SECONDS):
            display.show(counts(), time.monotonic() - start)

    thread = threading.Thread(target=refresh, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        display.show(counts(), time.monotonic() - start)
        display.close()


def format_duration(seconds: float) -> str:
    """Formats a duration for people: ``45 s``, ``12 min``, ``3 h 20 min``, ``2 d 4 h``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes} min"
    hours = round(seconds / 3600)
    return f"{minutes // 60} h {minutes % 60} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"
