"""The heartbeat of a run: a small file in its output that reports progress and is rewritten every few seconds."""

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
MISSED_TO_BE_SILENT = 6  # missed heartbeats after which a run counts as silent; a busy store may be slow
RATE_SECONDS = 600.0  # the speed is an average over the last ten minutes
RUNNING, DONE, STOPPED = "running", "done", "stopped"


@dataclasses.dataclass(frozen=True)
class Heartbeat:
    """The progress of a run; times are in seconds since 1970.

    Attributes:
        state: ``running``, ``done``, or ``stopped`` if it was interrupted or ended by an error.
        started: start time of the run.
        updated: time of this heartbeat, by the clock of the run's machine.
        counts: the counts so far.
        windows_per_second: recent rate of windows succeeded or failed; None if it is not known yet.
        host: the machine that runs the run, or supervises it.
        pid: id of the process on that machine.
        every_seconds: interval between heartbeats.
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
        """Reads the last heartbeat of an output; returns None if there is none.

        Raises:
            FavorError: if the file is not a heartbeat of this version.
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
        """Returns all values as JSON values."""
        return {**dataclasses.asdict(self), "counts": dict(self.counts.by_name)}

    def to_json(self) -> bytes:
        """Returns the content of the file that `read` reads."""
        return json.dumps(self.to_dict(), indent=2).encode()


class Pace:
    """The rate at which windows were processed in the last minutes."""

    def __init__(self) -> None:
        self._seen: collections.deque[tuple[float, int]] = collections.deque()

    def add(self, now: float, counts: Counts) -> float | None:
        """Adds the counts at a time in seconds; returns the recent windows per second, or None if not known yet."""
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
    """Keeps the progress file up to date while the block runs; it has one writer, which replaces it each time.

    Args:
        counts: returns the current counts; called from another thread.
        storage: the run's output.
        check: called before the file is rewritten.
        every_seconds: interval between heartbeats.

    Raises:
        OSError: if the output cannot be written when the block begins or ends; failures in between are ignored.
    """
    started, pace, over = time.time(), Pace(), threading.Event()

    def write(state: str) -> None:
        now, present = time.time(), counts()
        rate = pace.add(now, present)
        progress = Heartbeat(state, started, now, present, rate, socket.gethostname(), os.getpid(), every_seconds)
        storage.write(progress.to_json(), PROGRESS_FILE)

    def keep_writing() -> None:
        while not over.wait(every_seconds):
            with contextlib.suppress(OSError):
                check()
                write(RUNNING)

    write(RUNNING)
    thread = threading.Thread(target=keep_writing, name="heartbeat", daemon=True)
    thread.start()
    state = STOPPED
    try:
        yield
        state = DONE
    finally:
        over.set()
        thread.join()
        check()
        write(state)
