"""The tables: their Arrow schemas, made from the rows' own types, what makes two rows the same, and their order."""

import dataclasses
import datetime
import importlib.metadata
import json
import types
import typing
from collections.abc import Mapping

import pyarrow as pa

from favor.errors import FavorError
from pipeline.options import RunOptions
from transforms.rows import FAILURES, MEDIA, RESOLVED, RESULT_TABLES, Failure, MediaRow, Result

# Grows whenever a column is added, which older files then lack and have nothing in. Columns are neither renamed nor
# given another meaning, so that every older output can be read.
SCHEMA_VERSION = 2
ROW_TYPES: dict[str, type] = {**dict.fromkeys(RESULT_TABLES, Result), MEDIA: MediaRow, FAILURES: Failure}
ROW_KEYS = {
    **dict.fromkeys(RESULT_TABLES, ("result_id",)),
    MEDIA: ("media_id", "entry_id"),
    FAILURES: ("uri", "entry_id", "start_ms", "end_ms"),
}
# What two rows need to have in common to be the same row of the journal: a failure has one for each attempt.
PART_KEYS = {**ROW_KEYS, FAILURES: (*ROW_KEYS[FAILURES], "attempt", "code")}
# The order of the rows; equal ones come together, and the one to keep comes first.
SORT_KEYS = {
    **dict.fromkeys(RESULT_TABLES, ("uri", "start_ms", "question_id", "result_id", "created_at")),
    MEDIA: ("uri", "media_id", "entry_id"),
    FAILURES: ("uri", "start_ms", "end_ms", "entry_id", "attempt DESC", f"code = '{RESOLVED}' DESC", "created_at"),
}

ARROW_TYPES = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime.datetime: pa.timestamp("us", tz="UTC"),
}
LABEL_PYTHON_TYPES: dict[str, type] = {kind.__name__: kind for kind in (str, int, float, bool)}


def _field(name: str, hint: type) -> pa.Field:
    optional = isinstance(hint, types.UnionType)
    kind = next(arm for arm in typing.get_args(hint) if arm is not types.NoneType) if optional else hint
    return pa.field(name, ARROW_TYPES[kind], nullable=optional)


def _schema(row_type: type) -> pa.Schema:
    hints = typing.get_type_hints(row_type)
    names = [field.name for field in dataclasses.fields(row_type) if field.name != "labels"]
    return pa.schema([_field(name, hints[name]) for name in names])


SCHEMAS: dict[str, pa.Schema] = {table: _schema(row_type) for table, row_type in ROW_TYPES.items()}


def with_labels(table: str, label_types: Mapping[str, str]) -> pa.Schema:
    """Returns the schema of a table whose rows carry the columns of manifests behind its own.

    Args:
        table: which.
        label_types: the types of these columns by name, as `favor.media.corpus.manifests` names them.
    """
    labels = [pa.field(name, ARROW_TYPES[LABEL_PYTHON_TYPES[kind]]) for name, kind in label_types.items()]
    return pa.schema([*SCHEMAS[table], *labels])


def values(row: typing.Any) -> dict[str, typing.Any]:
    """Returns a row's values by column, labels included."""
    by_name = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    labels = by_name.pop("labels")
    return {**by_name, **dict(labels)}


def check_schema(made: Mapping[str, typing.Any], output: str) -> None:
    """Makes sure that this version can read an output.

    Raises:
        FavorError: if a newer version has written it.
    """
    version = made.get("schema", SCHEMA_VERSION)
    if version > SCHEMA_VERSION:
        raise FavorError(
            f"{output} holds tables of schema {version}, and this version of favor knows schemas up to "
            f"{SCHEMA_VERSION}. Install a newer favor, or choose another --output"
        )


UNTRAINED = "untrained: its text means nothing"


RUN_PACKAGES = ("favor-on-beam", "apache-beam", "torch", "transformers", "av", "pyarrow")


def table_metadata(options: RunOptions) -> dict[str, str]:
    """Returns what every file of the output says of itself: the configuration and the packages' versions."""
    metadata = {
        "favor": options.to_json(),
        "favor.versions": json.dumps(package_versions()),
        "favor.trained": str(options.trained).lower(),
    }
    return metadata if options.trained else {**metadata, "favor.note": f"{options.identity.model} is {UNTRAINED}"}


def package_versions() -> dict[str, str]:
    """Returns the versions of the packages that decide what comes out, and how fast."""
    return {name: importlib.metadata.version(name) for name in RUN_PACKAGES}
