"""Questions from files: JSON lines, CSV or Parquet with ``question_id``, ``question`` and optionally ``uri``."""

from collections.abc import Iterable, Mapping
from typing import Any

from favor.errors import FavorError
from favor.io.rows import RowError, read_rows
from favor.io.stores import store_errors
from favor.media.corpus.listing import absolute_uri
from favor.media.corpus.manifests import is_manifest, read_head
from pipeline.output.tables import SCHEMAS
from transforms.elements import Question
from transforms.rows import ANSWERS


def read_questions(path: str) -> tuple[Question, ...]:
    """Reads a file of questions.

    Args:
        path: ends with ``.csv`` or ``.parquet``, or holds JSON lines; local or any fsspec URL.

    Raises:
        FavorError: if the file cannot be read as such; the message has the line number.
    """
    questions: dict[tuple[str, str | None], Question] = {}
    try:
        for number, row in read_rows(path):
            where = f"{path}, line {number}"
            question = _question(row, where)
            if questions.setdefault((question.question_id, question.uri), question) is not question:
                raise FavorError(f"{where}: question_id {question.question_id!r} occurs twice; ids must differ")
    except store_errors() as error:
        raise FavorError(f"cannot read the questions in {path}: {error}") from error
    if not questions:
        raise FavorError(f"{path} holds no questions")
    return tuple(questions.values())


def _question(row: dict[str, Any] | RowError, where: str) -> Question:
    if isinstance(row, RowError):
        raise FavorError(f'{where}: {row}. A line is like {{"question_id": "q1", "question": "..."}}')
    for name in ("question_id", "question"):
        if not isinstance(row.get(name), str | int) or not str(row[name]).strip():
            raise FavorError(f"{where}: {name!r} is missing or empty; needed are question_id and question")
    uri = row.get("uri") or None
    return Question(ANSWERS, str(row["question_id"]), str(row["question"]), uri and absolute_uri(uri))


TABLE_COLUMNS = frozenset(name for schema in SCHEMAS.values() for name in schema.names)


def corpus_labels(corpus: Iterable[str]) -> tuple[dict[str, str], bool]:
    """Reads the first rows of a corpus's manifests.

    Args:
        corpus: files, directories, globs and manifests.

    Returns:
        The types of the labels by name; and whether the corpus is so long that it must be streamed.

    Raises:
        FavorError: if a manifest is wrong, cannot be read, or names a column of ours.
    """
    label_types: dict[str, str] = {}
    streamed = False
    for path in filter(is_manifest, corpus):
        try:
            head = read_head(path)
        except store_errors() as error:
            raise FavorError(f"cannot read the manifest {path}: {error.__cause__ or error}") from error
        for name in head.label_types:
            if name.lower() in TABLE_COLUMNS:  # DuckDB does not tell small letters from capitals
                raise FavorError(f"{path}: the tables have a column {name.lower()!r} of their own; rename it")
        label_types = united(label_types, head.label_types, path)
        streamed = streamed or not head.whole
    return label_types, streamed


def united(label_types: Mapping[str, str], more: Mapping[str, str], where: str) -> dict[str, str]:
    """Joins the labels of two manifests, or of an output and another run.

    Args:
        label_types: the types of some labels by name.
        more: those of others.
        where: who names these others.

    Raises:
        FavorError: if a name has two types.
    """
    for name, kind in more.items():
        if label_types.get(name, kind) != kind:
            raise FavorError(
                f"{where}: the column {name!r} is {kind}, but {label_types[name]} elsewhere; give it one type"
            )
    return {**label_types, **more}
