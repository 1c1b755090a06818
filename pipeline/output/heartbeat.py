"""What a run tells others of itself while it goes on: a small file in its output, put anew every few seconds."""

import collections
import contextlib
import dataclasses
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

from favor.errors import FavorError
from pipeline.output.directory import PROGRESS_FILE, OutputDirectory
from transforms.counts import Counts

HEARTBEAT_SECONDS = 5.0
MISSED_TO_BE_SILENT = 6  # times that a living run has put its progress anew; a busy store may take its time
RATE_SECONDS = 600.0  # the speed is that of the last ten minutes
RUNNING, DONE, STOPPED = "running", "done", "stopped"


@dataclasses.dataclass(frozen=True)
class Heartbeat:
    """How far a run has come; times are seconds since 1970.

    Attributes:
        state: ``running``, ``done``, or ``stopped`` if it was interrupted or an error ended it.
        started: when it began.
        updated: when this was written, by the clock of the run's machine.
        counts: what has been counted.
        windows_per_second: that came to an end, good or bad, of late; None while there is nothing to tell it from.
        host: the machine that runs it, or that watches over it.
        pid: the process there.
        every_seconds: how often this is written.
    """

    state: str
    started: float
    updated: float
    counts: Counts
    windows_per_second: float | None
    host: str
    pid: int
    every_seconds: float = HEARTBEAT_SECONDS

    @classmethod
    def read(cls, storage: OutputDirectory) -> Self | None:
        """Reads what a run has put into its output; None if there is nothing.

        Raises:
            FavorError: if it is something else.
        """
        content = storage.read(PROGRESS_FILE)
        if content is None:
            return None
        try:
            values = json.loads(content)
            return cls(**{**values, "counts": Counts(values["counts"])})
        except (ValueError, TypeError, KeyError) as error:
            raise FavorError(f"{storage.root}/{PROGRESS_FILE} was not written by this version: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as JSON can hold it."""
        return {**dataclasses.asdict(self), "counts": dict(self.counts.by_name)}

    def to_json(self) -> bytes:
        """Writes it as ``read`` reads it."""
        return json.dumps(self.to_dict(), indent=2).encode()


class Pace:
    """How fast windows come to an end, over the last minutes."""

    def __init__(self) -> None:
        self._seen: collections.deque[tuple[float, int]] = collections.deque()

    def add(self, now: float, counts: Counts) -> float | None:
        """Takes the counts of a moment, in seconds; returns the windows per second since the first ones, or None."""
        done = counts.windows_tried
        if self._seen and not self._seen[-1][1]:
            self._seen.clear()  # planning and loading the model are over
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= RATE_SECONDS:
            self._seen.popleft()
        since, before = self._seen[0]
        return (done - before) / (now - since) if done > before else None


@contextlib.contextmanager
def heartbeat(
    counts: Callable[[], Counts],
    storage: OutputDirectory,
    check: Callable[[], None] = lambda: None,
    every_seconds: float = HEARTBEAT_SECONDS,
) -> Iterator[None]:
    """Keeps the progress file up to date while the block runs; there is one writer, so it is put, never changed.

    Args:
        counts: returns the present counts; called from another thread.
        storage: the run's output.
        check: called before the file is put anew.
        every_seconds: how often it is put.

    Raises:
        OSError: if the output cannot be written when the block begins or ends; in between, the next time may be better.
    """
    started, pace, over = time.time(), Pace(), threading.Event()

    def put(state: str) -> None:
        now, present = time.time(), counts()
        rate = pace.add(now, present)
        progress = Heartbeat(state, started, now, present, rate, socket.gethostname(), os.getpid(), every_seconds)
        storage.write(progress.to_json(), PROGRESS_FILE)

    def keep() -> None:
        while not over.wait(every_seconds):
            with contextlib.suppress(OSError):
                check()
                put(RUNNING)

    put(RUNNING)
    thread = threading.Thread(target=keep, name="heartbeat", daemon=True)
    thread.start()
    state = STOPPED
    try:
        yield
        state = DONE
    finally:
        over.set()
        thread.join()
        check()
        put(state)
