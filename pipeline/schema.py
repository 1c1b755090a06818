"""The tables: their Arrow schemas, made from the rows' own types, what makes two rows the same, and their order."""

import dataclasses
import datetime
import types
import typing

import pyarrow as pa

from transforms.records import RESULT_TABLES, Failure, MediaRow, Result

MEDIA, FAILURES = "media", "failures"
ROW_TYPES: dict[str, type] = {**dict.fromkeys(RESULT_TABLES, Result), MEDIA: MediaRow, FAILURES: Failure}
ROW_KEYS = {
    **dict.fromkeys(RESULT_TABLES, ("result_id",)),
    MEDIA: ("media_id",),
    FAILURES: ("uri", "start_ms", "end_ms"),
}
# The order of the rows; equal ones come together, and the one to keep comes first.
SORT_KEYS = {
    **dict.fromkeys(RESULT_TABLES, ("uri", "start_ms", "question_id", "result_id", "created_at")),
    MEDIA: ("uri", "media_id"),
    FAILURES: ("uri", "start_ms", "end_ms", "attempt DESC"),
}

ARROW_TYPES = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime.datetime: pa.timestamp("us", tz="UTC"),
}


def _field(name: str, hint: type) -> pa.Field:
    optional = isinstance(hint, types.UnionType)
    kind = next(arm for arm in typing.get_args(hint) if arm is not types.NoneType) if optional else hint
    return pa.field(name, ARROW_TYPES[kind], nullable=optional)


def _schema(row_type: type) -> pa.Schema:
    hints = typing.get_type_hints(row_type)
    return pa.schema([_field(field.name, hints[field.name]) for field in dataclasses.fields(row_type)])


SCHEMAS: dict[str, pa.Schema] = {table: _schema(row_type) for table, row_type in ROW_TYPES.items()}
