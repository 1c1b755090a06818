"""Reports of the windows that the model is about to process, which show what a process died of."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence

from transforms.elements import Identity, Window
from transforms.rows import Failure

WORKER_CRASHED = "worker_crashed"


class InFlight:
    """Reports the windows of each batch to the supervisor of the process.

    Args:
        report: called with a note for each window; the notes must have left this process when it returns. By default,
            nothing is reported.
    """

    def __init__(self, report: Callable[[list[str]], None] = lambda notes: None) -> None:
        self._report = report

    @contextlib.contextmanager
    def batch(self, windows: Sequence[Window], identity: Identity) -> Iterator[None]:
        """Reports the windows while the block that processes them runs."""
        self._report([_note(window, identity) for window in windows])
        try:
            yield
        finally:
            self._report([])


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
