import dataclasses
import datetime
import gc
import pickle
import subprocess
import sys
import weakref

import pyarrow.parquet as pq
import pytest

from pipeline.output.dataset import build
from pipeline.output.journal import Journal
from pipeline.output.tables import TABLES
from transforms.rows import RESOLVED, Failure, Result

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def result(number, text="text"):
    return Result(
        f"r{number}", f"w{number}", "m", f"/{number:03d}.mp4", 0, 1000, "caption", "prompt", text, 1, "stop", -0.5,
        True, True, "favor-mini", "rev", NOW,
    )  # fmt: skip


FAILED = {"media_id": "m", "uri": "/a.mp4", "window_id": "w", "start_ms": 0, "end_ms": 10, "stage": "decode"}


def failure(**values):
    return Failure(**{**FAILED, "code": "x", "message": "broken", **values})


@pytest.fixture
def journal(tmp_path):
    return Journal(str(tmp_path / "out"), {"favor": "how"})


def test_the_output_may_be_on_any_filesystem():
    journal = Journal("memory://journal/out")
    journal.write("captions", [result(2)])
    journal.write("captions", [result(1)])
    assert journal.done() == {"r1", "r2"}
    assert build(journal, frozenset())["captions"] == 2
    assert journal.storage.list("captions", suffix=".parquet") == ["/journal/out/captions/part-00000.parquet"]


def test_a_part_written_twice_is_one_part(journal):
    journal.write("captions", [result(1), result(2)])
    journal.write("captions", [result(2), result(1)])
    assert len(journal.parts("captions").files) == 1
    assert journal.done() == {"r1", "r2"}


def test_parts_are_whole_or_absent(journal, tmp_path):
    journal.write("captions", [result(1)])
    names = [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(names) == 1
    assert names[0].endswith(".parquet")


def test_failures_are_counted_until_they_are_mended(journal):
    journal.write("failures", [failure()])
    journal.write("failures", [failure(attempt=2)])
    assert {span: standing.attempt for span, standing in journal.failed().items()} == {("/a.mp4", None, 0, 10): 2}
    journal.write("failures", [failure(attempt=2, code=RESOLVED)])
    assert journal.failed() == {}


def test_the_dataset_has_each_row_once_in_order(journal, tmp_path):
    journal.write("captions", [result(3), result(1)])
    journal.write("captions", [result(1), result(2)])
    rows = build(journal, frozenset({"captions", "answers"}))
    assert rows == {"captions": 3, "answers": 0, "media": 0, "failures": 0}
    table = pq.read_table(tmp_path / "out" / "captions")
    assert table["uri"].to_pylist() == ["/001.mp4", "/002.mp4", "/003.mp4"]
    assert table.schema.metadata[b"favor"] == b"how"
    assert table.schema.equals(TABLES["captions"].schema)


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])  # the names of parts depend on them
def test_a_table_of_earlier_runs_has_the_metadata_of_the_latest_of_them(numbers):
    root = f"memory://latest-{numbers[0]}/out"
    for hours, (number, how) in enumerate(zip(numbers, ("earlier", "later"), strict=True)):
        made = NOW + datetime.timedelta(hours=hours)
        Journal(root, {"favor": how}).write("captions", [dataclasses.replace(result(number), created_at=made)])
    journal = Journal(root, {"favor": "now"})
    build(journal, frozenset({"answers"}))
    found = {
        name: pq.read_schema(journal.storage.path(name, "part-00000.parquet"), filesystem=journal.storage.filesystem)
        for name in ("captions", "answers")
    }
    assert {name: schema.metadata[b"favor"] for name, schema in found.items()} == {
        "captions": b"later",
        "answers": b"now",
    }


def test_the_dataset_shows_the_last_attempt_and_forgets_what_was_mended(journal, tmp_path):
    journal.write("failures", [failure(), failure(uri="/b.mp4"), failure(uri="/c.mp4", start_ms=None, end_ms=None)])
    journal.write("failures", [failure(attempt=2, code="later")])
    journal.write("failures", [failure(uri="/b.mp4", code=RESOLVED)])
    build(journal, frozenset())
    rows = pq.read_table(tmp_path / "out" / "failures").to_pylist()
    assert [(row["uri"], row["attempt"], row["code"]) for row in rows] == [("/a.mp4", 2, "later"), ("/c.mp4", 1, "x")]


def test_a_smaller_dataset_leaves_no_old_files(journal, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.output.dataset.ROWS_PER_GROUP", 1)
    monkeypatch.setattr("pipeline.output.formats.ROWS_PER_FILE", 1)
    journal.write("captions", [result(1), result(2)])
    build(journal, frozenset({"captions"}))
    assert len(list((tmp_path / "out" / "captions").iterdir())) == 2
    monkeypatch.setattr("pipeline.output.formats.ROWS_PER_FILE", 10)
    build(journal, frozenset({"captions"}))
    assert [path.name for path in (tmp_path / "out" / "captions").iterdir()] == ["part-00000.parquet"]
    assert pq.read_table(tmp_path / "out" / "captions").num_rows == 2


def test_all_copies_in_a_process_are_one_journal(journal):
    copy = pickle.loads(pickle.dumps(journal))
    assert copy is journal
    assert copy.history() is journal.history()
    another = Journal(journal.storage.root)
    assert pickle.loads(pickle.dumps(another)) is another is not journal


def test_what_earlier_runs_left_is_read_once_in_each_process(journal):
    journal.write("captions", [result(1)])
    assert journal.history().done == {"r1"}
    journal.write("captions", [result(2)])
    assert journal.history().done == {"r1"}
    assert Journal(journal.storage.root).history().done == {"r1", "r2"}
    code = "import pickle, sys; print(sorted(pickle.load(sys.stdin.buffer).history().done))"
    told = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(journal), stdout=subprocess.PIPE).stdout
    assert told == b"['r1', 'r2']\n"


def test_a_journal_that_nobody_holds_is_forgotten(tmp_path):
    journal = Journal(str(tmp_path))
    pickled, gone = pickle.dumps(journal), weakref.ref(journal)
    del journal
    gc.collect()
    assert gone() is None
    assert pickle.loads(pickled).storage.root == str(tmp_path)
