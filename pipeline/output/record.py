"""The Beam transforms that write rows to the journal."""

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

FLUSH_SECONDS = 5.0  # the longest that a row waits before it is written to disk


class JournalWriter:
    """Collects rows and writes them every few seconds, from a background thread, so that no row waits for the next.

    Args:
        journal: receives the rows.
        interval: seconds between parts.

    Attributes:
        spent: counts the time spent on writing.
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
        """Adds a row.

        Raises:
            OSError: if an earlier row could not be written.
        """
        with self._lock:
            self._rows[table].append(row)
        self._check()

    def flush(self) -> None:
        """Writes all rows that have been added.

        Raises:
            OSError: if they cannot be written.
        """
        with self._lock:  # a second flush waits for the first, so that everything is on disk when it returns
            for table in [table for table, rows in self._rows.items() if rows]:
                with timed("write", self.spent.add):
                    self._journal.write(table, self._rows[table])
                self._rows[table] = []
        self._check()

    def close(self) -> None:
        """Writes the remaining rows and ends the thread.

        Raises:
            OSError: if they cannot be written.
        """
        self._closed.set()
        self.flush()

    def _run(self) -> None:
        while not self._closed.wait(self._interval):
            try:
                self.flush()
            except OSError as error:  # raised again when the next row is added, in the thread that can stop the run
                self._error = error
                return

    def _check(self) -> None:
        if self._error:
            raise self._error


class Record(beam.DoFn):
    """Writes the rows of elements to the journal.

    Args:
        journal: receives the rows.
        runtime: what the run's steps share.
    """

    def __init__(self, journal: Journal, runtime: Runtime) -> None:
        self._journal = journal
        self._runtime = runtime

    def setup(self) -> None:
        """Reads the failures of earlier runs, to number attempts and to detect resolved failures."""
        self._history = self._journal.history()

    def start_bundle(self) -> None:
        """Starts the background writer."""
        self._writer = JournalWriter(self._journal, FLUSH_SECONDS)

    def finish_bundle(self) -> None:
        """Writes the remaining rows, so that a finished bundle is on disk."""
        self._writer.close()
        self._writer.spent.drain_into(self._runtime.tally)

    def teardown(self) -> None:
        """Writes the remaining rows of a bundle that was aborted, and ends its thread."""
        if hasattr(self, "_writer"):
            with contextlib.suppress(*store_errors()):  # the error that aborted it has been raised already
                self._writer.close()

    def _resolve(self, failure: Failure) -> None:
        """Records that a file or window that failed in an earlier run has now succeeded."""
        attempts = self._history.attempts(failure)
        if attempts:
            self._writer.append(FAILURES, dataclasses.replace(failure, attempt=attempts))


class RecordAnswers(Record):
    """Writes the rows of answered windows."""

    def process(self, answered: Answered) -> None:
        """Writes the rows of a window, and counts it."""
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
        """Writes the row of a file."""
        self._writer.append(MEDIA, row)
        file = (row.media_id, row.uri, None, None, None)
        self._resolve(Failure(*file, "probe", RESOLVED, "", entry_id=row.entry_id))


class RecordFailures(Record):
    """Writes the rows of failures."""

    def process(self, failure: Failure) -> None:
        """Writes a failure, unless it is an old failure to list the corpus, which every run lists again."""
        if failure.code == RESOLVED:
            self._resolve(failure)
            return
        if failure.stage == "list" and self._history.skips(failure.media_id, failure.span):
            self._runtime.tally.add("files_failed_before")
            return
        attempt = self._history.attempts(failure) + 1
        self._writer.append(FAILURES, dataclasses.replace(failure, attempt=attempt))
        self._runtime.tally.add("windows_failed" if failure.window_id else "files_failed")
