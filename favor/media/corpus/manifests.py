"""Manifests: files that name the media of a corpus, one per row, with spans and labels."""

import contextlib
import dataclasses
import itertools
import posixpath
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import pyarrow as pa

from favor.errors import FavorError, MediaError
from favor.io.rows import RowError, Values, parquet_schema, read_rows
from favor.media.corpus.files import Entry, Label, NamedFile
from favor.media.corpus.listing import Unlisted, absolute_uri

SUFFIXES = (".jsonl", ".csv", ".parquet")
HEAD_ROWS = 1000  # these rows determine the labels' types; an error in one of them stops a run before it starts
ENTRY_COLUMNS = ("uri", "start", "end", "prompt")
TEXT_LABELS = ("id", "language")
LABEL_TYPES = ("str", "int", "float", "bool")
ARROW_KINDS = (
    (pa.types.is_boolean, "bool"),
    (pa.types.is_integer, "int"),
    (pa.types.is_floating, "float"),
    (pa.types.is_string, "str"),
    (pa.types.is_large_string, "str"),
    (pa.types.is_null, "str"),
)
SECONDS = re.compile(r"\d{1,12}(\.\d{0,30})?|\.\d{1,30}|\d{1,12}/\d{1,12}")
SECONDS_REMEDY = "it must be seconds from the file's beginning, such as 12, 12.5 or 25/2"
LABELS_REMEDY = "labels are text, numbers or booleans: leave the column out, or write it as text"

Kinds = dict[str, str]  # the labels and their types, by the names of ``LABEL_TYPES``


@dataclasses.dataclass(frozen=True)
class Head:
    """The properties of a manifest found in its first rows.

    Attributes:
        label_types: the labels in its rows and their types.
        whole: whether these are all of its rows.
    """

    label_types: Kinds
    whole: bool


def is_manifest(pattern: str) -> bool:
    """Returns whether a corpus argument is a manifest rather than media."""
    return pattern.split("::", 1)[0].lower().endswith(SUFFIXES)


def read_head(path: str) -> Head:
    """Checks the first rows of a manifest and finds its labels.

    A Parquet file declares its columns' types, values in JSON lines are typed, and all values in a CSV file are text.

    Args:
        path: the manifest; a local path or any fsspec URL.

    Raises:
        FavorError: if the manifest or one of these rows is invalid; the message includes the row's number.
        OSError: if the manifest cannot be read.
    """
    rows = list(itertools.islice(read_rows(path), HEAD_ROWS + 1))
    if not rows:
        raise FavorError(f"{path} has no rows; a manifest has one for each file, with at least its uri")
    label_types = _declared(path) if path.lower().endswith(".parquet") else {}
    for number, values in rows[:HEAD_ROWS]:
        with _with_line_number(path, number):
            for name, value in _labels(values):
                label_types[name] = _kind(name, value, label_types.get(name, ""))
    label_types = {name: kind or "str" for name, kind in label_types.items()}
    for number, values in rows[:HEAD_ROWS]:
        with _with_line_number(path, number):
            _named(values, absolute_uri(path), number, label_types)
    return Head(label_types, len(rows) <= HEAD_ROWS)


@contextlib.contextmanager
def _with_line_number(path: str, number: int) -> Iterator[None]:
    try:
        yield
    except RowError as error:
        raise FavorError(f"{_where(path, number)}: {error}") from error


def read_manifest(path: str, label_types: Mapping[str, str]) -> Iterator[NamedFile | Unlisted]:
    """Reads a manifest row by row.

    Args:
        path: the manifest; a local path or any fsspec URL. Relative URIs in it are relative to its directory.
        label_types: the labels and their types, as returned by `read_head`.

    Yields:
        The file that each row names, or an ``Unlisted`` with ``bad_manifest_row`` for an invalid row.

    Raises:
        FavorError: if the file is not in the format that its name implies.
        OSError: if the manifest cannot be read.
    """
    manifest = absolute_uri(path)
    for number, values in read_rows(path):
        try:
            yield _named(values, manifest, number, label_types)
        except RowError as error:
            yield Unlisted(f"{manifest}#{number}", MediaError("bad_manifest_row", f"{_where(path, number)}: {error}"))


def _where(path: str, number: int) -> str:
    return f"{path}, {'row' if path.lower().endswith('.parquet') else 'line'} {number}"


