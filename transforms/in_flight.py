"""Reports of the windows that the model is about to process, which show what a process died of."""

import contextlib
import dataclasses
import json
import threading
from collections.abc import Callable, Iterator, Sequence

from transforms.elements import Identity, Window
from transforms.rows import Failure

WORKER_CRASHED = "worker_crashed"


class InFlight:
    """Reports the windows that are being processed to the supervisor of the process; safe to share between threads.

    Args:
        report: called with a note for each window, of all batches; the notes must have left this process when it
            returns. By default, nothing is reported.
    """

    def __init__(self, report: Callable[[list[str]], None] = lambda notes: None) -> None:
        self._report = report
        self._notes: set[str] = set()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def batch(self, windows: Sequence[Window], identity: Identity) -> Iterator[None]:
        """Reports the windows while the block that processes them runs."""
        notes = {_note(window, identity) for window in windows}
        with self._lock:
            self._notes |= notes
            self._report(sorted(self._notes))
        try:
            yield
        finally:
            with self._lock:
                self._notes -= notes
                self._report(sorted(self._notes))


def _note(window: Window, identity: Identity) -> str:
    key, entry = window.job.key, window.media.entry
    row = {**dataclasses.asdict(key), "uri": window.media.uri, "window_id": identity.window_id(key)}
    return json.dumps({**row, "entry_id": entry.entry_id, "labels": entry.labels})


def window_id_of(note: str) -> str:
    """Returns the id of the window that a note describes."""
    return json.loads(note)["window_id"]


def crashed(note: str, message: str) -> Failure:
    """Returns the failure of the window that a note describes."""
    row = json.loads(note)
    return Failure(**row, stage="generate", code=WORKER_CRASHED, message=f"{row['uri']}: {message}")
