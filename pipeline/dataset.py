"""The final tables, streamed from the journal: sorted, each row once, in files of a sensible size."""

import tempfile
from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq

from pipeline.journal import RESOLVED, Journal
from pipeline.schema import FAILURES, MEDIA, ROW_KEYS, SORT_KEYS
from transforms.records import RESULT_TABLES

SORT_MEMORY = "256MB"  # beyond it, sorting spills to disk
ROWS_PER_FILE = 500_000
ROWS_PER_GROUP = 20_480  # small enough that a look-up by file reads little, big enough that a scan is fast


def build(journal: Journal, tables: frozenset[str]) -> dict[str, int]:
    """Writes the tables from the journal, over what an earlier run has left; memory does not grow with the rows.

    Args:
        journal: holds the rows of this run and of earlier ones.
        tables: the tables of results that were asked for; they are written even when they are empty.

    Returns:
        The number of rows of each table.
    """
    counts: dict[str, int] = {}
    for table in (*RESULT_TABLES, MEDIA, FAILURES):
        parts = journal.parts(table)
        if table in tables or table not in RESULT_TABLES or parts.files:
            counts[table] = _write(journal, table, _rows(parts, table))
    return counts


def _rows(parts: pyarrow.dataset.Dataset, table: str) -> Iterator[pa.Table]:
    """Yields the rows in order, each once; of several attempts the last, unless it mended the failure."""
    last: tuple[object, ...] | None = None
    for batch in _sorted(parts, SORT_KEYS[table]):
        rows = pa.Table.from_batches([batch])
        keys = list(zip(*(rows[name].to_pylist() for name in ROW_KEYS[table]), strict=True))
        new = [key != before for before, key in zip([last, *keys], keys, strict=False)]
        last = keys[-1]
        rows = rows.filter(pa.array(new))
        yield rows.filter(pc.not_equal(rows["code"], RESOLVED)) if table == FAILURES else rows


def _sorted(parts: pyarrow.dataset.Dataset, order: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Yields all rows in order, equal ones beside each other; what is too much for memory is sorted on disk."""
    if not parts.files:
        return
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as database:
        database.execute(f"SET memory_limit = '{SORT_MEMORY}'; SET temp_directory = '{spill}'; SET threads = 2")
        database.register("parts", parts)
        yield from database.sql(f"SELECT * FROM parts ORDER BY {', '.join(order)}").to_arrow_reader(ROWS_PER_GROUP)


def _write(journal: Journal, table: str, rows: Iterator[pa.Table]) -> int:
    """Writes a table's files, removes those of an earlier and longer one, and returns the number of rows."""
    files, total = 0, 0
    more: pa.Table | None = next(rows, journal.schema(table).empty_table())  # an empty table can be read too
    while more is not None:
        content, count, more = _file(more, rows, journal.schema(table))
        journal.storage.write(content, table, _name(files))
        files, total = files + 1, total + count
    for path in journal.storage.list(table, suffix=".parquet"):
        if path.rsplit("/", 1)[-1] >= _name(files):
            journal.storage.remove(path)
    return total


def _file(first: pa.Table, rows: Iterator[pa.Table], schema: pa.Schema) -> tuple[bytes, int, pa.Table | None]:
    """Fills one file, and returns its content, its number of rows, and the rows with which the next one begins."""
    sink, count, more = pa.BufferOutputStream(), 0, first
    with pq.ParquetWriter(sink, schema, compression="zstd", write_page_index=True) as writer:
        while more is not None and count < ROWS_PER_FILE:
            writer.write_table(more.cast(schema))
            count, more = count + more.num_rows, next(rows, None)
    return sink.getvalue().to_pybytes(), count, more


def _name(number: int) -> str:
    return f"part-{number:05d}.parquet"
