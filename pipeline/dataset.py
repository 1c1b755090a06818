"""The final tables, built from the journal: sorted, each row once, in files of a sensible size."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.journal import RESOLVED, Journal
from pipeline.schema import FAILURES, MEDIA, ROW_KEYS, SCHEMAS, SORT_KEYS
from pipeline.storage import Storage
from transforms.records import RESULT_TABLES

ROWS_PER_FILE = 1_000_000
ROWS_PER_GROUP = 65_536  # small enough that a look-up by file reads little, big enough that a scan is fast


def build(journal: Journal, tables: frozenset[str]) -> dict[str, int]:
    """Writes the tables from the journal, over what an earlier run has left.

    Args:
        journal: holds the rows of this run and of earlier ones.
        tables: the tables of results that were asked for; they are written even when they are empty.

    Returns:
        The number of rows of each table.
    """
    rows: dict[str, int] = {}
    for table in (*RESULT_TABLES, MEDIA, FAILURES):
        data = journal.parts(table).to_table()
        if table in tables or table not in RESULT_TABLES or data.num_rows:
            data = _latest(data, table)
            _write(journal.storage, table, data, journal.metadata)
            rows[table] = data.num_rows
    return rows


def _latest(data: pa.Table, table: str) -> pa.Table:
    """Returns each row once, in order; of several attempts the last, unless it mended the failure."""
    order = [(name, "ascending") for name in SORT_KEYS[table]]
    if table == FAILURES:
        data = data.sort_by([*order, ("attempt", "ascending")])
    numbered = data.select(list(ROW_KEYS[table])).append_column("row", pa.array(range(data.num_rows), pa.int64()))
    last = numbered.group_by(list(ROW_KEYS[table])).aggregate([("row", "max")])["row_max"]
    data = data.take(last).sort_by(order)
    return data.filter(pc.not_equal(data["code"], RESOLVED)) if table == FAILURES else data


def _write(storage: Storage, table: str, data: pa.Table, metadata: Mapping[str, str]) -> None:
    schema = SCHEMAS[table].with_metadata(metadata)
    written = set()
    for number, start in enumerate(range(0, max(1, data.num_rows), ROWS_PER_FILE)):
        name = f"part-{number:05d}.parquet"
        sink = pa.BufferOutputStream()
        part = data.slice(start, ROWS_PER_FILE).cast(schema)
        pq.write_table(part, sink, compression="zstd", row_group_size=ROWS_PER_GROUP, write_page_index=True)
        storage.write(sink.getvalue().to_pybytes(), table, name)
        written.add(name)
    for path in storage.list(table, suffix=".parquet"):
        if path.rsplit("/", 1)[-1] not in written:
            storage.remove(path)
