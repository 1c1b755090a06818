"""One run at a time on an output: as long as a run puts its progress file anew, the output is its own."""

import contextlib
import datetime
import os
import socket
import sys
import time

from favor.errors import FavorError
from pipeline.output.directory import PROGRESS_FILE, OutputDirectory
from pipeline.output.heartbeat import MISSED_TO_BE_SILENT, RUNNING, Heartbeat


class Lease:
    """This process's right to an output, for as long as nobody else has taken it.

    Args:
        storage: the output.

    Raises:
        FavorError: if another run goes on there; the message says whose, and what to do if it is dead.
    """

    def __init__(self, storage: OutputDirectory) -> None:
        self._storage = storage
        other = Heartbeat.read(storage)
        if other and goes_on(other):
            raise FavorError(self._message(other, "is being written"))

    def check(self) -> None:
        """Makes sure that the last one to put its progress was this process.

        Raises:
            FavorError: if it was another run: the two have begun together, or this one was thought dead.
        """
        last = Heartbeat.read(self._storage)
        if last and not is_mine(last):
            raise FavorError(self._message(last, "was taken over"))

    def stop_if_lost(self) -> None:
        """Ends this process at once if another run has taken over; every row that it still wrote would be too much."""
        try:
            self.check()
        except FavorError as error:
            print(f"Error: {error}", file=sys.stderr, flush=True)
            os._exit(1)

    def _message(self, other: Heartbeat, what: str) -> str:
        since = datetime.datetime.fromtimestamp(other.started, datetime.UTC).isoformat(" ", "seconds")
        patience = MISSED_TO_BE_SILENT * other.every_seconds
        return (
            f"{self._storage.root} {what} by another run, process {other.pid} on {other.host}, since {since}. "
            f"If that one is dead, try again in {patience:.0f} s, or remove {self._storage.root}/{PROGRESS_FILE}"
        )


def is_mine(progress: Heartbeat) -> bool:
    """Whether this very process has written it, or one that is gone and had its number."""
    return (progress.host, progress.pid) == (socket.gethostname(), os.getpid())


def goes_on(progress: Heartbeat) -> bool:
    """Whether the run that has written this seems alive; of a process of this machine it is known."""
    silent = time.time() - progress.updated > MISSED_TO_BE_SILENT * progress.every_seconds
    if progress.state != RUNNING or silent or is_mine(progress):
        return False
    return progress.host != socket.gethostname() or _exists(progress.pid)


def _exists(pid: int) -> bool:
    with contextlib.suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
