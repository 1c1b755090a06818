"""The journal: rows on disk as the work goes on, in small atomic Parquet parts that a later run can read."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
from apache_beam.utils.shared import Shared

from favor.media.corpus.files import digest
from pipeline.output.directory import OutputDirectory
from pipeline.output.tables import PART_KEYS, ROW_KEYS, SCHEMA_VERSION, values, with_labels
from transforms.history import NO_RETRIES, History, RetryPolicy, StandingFailure
from transforms.rows import FAILURES, RESOLVED, RESULT_TABLES, FailureKey


class Journal:
    """All rows written so far, in ``OUTPUT/journal/TABLE/NAME.parquet``; safe to pickle.

    Args:
        output: the run's output directory, a local path or any fsspec URL.
        metadata: goes into every file's metadata.
        label_types: the further columns that rows carry from manifests, and their types.
        retry_policy: which failures of earlier runs are tried again.
    """

    def __init__(
        self,
        output: str,
        metadata: dict[str, str] | None = None,
        label_types: Mapping[str, str] | None = None,
        retry_policy: RetryPolicy = NO_RETRIES,
    ) -> None:
        self.storage = OutputDirectory(output)
        self.metadata = metadata or {}
        self.label_types = label_types or {}
        self._retry_policy = retry_policy
        self._shared_history = Shared()

    def schema(self, table: str) -> pa.Schema:
        """Returns the schema of a table's rows, in the journal as in the end."""
        return with_labels(table, self.label_types).with_metadata(
            {**self.metadata, "favor.schema": str(SCHEMA_VERSION)}
        )

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

    def failed(self) -> dict[FailureKey, StandingFailure]:
        """Returns what has failed and was not mended since."""
        last: dict[FailureKey, tuple[tuple[int, bool], StandingFailure]] = {}
        for row in self._rows(FAILURES, [*ROW_KEYS[FAILURES], "media_id", "attempt", "code", "created_at"]):
            span = (row["uri"], row["entry_id"], row["start_ms"], row["end_ms"])
            order = (row["attempt"], row["code"] == RESOLVED)
            if span not in last or order > last[span][0]:
                last[span] = order, StandingFailure(row["media_id"], row["attempt"], row["created_at"])
        return {span: standing for span, ((_, mended), standing) in last.items() if not mended}

    def history(self) -> History:
        """Returns what the output held when this process first asked; it is read once per process."""
        return self._shared_history.acquire(lambda: History(self.done(), self.failed(), self._retry_policy))

    def _rows(self, table: str, columns: list[str]) -> Iterator[dict[str, Any]]:
        for batch in self.parts(table).to_batches(columns=columns):
            yield from batch.to_pylist()
