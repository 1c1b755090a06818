"""Questions from files: JSON lines or CSV with ``question_id``, ``question`` and optionally ``uri``."""

import csv
import json
from collections.abc import Iterator
from typing import Any

import fsspec

from favor.errors import FavorError
from favor.media.listing import absolute_uri
from transforms.records import ANSWERS, Question


def read_questions(path: str) -> tuple[Question, ...]:
    """Reads a file of questions.

    Args:
        path: ends with ``.csv``, ``.jsonl`` or ``.json``; local or any fsspec URL.

    Raises:
        FavorError: if the file cannot be read as such; the message has the line number.
    """
    questions: dict[tuple[str, str | None], Question] = {}
    for number, row in _rows(path):
        question = _question(row, f"{path}, line {number}")
        if questions.setdefault((question.question_id, question.uri), question) is not question:
            raise FavorError(
                f"{path}, line {number}: question_id {question.question_id!r} occurs twice; ids must differ"
            )
    if not questions:
        raise FavorError(f"{path} holds no questions")
    return tuple(questions.values())


def _rows(path: str) -> Iterator[tuple[int, Any]]:
    try:
        with fsspec.open(path, "rt", encoding="utf-8-sig", newline="") as file:
            if path.lower().endswith(".csv"):
                reader = csv.DictReader(file)
                yield from ((reader.line_num, row) for row in reader)
                return
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, _json(line, f"{path}, line {number}")
    except (OSError, ValueError) as error:  # a UnicodeDecodeError is a ValueError
        raise FavorError(f"cannot read the questions in {path}: {error}") from error


def _json(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise FavorError(
            f'{where}: {error}; each line must be like {{"question_id": "q1", "question": "..."}}'
        ) from error


def _question(row: Any, where: str) -> Question:
    if not isinstance(row, dict):
        raise FavorError(f"{where}: must be an object, got {row!r}")
    for name in ("question_id", "question"):
        if not isinstance(row.get(name), str | int) or not str(row[name]).strip():
            raise FavorError(f"{where}: {name!r} is missing or empty; needed are question_id and question")
    uri = row.get("uri") or None
    return Question(ANSWERS, str(row["question_id"]), str(row["question"]), uri and absolute_uri(uri))