def _declared(path: str) -> Kinds:
    schema = parquet_schema(path)
    labels = [field for field in schema if field.name not in ENTRY_COLUMNS]
    return {field.name: "str" if field.name in TEXT_LABELS else _arrow_kind(field, path) for field in labels}


def _arrow_kind(field: pa.Field, path: str) -> str:
    type_ = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    kind = next((kind for fits, kind in ARROW_KINDS if fits(type_)), None)
    if kind is None:
        raise FavorError(f"{path}: column {field.name!r} is {field.type}; {LABELS_REMEDY}")
    return kind


def _labels(values: Values | RowError) -> list[tuple[str, Any]]:
    if isinstance(values, RowError):
        raise values
    names = sorted(name for name in values if name not in ENTRY_COLUMNS)
    return [(name, _text(values, name) if name in TEXT_LABELS else values[name]) for name in names]


def _kind(name: str, value: Any, before: str) -> str:
    """Returns a label's type, updated for one more value; empty if no value has been seen."""
    if value is None:
        return before
    kind = type(value).__name__
    if kind not in LABEL_TYPES:
        raise RowError(f"{name!r} is {value!r}, a {kind}; {LABELS_REMEDY}")
    if before in ("", kind):
        return kind
    if {before, kind} == {"int", "float"}:
        return "float"
    raise RowError(f"{name!r} is {value!r}, a {kind}, but a {before} in the rows before; give the column one type")


def _named(values: Values | RowError, manifest: str, number: int, label_types: Mapping[str, str]) -> NamedFile:
    given = [(name, value) for name, value in _labels(values) if value is not None]
    labels = tuple((name, _label(name, value, label_types)) for name, value in given)
    assert isinstance(values, dict)
    uri = _text(values, "uri")
    if uri is None or "\0" in uri:
        raise RowError("'uri' is missing, empty or invalid; it must name a media file")
    start, end = _milliseconds(values, "start") or 0, _milliseconds(values, "end")
    if end is not None and end <= start:
        raise RowError(f"'end' is {values['end']!r}, which is not after 'start', {values.get('start') or 0!r}")
    return NamedFile(
        _resolved(uri, manifest), Entry(start, end, _text(values, "prompt"), labels), f"{manifest}#{number}"
    )


def _label(name: str, value: Any, label_types: Mapping[str, str]) -> Label:
    if name not in label_types:
        raise RowError(f"the column {name!r} is in none of the first {HEAD_ROWS} rows; give it to one of them")
    kind = label_types[name]
    if kind == "float" and type(value) is int:
        return float(value)
    if type(value).__name__ != kind:
        raise RowError(f"{name!r} is {value!r}, but a {kind} in the first rows; give the column one type")
    if kind == "int" and not -(1 << 63) <= value < 1 << 63:
        raise RowError(f"{name!r} is {value!r}, which takes more than 64 bits; write it as text")
    return value


def _text(values: Values, name: str) -> str | None:
    value = values.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) and (name != "id" or type(value) is not int):
        raise RowError(f"{name!r} is {value!r}, a {type(value).__name__}; it must be text")
    return str(value)


def _milliseconds(values: Values, name: str) -> int | None:
    """Reads seconds and rounds them to the nearest millisecond; floats count as the decimals they are written as."""
    value = values.get(name)
    if value is None or value == "":
        return None
    text = f"{value:f}" if isinstance(value, float) else str(value).strip()
    if isinstance(value, bool) or not SECONDS.fullmatch(text):  # no exponents: untrusted ones may be astronomical
        raise RowError(f"{name!r} is {value!r}; {SECONDS_REMEDY}")
    try:
        return round(Fraction(text) * 1000)
    except ZeroDivisionError as error:
        raise RowError(f"{name!r} is {value!r}; {SECONDS_REMEDY}") from error


def _resolved(uri: str, manifest: str) -> str:
    """Returns the URI that identifies, in tables, a file named in a manifest."""
    if "://" in uri or uri.startswith("/"):
        return absolute_uri(uri)
    first, chained, rest = manifest.partition("::")
    if chained and "/" not in first:  # such as simplecache::s3://...
        return f"{first}::{_resolved(uri, rest)}"
    protocol, separator, path = first.rpartition("://")
    return protocol + separator + posixpath.normpath(f"{posixpath.dirname(path)}/{uri}") + chained + rest
