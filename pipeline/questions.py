"""Questions from files: JSON lines, CSV or Parquet with ``question_id``, ``question`` and optionally ``uri``."""

from typing import Any

from favor.errors import FavorError
from favor.media.listing import absolute_uri
from favor.media.stores import store_errors
from favor.rows import RowError, read_rows
from transforms.records import ANSWERS, Question


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
