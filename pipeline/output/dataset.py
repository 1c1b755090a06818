"""Building the final tables from the journal: sorted, without duplicates, in files of a sensible size."""

import contextlib
import tempfile
from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq

from pipeline.output.directory import OutputDirectory
from pipeline.output.formats import FORMATS, PLAIN, Layout, TableFiles, clear, directory
from pipeline.output.journal import Journal
from pipeline.output.tables import TABLES, Table
from transforms.rows import FAILURES, RESOLVED

SORT_MEMORY = "256MB"  # beyond it, sorting spills to disk
ROWS_PER_GROUP = 20_480  # small enough that a lookup by file reads little, large enough that a scan is fast


def build(journal: Journal, tables: frozenset[str], layout: Layout = PLAIN) -> dict[str, int]:
    """Writes the tables from the journal, replacing those of earlier runs; memory does not grow with the rows.

    Args:
        journal: holds the rows of this run and of earlier ones.
        tables: the requested tables of results, which are written even if they are empty.
        layout: formats and directories of the tables.

    Returns:
        The number of rows of each table.
    """
    counts: dict[str, int] = {}
    for name, table in TABLES.items():
        parts = journal.parts(name)
        if name in tables or table.always or parts.files:
            schema = journal.schema(name)
            if table.holds_results and name not in tables:
                schema = schema.with_metadata(_metadata(journal, parts))
            counts[name] = _write(journal.storage, name, schema, _rows(parts, table, layout.partition_by), layout)
    return counts


def _metadata(journal: Journal, parts: pyarrow.dataset.Dataset) -> dict[bytes, bytes]:
    """Returns the metadata of the run that made a table's newest row; the current run may use another model."""
    batches = parts.to_batches(columns=["created_at", "__filename"])  # each batch comes from one part
    ages = ((pc.max(batch["created_at"]).as_py(), batch["__filename"][0].as_py()) for batch in batches if len(batch))
    _, newest = max(ages)
    return pq.read_schema(newest, filesystem=journal.storage.filesystem).metadata


def _rows(parts: pyarrow.dataset.Dataset, table: Table, partition_by: str | None) -> Iterator[pa.Table]:
    """Yields the rows in order, without duplicates; of several attempts, the last, unless it resolved the failure."""
    last: tuple[object, ...] | None = None
    first = (f"""coalesce("{partition_by}"::VARCHAR, '')""",) if partition_by else ()
    for batch in _sorted(parts, (*first, *table.order)):
        rows = pa.Table.from_batches([batch])
        keys = list(zip(*(rows[name].to_pylist() for name in table.keys), strict=True))
        new = [key != before for before, key in zip([last, *keys], keys, strict=False)]
        last = keys[-1]
        rows = rows.filter(pa.array(new))
        yield rows.filter(pc.not_equal(rows["code"], RESOLVED)) if table.name == FAILURES else rows


def _sorted(parts: pyarrow.dataset.Dataset, order: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Yields all rows in order, duplicates next to each other; what does not fit in memory is sorted on disk."""
    if not parts.files:
        return
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as database:
        database.execute(f"SET memory_limit = '{SORT_MEMORY}'; SET temp_directory = '{spill}'; SET threads = 2")
        database.register("parts", parts)
        yield from database.sql(f"SELECT * FROM parts ORDER BY {', '.join(order)}").to_arrow_reader(ROWS_PER_GROUP)


def _write(storage: OutputDirectory, table: str, schema: pa.Schema, rows: Iterator[pa.Table], layout: Layout) -> int:
    """Writes a table's files in all requested formats, removes all others, and returns the number of rows."""
    total = 0
    with contextlib.ExitStack() as stack:
        for format in set(FORMATS) - set(layout.formats):
            clear(storage, directory(table, format))
        files = [
            stack.enter_context(TableFiles(storage, table, schema, format, layout.partition_by))
            for format in layout.formats
        ]
        for some in rows:
            total += some.num_rows
            for each in files:
                each.write(some)
    return total
