"""Writing the files of a final table: Parquet or JSON lines, of a sensible size, partitioned by a column if wanted."""

import contextlib
import dataclasses
import datetime
import itertools
import json
import math
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import IO, Any, Protocol, Self

import pyarrow as pa
import pyarrow.parquet as pq

from favor.errors import FavorError
from pipeline.output.directory import OutputDirectory

PARQUET, JSON_LINES = FORMATS = ("parquet", "jsonl")
ROWS_PER_FILE = 500_000
TABLE_FILE = re.compile(r"(?:[^/]+=[^/]*/)?part-\d{5}\.(?:parquet|jsonl)")  # the partition and the name of a file
LONGEST_NAME = 255  # bytes, on most filesystems


@dataclasses.dataclass(frozen=True)
class Layout:
    """Formats and directories of the final tables.

    Attributes:
        formats: some of ``FORMATS``. Parquet is written to ``TABLE/``, JSON lines to ``jsonl/TABLE/``.
        partition_by: the column whose values determine the directories ``COLUMN=VALUE/`` of the rows, or None.
    """

    formats: tuple[str, ...] = (PARQUET,)
    partition_by: str | None = None

    def how_to_read(self, output: str, table: str) -> dict[str, str]:
        """Returns statements that read a table, by the name of the tool."""
        levels = "/**/*" if self.partition_by else "/*"
        if PARQUET in self.formats:
            where = f"{output}/{table}"
            return {"pandas": f"pandas.read_parquet({where!r})", "DuckDB": f"SELECT * FROM '{where}{levels}.parquet'"}
        where = f"{output}/{JSON_LINES}/{table}{levels}.jsonl"
        return {"DuckDB": f"SELECT * FROM '{where}'"}


PLAIN = Layout()


def directory(table: str, format: str) -> tuple[str, ...]:
    """Returns the directory of a table's files, relative to the output."""
    return (table,) if format == PARQUET else (format, table)


class RowWriter(Protocol):
    """A writer of rows into an open file."""

    def write(self, rows: pa.Table) -> None:
        """Appends rows."""

    def close(self) -> None:
        """Completes the content of the file."""


class ParquetWriter:
    """A writer of Parquet, in small row groups with statistics and a page index, so that a lookup reads little."""

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(file, schema, compression="zstd", write_page_index=True)

    def write(self, rows: pa.Table) -> None:
        """Appends a row group."""
        self._writer.write_table(rows)

    def close(self) -> None:
        """Writes the footer."""
        self._writer.close()


class JsonLinesWriter:
    """A writer of JSON lines, in which times are ISO 8601 and non-finite numbers are null."""

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self._file = file

    def write(self, rows: pa.Table) -> None:
        """Appends a line for each row."""
        for row in rows.to_pylist():
            line = json.dumps({name: _jsonable(value) for name, value in row.items()}, ensure_ascii=False)
            self._file.write(line.encode() + b"\n")

    def close(self) -> None:
        """Does nothing: the lines are complete."""


WRITERS: dict[str, type[ParquetWriter] | type[JsonLinesWriter]] = {PARQUET: ParquetWriter, JSON_LINES: JsonLinesWriter}


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, datetime.datetime) else value


class TableFiles:
    """Writes a table in one format; one file is open at a time, and each file appears only when it is complete.

    Args:
        storage: the output.
        table: name of the table.
        schema: Arrow schema of the rows.
        format: one of ``FORMATS``.
        partition_by: the column to partition by, or None; rows with the same value must be consecutive.
    """

    def __init__(
        self, storage: OutputDirectory, table: str, schema: pa.Schema, format: str, partition_by: str | None = None
    ) -> None:
        self._storage = storage
        self._directory = directory(table, format)
        self._format = format
        self._schema = schema
        self._partition_by = partition_by
        self._where: tuple[str, ...] | None = None
        self._number = self._rows = 0
        self._file = contextlib.ExitStack()
        self._writer: RowWriter | None = None

    def __enter__(self) -> Self:
        """Removes the files of earlier runs, except one that is going to be replaced, so no reader sees a row twice."""
        clear(self._storage, self._directory, keep="" if self._partition_by else self._name(0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finishes the last file; an empty table gets a file too."""
        if kind is None and self._writer is None:
            self._open((), self._schema)
        self._file.__exit__(kind, error, trace)

    def write(self, rows: pa.Table) -> None:
        """Appends rows."""
        for where, part in self._parts(rows.cast(self._schema)):
            if where != self._where:
                self._number = 0
            elif self._rows >= ROWS_PER_FILE:
                self._number += 1
            if where != self._where or self._rows >= ROWS_PER_FILE:
                self._open(where, part.schema.with_metadata(self._schema.metadata))
            assert self._writer is not None
            self._writer.write(part)
            self._rows += part.num_rows

    def _open(self, where: tuple[str, ...], schema: pa.Schema) -> None:
        self._file.close()
        self._where, self._rows = where, 0
        file = self._file.enter_context(self._storage.writing(*self._directory, *where, self._name(self._number)))
        self._writer = self._file.enter_context(contextlib.closing(WRITERS[self._format](file, schema)))

    def _name(self, number: int) -> str:
        return f"part-{number:05d}.{self._format}"

    def _parts(self, rows: pa.Table) -> Iterator[tuple[tuple[str, ...], pa.Table]]:
        """Splits rows by directory; Parquet files omit the column, whose value the directory's name gives."""
        column = self._partition_by
        if column is None:
            if rows.num_rows:
                yield (), rows
            return
        values = ["" if value is None else value for value in rows[column].to_pylist()]
        rest = rows.drop_columns(column) if self._format == PARQUET else rows
        for value, numbers in itertools.groupby(range(len(values)), values.__getitem__):
            count = len(list(numbers))
            yield (partition(column, value),), rest.slice(0, count)
            rest = rest.slice(count)


def partition(column: str, value: Any) -> str:
    """Returns the name of the directory of the rows with a value in common.

    Raises:
        FavorError: if the name would be too long.
    """
    text = str(value).lower() if isinstance(value, bool) else str(value)
    name = f"{column}={urllib.parse.quote(text, safe='')}"
    if len(name) > LONGEST_NAME:
        raise FavorError(
            f"{column} is {text[:50]!r}..., too long for the name of a directory. Nothing is lost: "
            "the same command without --partition-by writes the tables"
        )
    return name


def clear(storage: OutputDirectory, directory: tuple[str, ...], keep: str = "") -> None:
    """Removes the files of a table, complete or not, except ``keep``, which is going to be replaced.

    Files with other names are not the table's: the user may have a directory of the same name in the output.
    """
    storage.remove_unfinished(*directory)
    root = storage.path(*directory)
    names = {path.removeprefix(f"{root}/"): path for path in storage.list(*directory, suffix="")}
    storage.remove([path for name, path in names.items() if TABLE_FILE.fullmatch(name) and name != keep])


def check_partition(column: str | None, label_types: Mapping[str, str]) -> None:
    """Checks that tables can be partitioned by a column.

    Raises:
        FavorError: if it is not a label, or its name or values are not suitable for the names of directories.
    """
    if column is None:
        return
    if column not in label_types:
        known = ", ".join(label_types) or "none, since there is no manifest"
        raise FavorError(f"--partition-by {column!r}: a column of a manifest is needed; there are: {known}")
    if label_types[column] == "float" or urllib.parse.quote(column, safe="") != column:
        raise FavorError(
            f"--partition-by {column!r}: needed is a column of text, whole numbers or booleans whose name has only "
            "letters, digits, _ and -"
        )
