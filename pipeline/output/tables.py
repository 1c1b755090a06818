"""The definitions of the tables: row type, keys and order.

All code that reads or writes a table uses them. A new table is a row type in `transforms.rows` and a `Table` here.
"""

import dataclasses
import datetime
import functools
import inspect
import re
import types
import typing
from collections.abc import Mapping

import pyarrow as pa

from transforms.rows import ANSWERS, CAPTIONS, FAILURES, MEDIA, RESOLVED, TRANSCRIPTS, Failure, MediaRow, Result

LABELS = "labels"  # the field of a row that holds the columns of manifests, which follow the table's own
ARROW_TYPES = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime.datetime: pa.timestamp("us", tz="UTC"),
}
LABEL_PYTHON_TYPES: dict[str, type] = {kind.__name__: kind for kind in (str, int, float, bool)}

# A failure and the row that resolves it have the same attempt.
LATER_ATTEMPT = f"(attempt, code = '{RESOLVED}')"  # in SQL: grows with the attempts of a failure


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: name of the column.
        type: Arrow type of its values.
        nullable: whether values may be null.
        meaning: description of the values, from the docstring of the row type.
    """

    name: str
    type: pa.DataType
    nullable: bool
    meaning: str


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of the output.

    Attributes:
        name: name of the table and of its directories.
        row_type: a dataclass with a field for each column, described in its docstring, and a field ``labels``.
        purpose: what the table holds, in one line.
        keys: the columns that identify a row.
        order: the sort order of the rows; of several rows with the same keys, the one to keep comes first.
        attempt_keys: further columns that identify a row of the journal; the table keeps only the last attempt.
        always: whether the table is written even if it was not requested.
    """

    name: str
    row_type: type
    purpose: str
    keys: tuple[str, ...]
    order: tuple[str, ...]
    attempt_keys: tuple[str, ...] = ()
    always: bool = False

    @property
    def part_keys(self) -> tuple[str, ...]:
        """The columns that identify a row of the journal."""
        return self.keys + self.attempt_keys

    @property
    def holds_results(self) -> bool:
        """Whether the rows are results, whose ids show a later run what is done."""
        return "result_id" in self.keys

    @functools.cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the table, without those of manifests."""
        hints, meanings = typing.get_type_hints(self.row_type), attribute_docs(self.row_type)
        names = [field.name for field in dataclasses.fields(self.row_type) if field.name != LABELS]
        return tuple(Column(name, *_arrow_type(hints[name]), meanings[name]) for name in names)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the columns."""
        return pa.schema([pa.field(column.name, column.type, column.nullable) for column in self.columns])

    def with_labels(self, label_types: Mapping[str, str]) -> pa.Schema:
        """Returns the schema of rows in which the table's own columns are followed by those of manifests.

        Args:
            label_types: the types of the manifests' columns by name, as `favor.media.corpus.manifests` names them.
        """
        labels = [pa.field(name, ARROW_TYPES[LABEL_PYTHON_TYPES[kind]]) for name, kind in label_types.items()]
        return pa.schema([*self.schema, *labels])


def _arrow_type(hint: type) -> tuple[pa.DataType, bool]:
    """Returns the type of a column, and whether it is nullable."""
    optional = isinstance(hint, types.UnionType)
    kind = next(arm for arm in typing.get_args(hint) if arm is not types.NoneType) if optional else hint
    return ARROW_TYPES[kind], optional


def attribute_docs(documented: type) -> dict[str, str]:
    """Returns the description of each attribute in the docstring of a class."""
    _, _, described = inspect.cleandoc(documented.__doc__ or "").partition("Attributes:\n")
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", described, re.MULTILINE)
    return {name: " ".join(meaning.split()) for name, meaning in found}


def values(row: typing.Any) -> dict[str, typing.Any]:
    """Returns the values of a row by column, including labels."""
    by_name = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    labels = by_name.pop(LABELS)
    return {**by_name, **dict(labels)}


def _result_table(name: str, purpose: str) -> Table:
    return Table(
        name,
        Result,
        purpose,
        keys=("result_id",),
        order=("uri", "start_ms", "question_id", "result_id", "created_at"),
    )


# In the order in which they are shown.
TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _result_table(CAPTIONS, "A caption for every window."),
        _result_table(ANSWERS, "Answers to questions about every window."),
        _result_table(TRANSCRIPTS, "The speech of every window."),
        Table(
            MEDIA,
            MediaRow,
            "What the headers of the files say.",
            keys=("media_id", "entry_id"),
            order=("uri", "media_id", "entry_id"),
            always=True,
        ),
        Table(
            FAILURES,
            Failure,
            "Failures that have not been resolved since, and their causes.",
            keys=("uri", "entry_id", "start_ms", "end_ms"),
            order=("uri", "start_ms", "end_ms", "entry_id", f"{LATER_ATTEMPT} DESC", "created_at"),
            attempt_keys=("attempt", "code"),
            always=True,
        ),
    )
}
