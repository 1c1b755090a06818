"""Reading and checking the user's inputs: files of questions, the labels of manifests, and whether a corpus exists."""

import contextlib
import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from favor.errors import FavorError, MediaError
from favor.io.rows import RowError, read_rows
from favor.io.stores import find_store, store_errors
from favor.media.corpus.listing import GLOB_CHARACTERS, absolute_uri
from favor.media.corpus.manifests import is_manifest, read_head
from favor.models.base import ModelCard
from pipeline.output.tables import TABLES
from transforms.elements import Question
from transforms.rows import ANSWERS, CAPTIONS, TRANSCRIPTS


def read_questions(path: str) -> tuple[Question, ...]:
    """Reads a file of questions.

    Args:
        path: a local path or any fsspec URL; a file that does not end with ``.csv`` or ``.parquet`` is JSON lines.

    Raises:
        FavorError: if the file cannot be read as questions; the message gives the line number of an invalid row.
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


def check_corpus(patterns: Iterable[str]) -> None:
    """Checks that a corpus may exist, so that no run is started for paths that are all wrong.

    Globs and remote stores are not looked at; the run finds out what they contain.

    Raises:
        FavorError: if the corpus consists of local paths, none of which exists.
    """
    messages = [_lost(pattern) for pattern in patterns]
    if all(messages):
        raise FavorError(f"no file could be read; the first failure: {messages[0]}")


def _lost(pattern: str) -> str | None:
    """Returns why a local path does not exist, or None for anything else."""
    with contextlib.suppress(MediaError):  # an unknown kind of store
        store, path = find_store(pattern)
        if isinstance(store, LocalFileSystem) and not any(character in path for character in GLOB_CHARACTERS):
            try:
                Path(path).stat()
            except FileNotFoundError:
                return f"{pattern}: no such file or directory"
            except NotADirectoryError as error:
                return f"{pattern}: {error}"
    return None


def worded(question: Question, card: ModelCard) -> Question:
    """Returns the question; one without a text gets the prompt from the model's card.

    Raises:
        FavorError: if the model has no such prompt, because it cannot do the task.
    """
    if question.text:
        return question
    text = {CAPTIONS: card.prompts.caption, TRANSCRIPTS: card.prompts.transcript}[question.table]
    if text is None:
        raise FavorError(f"{card.name} writes no transcripts; choose another --model for them")
    return dataclasses.replace(question, text=text)


TABLE_COLUMNS = frozenset(column.name for table in TABLES.values() for column in table.columns)


def corpus_labels(corpus: Iterable[str]) -> tuple[dict[str, str], bool]:
    """Reads the label types from the first rows of a corpus's manifests.

    Args:
        corpus: files, directories, globs and manifests.

    Returns:
        The types of the labels by name, and whether the corpus is so long that it must be streamed.

    Raises:
        FavorError: if a manifest is invalid, cannot be read, or has a column that the tables have too.
    """
    label_types: dict[str, str] = {}
    streamed = False
    for path in filter(is_manifest, corpus):
        try:
            head = read_head(path)
        except store_errors() as error:
            raise FavorError(f"cannot read the manifest {path}: {error.__cause__ or error}") from error
        for name in head.label_types:
            if name.lower() in TABLE_COLUMNS:  # DuckDB ignores the case of column names
                raise FavorError(f"{path}: the tables have a column {name.lower()!r} of their own; rename it")
        label_types = united(label_types, head.label_types, path)
        streamed = streamed or not head.whole
    return label_types, streamed


def united(label_types: Mapping[str, str], more: Mapping[str, str], where: str) -> dict[str, str]:
    """Merges the label types of two manifests, or of an output and a run.

    Args:
        label_types: types by label name.
        more: further types by label name.
        where: what gives the further types, for the error message.

    Raises:
        FavorError: if a label has two types.
    """
    for name, kind in more.items():
        if label_types.get(name, kind) != kind:
            raise FavorError(
                f"{where}: the column {name!r} is {kind}, but {label_types[name]} elsewhere; give it one type"
            )
    return {**label_types, **more}
