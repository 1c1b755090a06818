import dataclasses
import datetime
import json

import pyarrow as pa
import pytest

from favor.media.corpus.files import Labels
from pipeline.output.dataset import build
from pipeline.output.directory import RUN_FILE
from pipeline.output.journal import Journal
from pipeline.output.reader import open_output
from pipeline.output.schema import SCHEMA_VERSION
from pipeline.output.tables import TABLES, Table, values
from pipeline.reporting.diff import compare
from transforms.rows import FAILURES, MEDIA, Failure, MediaRow, Result

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@dataclasses.dataclass(frozen=True)
class Word:
    """A word and when it is said.

    Attributes:
        result_id: the word in one name.
        uri: the file.
        start_ms: when it begins, on the file's
            presentation clock.
        end_ms: when it is over.
        question_id: what was asked.
        text: the word.
        suspect: whether it may have been imagined; null if unknown.
        created_at: when the row was made.
        entry_id: of the manifest.
        labels: further columns.
    """

    result_id: str
    uri: str
    start_ms: int
    end_ms: int
    question_id: str
    text: str
    suspect: bool | None
    created_at: datetime.datetime
    entry_id: str | None = None
    labels: Labels = ()


WORDS = Table("words", Word, "Every word.", keys=("result_id",), order=("uri", "start_ms", "result_id"))


def word(text, start_ms, **labels):
    labels = tuple(labels.items())
    return Word(text, "/a.mp4", start_ms, start_ms + 100, "words", text, None, NOW, labels=labels)


def test_a_table_that_is_registered_is_written_read_and_compared(tmp_path, monkeypatch):
    monkeypatch.setitem(TABLES, "words", WORDS)
    for side, last in (("a", "fox"), ("b", "dog")):
        journal = Journal(f"{tmp_path}/{side}", {"favor": "how"}, {"year": "int"})
        journal.write("words", [word(last, 200, year=1999), word("the", 0)])
        journal.write("words", [word("the", 0)])
        made = {"schema": SCHEMA_VERSION, "labels": {"year": "int"}, "tables": {"words": {"model": side}}}
        journal.storage.write(json.dumps(made).encode(), RUN_FILE)
        assert journal.done() == {"the", last}
        assert build(journal, frozenset({"words"})) == {"words": 2, "media": 0, "failures": 0}
    output = open_output(f"{tmp_path}/a")
    assert output.tables() == ("media", "failures", "words")
    rows = output.table("words").to_table()
    assert rows.to_pylist() == [values(word("the", 0, year=None)), values(word("fox", 200, year=1999))]
    assert rows.schema.field("suspect").equals(pa.field("suspect", pa.bool_(), nullable=True))
    found = compare(f"{tmp_path}/a", f"{tmp_path}/b")
    assert (found.tables["words"].equal, found.tables["words"].changed) == (1, 1)
    assert found.settings == {"words": {"model": ("a", "b")}}


def test_what_a_column_means_comes_from_the_docstring():
    columns = {column.name: column for column in WORDS.columns}
    assert columns["start_ms"].meaning == "when it begins, on the file's presentation clock."
    assert columns["suspect"].nullable
    assert not columns["start_ms"].nullable


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_column_is_described_and_every_name_is_a_column(table):
    names = table.schema.names
    assert all(column.meaning for column in table.columns)
    assert set(table.part_keys) <= set(names)
    assert {name for name in table.order if name.isidentifier()} <= set(names)
    assert table.with_labels({"year": "int"}).names == [*names, "year"]


def test_every_row_has_the_columns_of_its_table():
    window = ("m", "/a.mp4", 0, 1000)
    made = (True, True, "favor-mini", "rev", NOW)
    rows = {
        "captions": Result("r", "w", *window, "caption", "prompt", "text", 1, "stop", -0.5, *made),
        MEDIA: MediaRow("m", "/a.mp4", 1, "mp4", 1000, "h264", None, 1, 1, 0, 25.0, None, 1, None),
        FAILURES: Failure("m", "/a.mp4", "w", 0, 10, "decode", "x", "broken"),
    }
    for name, row in rows.items():
        assert isinstance(row, TABLES[name].row_type)
        assert list(values(row)) == TABLES[name].schema.names
