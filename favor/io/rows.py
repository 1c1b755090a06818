"""Reading JSON lines, CSV and Parquet files row by row, in constant memory."""

import contextlib
import csv
import itertools
import json
from collections.abc import Iterator
from typing import Any, TextIO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from favor.errors import FavorError

LONGEST_LINE = 1 << 20  # characters; a longer line means that the file is of another kind
PARQUET_ROWS = 1024  # rows in memory at a time
PARQUET_BYTES = 1 << 20  # read buffer per column


class RowError(FavorError):
    """A row that cannot be read; the rows after it still can."""


Values = dict[str, Any]
Rows = Iterator[tuple[int, Values | RowError]]


def read_rows(path: str) -> Rows:
    """Reads a file row by row.

    Args:
        path: a local path or any fsspec URL; unless it ends with ``.csv`` or ``.parquet``, it is read as JSON lines.

    Yields:
        The line number, or the row number in a Parquet file, from 1; and the row's values by column, or its error.

    Raises:
        FavorError: if the file is not in the format that its name implies.
        OSError: if the file cannot be read.
    """
    if path.lower().endswith(".parquet"):
        yield from _parquet_rows(path)
        return
    with fsspec.open(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        for number, values in _csv_rows(file, path) if path.lower().endswith(".csv") else _json_rows(file):
            yield number, _readable(values)


def parquet_schema(path: str) -> pa.Schema:
    """Returns the schema of a Parquet file.

    Raises:
        FavorError: if the file is not a Parquet file.
        OSError: if it cannot be read.
    """
    with _parquet_file(path) as parquet:
        return parquet.schema_arrow


def _parquet_rows(path: str) -> Rows:
    numbers = itertools.count(1)
    with _parquet_file(path) as parquet:
        for batch in parquet.iter_batches(PARQUET_ROWS):
            for values in batch.to_pylist():
                yield next(numbers), values


@contextlib.contextmanager
def _parquet_file(path: str) -> Iterator[pq.ParquetFile]:
    with fsspec.open(path, "rb") as file:
        try:
            yield pq.ParquetFile(file, buffer_size=PARQUET_BYTES)
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise FavorError(f"{path} is damaged or not a Parquet file: {error}") from error


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(LONGEST_LINE):
        yield line


def _json_rows(file: TextIO) -> Rows:
    number, begins = 1, True  # ``begins``: whether the next piece starts a line
    for piece in _lines(file):
        ends = piece.endswith("\n")
        if begins and not ends and len(piece) == LONGEST_LINE:
            yield number, RowError(f"the line has more than {LONGEST_LINE} characters")
        elif begins and piece.strip():
            yield number, _json(piece)
        number, begins = number + ends, ends


def _json(line: str) -> Values | RowError:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        return RowError(f"{error}; it must be a JSON object in one line")
    return values if isinstance(values, dict) else RowError(f"must be a JSON object, got {line.strip()[:100]}")


def _csv_rows(file: TextIO, path: str) -> Rows:
    reader = csv.reader(_lines(file))
    header: list[str] = []
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, RowError(str(error))
            continue
        if not cells:
            continue
        if not header:
            header = _header(cells, path)
        elif len(cells) != len(header):
            yield number, RowError(f"has {len(cells)} values, but the first line names {len(header)} columns")
        else:
            yield number, dict(zip(header, (cell or None for cell in cells), strict=True))


def _header(cells: list[str], path: str) -> list[str]:
    if len(set(cells)) < len(cells) or not all(cells):
        raise FavorError(f"{path}, line 1: the names of the columns must differ and not be empty; they are {cells}")
    return cells


def _readable(values: Values | RowError) -> Values | RowError:
    if isinstance(values, RowError):
        return values
    for name, value in values.items():
        for text in (name, value):
            if isinstance(text, str) and not text.isascii() and not _is_unicode(text):
                return RowError(f"{name!a} is not UTF-8 text")
    return values


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
