"""The journal: rows written during a run, in small atomic Parquet parts that a later run can read."""

import re
import threading
import uuid
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

from favor.media.corpus.files import digest
from pipeline.output.directory import JOURNAL, OutputDirectory
from pipeline.output.schema import SCHEMA_VERSION
from pipeline.output.tables import TABLES, values
from transforms.history import NO_RETRIES, History, RetryPolicy, StandingFailure
from transforms.rows import FAILURES, RESOLVED, FailureKey

PART_FILE = re.compile(r"[0-9a-f]{32}\.parquet")  # what `digest` calls a part


class Journal:
    """All rows written so far, in ``OUTPUT/journal/TABLE/NAME.parquet``.

    Within a process, all unpickled copies are the same journal, so that the history of earlier runs is read once.

    Args:
        output: the run's output directory, a local path or any fsspec URL.
        metadata: added to the metadata of every file.
        label_types: the further columns that rows carry from manifests, and their types.
        retry_policy: which failures of earlier runs are retried.
        journal_id: identifies the journal; a new id by default.
    """

    def __init__(
        self,
        output: str,
        metadata: dict[str, str] | None = None,
        label_types: Mapping[str, str] | None = None,
        retry_policy: RetryPolicy = NO_RETRIES,
        journal_id: str | None = None,
    ) -> None:
        self.storage = OutputDirectory(output)
        self.metadata = metadata or {}
        self.label_types = label_types or {}
        self._retry_policy = retry_policy
        self._journal_id = journal_id or uuid.uuid4().hex
        self._history: History | None = None
        self._reading = threading.Lock()
        with _LOCK:
            _JOURNALS[self._journal_id] = self

    def __reduce__(self) -> tuple[Any, ...]:
        settings = (self.storage.root, self.metadata, self.label_types, self._retry_policy)
        return _find_journal, (*settings, self._journal_id)

    def schema(self, table: str) -> pa.Schema:
        """Returns the schema of a table's rows, which is the same in the journal and the final table."""
        schema = TABLES[table].with_labels(self.label_types)
        return schema.with_metadata({**self.metadata, "favor.schema": str(SCHEMA_VERSION)})

    def write(self, table: str, rows: list[Any]) -> None:
        """Writes a part whose name depends only on its rows, so that writing it twice leaves one part."""
        data = pa.Table.from_pylist([values(row) for row in rows], self.schema(table))
        sink = pa.BufferOutputStream()
        pq.write_table(data, sink, compression="zstd")
        keys = TABLES[table].part_keys
        name = digest(*sorted(digest(*(getattr(row, key) for key in keys)) for row in rows))
        self.storage.write(sink.getvalue().to_pybytes(), JOURNAL, table, f"{name}.parquet")

    def parts(self, table: str) -> pyarrow.dataset.Dataset:
        """Returns all parts of a table as one dataset."""
        paths = self.storage.list(JOURNAL, table, suffix=".parquet")
        return pyarrow.dataset.dataset(
            paths, schema=self.schema(table), format="parquet", filesystem=self.storage.filesystem
        )

    def done(self) -> frozenset[str]:
        """Returns the ids of all results."""
        results = [name for name, table in TABLES.items() if table.holds_results]
        return frozenset(row["result_id"] for name in results for row in self._rows(name, ["result_id"]))

    def failed(self) -> dict[FailureKey, StandingFailure]:
        """Returns the unresolved failures."""
        last: dict[FailureKey, tuple[tuple[int, bool], StandingFailure]] = {}
        columns = [*TABLES[FAILURES].part_keys, "media_id", "created_at"]
        for row in self._rows(FAILURES, columns):
            span = (row["uri"], row["entry_id"], row["start_ms"], row["end_ms"])
            order = (row["attempt"], row["code"] == RESOLVED)
            if span not in last or order > last[span][0]:
                last[span] = order, StandingFailure(row["media_id"], row["attempt"], row["created_at"])
        return {span: standing for span, ((_, resolved), standing) in last.items() if not resolved}

    def history(self) -> History:
        """Returns the history of earlier runs, as of the first call in this process."""
        with self._reading:
            if self._history is None:
                self._history = History(self.done(), self.failed(), self._retry_policy)
            return self._history

    def _rows(self, table: str, columns: list[str]) -> Iterator[dict[str, Any]]:
        for batch in self.parts(table).to_batches(columns=columns):
            yield from batch.to_pylist()


_LOCK = threading.RLock()
_JOURNALS: weakref.WeakValueDictionary[str, Journal] = weakref.WeakValueDictionary()


def _find_journal(
    output: str, metadata: dict[str, str], label_types: Mapping[str, str], retry_policy: RetryPolicy, journal_id: str
) -> Journal:
    """Returns this process's copy of a journal, which is created on the first call."""
    with _LOCK:
        return _JOURNALS.get(journal_id) or Journal(output, metadata, label_types, retry_policy, journal_id)


def clear_journal(storage: OutputDirectory) -> None:
    """Removes all parts of the journal of an output, complete or not."""
    storage.remove_unfinished(JOURNAL)
    parts = storage.list(JOURNAL, suffix=".parquet")
    storage.remove([path for path in parts if PART_FILE.fullmatch(path.rsplit("/", 1)[-1])])
