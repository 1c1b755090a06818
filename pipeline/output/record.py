"""The transforms that write rows to the journal."""

import collections
import contextlib
import dataclasses
import threading
from typing import Any

import apache_beam as beam

from favor.io.stores import store_errors
from pipeline.output.journal import Journal
from transforms.elements import Answered
from transforms.metrics import Tally, timed
from transforms.rows import FAILURES, MEDIA, RESOLVED, Failure, MediaRow
from transforms.runtime import Runtime

FLUSH_SECONDS = 5.0  # a row waits no longer than this before it is on disk


class JournalWriter:
    """Collects rows and writes them every few seconds, from a background thread, so that no row waits for the next.

    Args:
        journal: where the rows go.
        interval: seconds between parts.

    Attributes:
        spent: the time that writing has taken.
    """

    def __init__(self, journal: Journal, interval: float) -> None:
        self._journal = journal
        self._interval = interval
        self._rows: dict[str, list[Any]] = collections.defaultdict(list)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._error: OSError | None = None
        self.spent = Tally()
        threading.Thread(target=self._run, name="journal", daemon=True).start()

    def append(self, table: str, row: Any) -> None:
        """Takes a row.

        Raises:
            OSError: if an earlier row could not be written.
        """
        with self._lock:
            self._rows[table].append(row)
        self._check()

    def flush(self) -> None:
        """Writes all rows that wait.

        Raises:
            OSError: if they cannot be written.
        """
        with self._lock:  # a second flush waits until the first has written: after it, everything is on disk
            for table in [table for table, rows in self._rows.items() if rows]:
                with timed("write", self.spent.add):
                    self._journal.write(table, self._rows[table])
                self._rows[table] = []
        self._check()

    def close(self) -> None:
        """Writes all rows that wait and ends the thread."""
        self._closed.set()
        self.flush()

    def _run(self) -> None:
        while not self._closed.wait(self._interval):
            try:
                self.flush()
            except OSError as error:  # raised where the next row comes, in the thread that can stop the run
                self._error = error
                return

    def _check(self) -> None:
        if self._error:
            raise self._error


class Record(beam.DoFn):
    """Writes the rows of elements to the journal.

    Args:
        journal: where they go.
        runtime: the run's.
    """

    def __init__(self, journal: Journal, runtime: Runtime) -> None:
        self._journal = journal
        self._runtime = runtime

    def setup(self) -> None:
        """Reads what failed in earlier runs, to number the attempts and to notice what is mended."""
        self._history = self._journal.history()

    def start_bundle(self) -> None:
        """Starts the background writer."""
        self._writer = JournalWriter(self._journal, FLUSH_SECONDS)

    def finish_bundle(self) -> None:
        """Writes what is left: a bundle that is done is on disk."""
        self._writer.close()
        self._writer.spent.drain_into(self._runtime.tally)

    def teardown(self) -> None:
        """Writes what is left of a bundle that broke off, and ends its thread."""
        if hasattr(self, "_writer"):
            with contextlib.suppress(*store_errors()):  # what broke it off is known
                self._writer.close()

    def _resolve(self, failure: Failure) -> None:
        """Notes that something which failed in an earlier run has now succeeded."""
        attempts = self._history.attempts(failure)
        if attempts:
            self._writer.append(FAILURES, dataclasses.replace(failure, attempt=attempts))


class RecordAnswers(Record):
    """Writes the rows of answered windows."""

    def process(self, answered: Answered) -> None:
        """Takes a window."""
        for table, row in answered.rows:
            self._writer.append(table, row)
        _, row = answered.rows[0]
        window = (row.media_id, row.uri, row.window_id, row.start_ms, row.end_ms)
        self._resolve(Failure(*window, "generate", RESOLVED, "", entry_id=row.entry_id))
        self._runtime.tally.add("windows_succeeded")
        self._runtime.tally.add("media_ms", answered.window_ms)


class RecordMedia(Record):
    """Writes the rows of probed files."""

    def process(self, row: MediaRow) -> None:
        """Takes a file."""
        self._writer.append(MEDIA, row)
        file = (row.media_id, row.uri, None, None, None)
        self._resolve(Failure(*file, "probe", RESOLVED, "", entry_id=row.entry_id))


class RecordFailures(Record):
    """Writes the rows of failures."""

    def process(self, failure: Failure) -> None:
        """Takes a failure, unless it is an old one: what is in the corpus is listed anew by every run."""
        if failure.code == RESOLVED:
            self._resolve(failure)
            return
        if failure.stage == "list" and self._history.skips(failure.media_id, failure.span):
            self._runtime.tally.add("files_failed_before")
            return
        attempt = self._history.attempts(failure) + 1
        self._writer.append(FAILURES, dataclasses.replace(failure, attempt=attempt))
        self._runtime.tally.add("windows_failed" if failure.window_id else "files_failed")
