"""The journal: rows on disk as the work goes on, in small atomic Parquet parts that a later run can read."""

import collections
import dataclasses
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
from apache_beam.utils.shared import Shared

from favor.media.files import digest
from pipeline.schema import FAILURES, MEDIA, PART_KEYS, ROW_KEYS, SCHEMA_VERSION, values, with_labels
from pipeline.storage import Storage
from transforms.metrics import Tally, count, count_all, timed
from transforms.past import NO_RETRIES, Past, Retrying, Standing
from transforms.records import RESOLVED, RESULT_TABLES, Answered, Failure, MediaRow, Span

FLUSH_SECONDS = 5.0  # a row waits no longer than this before it is on disk


class Journal:
    """All rows written so far, in ``OUTPUT/journal/TABLE/NAME.parquet``; safe to pickle.

    Args:
        output: the run's output directory, a local path or any fsspec URL.
        metadata: goes into every file's metadata.
        kinds: the further columns that rows carry from manifests, and their types.
        retrying: which failures of earlier runs are tried again.
    """

    def __init__(
        self,
        output: str,
        metadata: dict[str, str] | None = None,
        kinds: Mapping[str, str] | None = None,
        retrying: Retrying = NO_RETRIES,
    ) -> None:
        self.storage = Storage(output)
        self.metadata = metadata or {}
        self.kinds = kinds or {}
        self._retrying = retrying
        self._shared_past = Shared()

    def schema(self, table: str) -> pa.Schema:
        """Returns the schema of a table's rows, in the journal as in the end."""
        return with_labels(table, self.kinds).with_metadata({**self.metadata, "favor.schema": str(SCHEMA_VERSION)})

    def write(self, table: str, rows: list[Any]) -> None:
        """Writes a part, named by the rows that it holds: written twice, it is still one part."""
        data = pa.Table.from_pylist([values(row) for row in rows], self.schema(table))
        sink = pa.BufferOutputStream()
        pq.write_table(data, sink, compression="zstd")
        name = digest(*sorted(digest(*(getattr(row, key) for key in PART_KEYS[table])) for row in rows))
        self.storage.write(sink.getvalue().to_pybytes(), "journal", table, f"{name}.parquet")

    def parts(self, table: str) -> pyarrow.dataset.Dataset:
        """Returns all parts of a table as one dataset."""
        paths = self.storage.list("journal", table, suffix=".parquet")
        return pyarrow.dataset.dataset(
            paths, schema=self.schema(table), format="parquet", filesystem=self.storage.filesystem
        )

    def done(self) -> frozenset[str]:
        """Returns the ids of all results."""
        return frozenset(row["result_id"] for table in RESULT_TABLES for row in self._rows(table, ["result_id"]))

    def failed(self) -> dict[Span, Standing]:
        """Returns what has failed and was not mended since."""
        last: dict[Span, tuple[tuple[int, bool], Standing]] = {}
        for row in self._rows(FAILURES, [*ROW_KEYS[FAILURES], "media_id", "attempt", "code", "created_at"]):
            span = (row["uri"], row["entry_id"], row["start_ms"], row["end_ms"])
            order = (row["attempt"], row["code"] == RESOLVED)
            if span not in last or order > last[span][0]:
                last[span] = order, Standing(row["media_id"], row["attempt"], row["created_at"])
        return {span: standing for span, ((_, mended), standing) in last.items() if not mended}

    def past(self) -> Past:
        """Returns what the output held when this process first asked; it is read once per process."""
        return self._shared_past.acquire(lambda: Past(self.done(), self.failed(), self._retrying))

    def _rows(self, table: str, columns: list[str]) -> Iterator[dict[str, Any]]:
        for batch in self.parts(table).to_batches(columns=columns):
            yield from batch.to_pylist()


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
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def setup(self) -> None:
        """Reads what failed in earlier runs, to number the attempts and to notice what is mended."""
        self._past = self._journal.past()

    def start_bundle(self) -> None:
        """Starts the background writer."""
        self._writer = JournalWriter(self._journal, FLUSH_SECONDS)

    def finish_bundle(self) -> None:
        """Writes what is left: a bundle that is done is on disk."""
        self._writer.close()
        count_all(self._writer.spent)

    def _resolve(self, failure: Failure) -> None:
        """Notes that something which failed in an earlier run has now succeeded."""
        attempts = self._past.attempts(failure)
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
        count("windows_succeeded")
        count("media_ms", answered.window_ms)


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
        if failure.stage == "list" and self._past.skips(failure.media_id, failure.span):
            count("files_failed_before")
            return
        attempt = self._past.attempts(failure) + 1
        self._writer.append(FAILURES, dataclasses.replace(failure, attempt=attempt))
        count("windows_failed" if failure.window_id else "files_failed")
