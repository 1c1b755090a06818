"""Allowing one run at a time on an output, which a run owns as long as it keeps updating its progress file."""

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
    """This process's right to write to an output, until another run takes it over.

    Args:
        storage: the output.

    Raises:
        FavorError: if another run is active there; the message names its process, and says what to do if it is dead.
    """

    def __init__(self, storage: OutputDirectory) -> None:
        self._storage = storage
        other = Heartbeat.read(storage)
        if other and goes_on(other):
            raise FavorError(self._message(other, "is being written"))

    def check(self) -> None:
        """Checks that the last heartbeat was written by this process.

        Raises:
            FavorError: if it was another run's: both started at the same time, or this one was considered dead.
        """
        last = Heartbeat.read(self._storage)
        if last and not is_mine(last):
            raise FavorError(self._message(last, "was taken over"))

    def stop_if_lost(self) -> None:
        """Ends this process immediately if another run has taken over, so that it writes no further rows."""
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
    """Returns whether this process has written a heartbeat, or a dead process that had the same id."""
    return (progress.host, progress.pid) == (socket.gethostname(), os.getpid())


def goes_on(progress: Heartbeat) -> bool:
    """Returns whether the run that has written a heartbeat seems alive; on this machine, its process is looked up."""
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
