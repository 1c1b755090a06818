import dataclasses
import datetime
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from favor.errors import FavorError
from favor.evaluation.metrics import WordErrors
from pipeline.output.dataset import build
from pipeline.output.directory import REPORT_FILE, RUN_FILE
from pipeline.output.journal import Journal
from pipeline.output.reader import open_output
from pipeline.output.schema import SCHEMA_VERSION
from pipeline.reporting.diff import SCHEMA, compare
from transforms.rows import RESOLVED, Failure, MediaRow, Result

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def result(number, text, **values):
    row = Result(
        f"r{number}", f"w{number}", "m", f"/{number:03d}.mp4", 0, 1000, "caption", "prompt", text, 1, "stop", -0.5,
        True, True, "favor-mini", "rev", NOW,
    )  # fmt: skip
    return dataclasses.replace(row, **values)


def failure(name, start_ms=None):
    window = None if start_ms is None else "w"
    end_ms = None if start_ms is None else start_ms + 1000
    return Failure("m", name, window, start_ms, end_ms, "decode", "x", "broken")


def media(name):
    return MediaRow(name, name, 1, "mp4", 1000, "h264", None, 1, 1, 0, 25.0, None, 1, None)


@pytest.fixture
def make(tmp_path):
    """A function that writes an output of some rows, and returns where."""

    def write(name, captions=(), failures=(), readable=(), speed=10.0, schema=SCHEMA_VERSION, **settings):
        journal = Journal(f"{tmp_path}/{name}")
        for table, rows in (("captions", captions), ("failures", failures), ("media", map(media, readable))):
            for row in rows:
                journal.write(table, [row])
        build(journal, frozenset({"captions"}))
        made = {"schema": schema, "labels": {}, "tables": {"captions": {"model": "favor-mini", **settings}}}
        journal.storage.write(json.dumps(made).encode(), RUN_FILE)
        report = {"windows": {"succeeded": len(captions)}, "times_real_time": speed}
        journal.storage.write(json.dumps(report).encode(), REPORT_FILE)
        return f"{tmp_path}/{name}"

    return write


def test_rows_are_joined_on_window_and_question(make):
    a = make("a", [result(1, "A red disc."), result(2, "two boats sail"), result(3, "gone")])
    b = make("b", [result(1, "A red disc."), result(2, "Two ships sail!"), result(4, "new")])
    taken = []
    found = compare(a, b, taken.append)
    captions = found.tables["captions"]
    assert (captions.equal, captions.changed, captions.only_a, captions.only_b) == (1, 1, 1, 1)
    assert captions.words == WordErrors(6, 1)  # "boats" became "ships"; case and "!" do not count
    rows = pa.concat_tables(taken)
    assert rows.schema == SCHEMA
    assert [(row["uri"], row["what"], row["text_a"], row["text_b"]) for row in rows.to_pylist()] == [
        ("/002.mp4", "changed", "two boats sail", "Two ships sail!"),
        ("/003.mp4", "only in A", "gone", None),
        ("/004.mp4", "only in B", None, "new"),
    ]
    assert found.different
    assert "1 equal, 1 changed, 1 only in A, 1 only in B; word error rate of B against A 16.67%" in str(found)
    assert "A: two boats sail" in str(found)


def test_windows_of_one_file_and_rows_of_one_manifest_are_told_apart(make):
    rows = [
        result(1, "first"),
        result(2, "second", uri="/001.mp4", start_ms=1000, end_ms=2000),
        result(3, "third", uri="/001.mp4", question_id="q1"),
        result(4, "fourth", uri="/001.mp4", entry_id="row4"),
    ]
    found = compare(make("a", rows), make("b", rows))
    assert found.tables["captions"].equal == 4
    assert not found.different


def test_of_a_file_that_has_changed_the_latest_row_counts(make):
    later = NOW + datetime.timedelta(hours=1)
    a = make("a", [result(1, "old"), result(2, "new", uri="/001.mp4", created_at=later)])
    assert compare(a, make("b", [result(1, "new")])).tables["captions"].equal == 1


def test_failures_are_new_mended_or_the_same(make):
    a = make("a", [result(1, "x")], [failure("/file"), failure("/mended"), failure("/film", 0), failure("/film", 1000)])
    b = make("b", [result(1, "x")], [failure("/file"), failure("/film", 1000), failure("/new")], ["/mended"])
    found = compare(a, b)
    assert found.failures == {"new": 1, "mended": 1, "same": 2, "not seen by B": 1}
    assert found.different


def test_settings_and_speed_are_told(make):
    a = make("a", [result(1, "x")], precision="float32")
    b = make("b", [result(1, "x")], precision="int8", speed=15.0)
    found = compare(a, b)
    assert found.settings == {"captions": {"precision": ("float32", "int8")}}
    assert "precision: float32 in A, int8 in B" in str(found)
    assert "10.0 and 15.0 seconds of video per second: 1.50 times" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["tables"]["captions"]["word_error_rate"] == 0


def test_a_run_that_did_nothing_has_no_speed(make):
    found = compare(make("a", [result(1, "x")]), make("b"))
    assert found.times_real_time == (10.0, None)
    assert found.tables["captions"].words.rate is None


def test_texts_without_a_word_are_counted(make):
    captions = compare(make("a", [result(1, "")]), make("b", [result(1, "a b")])).tables["captions"]
    assert captions.words == WordErrors(0, 2)
    assert captions.to_dict()["word_error_rate"] is None


def test_what_is_no_output_is_refused(make, tmp_path):
    a = make("a", [result(1, "x")])
    with pytest.raises(FavorError, match=f"nothing is no output.*{RUN_FILE}"):
        compare(a, f"{tmp_path}/nothing")
    with pytest.raises(FavorError, match="schema 99"):
        compare(a, make("b", [result(1, "x")], schema=99))


def test_an_output_without_parquet_tables_is_read_from_its_journal(make, tmp_path):
    a = make(
        "a", [result(1, "x")], [failure("/mended"), dataclasses.replace(failure("/mended"), attempt=2, code=RESOLVED)]
    )
    b = make("b", [result(1, "y")])
    for table in ("captions", "failures", "media"):
        shutil.rmtree(tmp_path / "a" / table)
    found = compare(a, b)
    assert found.tables["captions"].changed == 1
    assert not any(found.failures.values())


@pytest.mark.parametrize("names", [("0", "1"), ("1", "0")])
def test_in_the_journal_a_failure_is_resolved_whichever_part_is_read_first(make, tmp_path, names):
    a, b = make("a", [result(1, "x")]), make("b", [result(1, "x")])
    journal = Journal(str(tmp_path / "part"))
    for directory in (tmp_path / "a", tmp_path / "b"):
        shutil.rmtree(directory / "failures")
        for name, code in zip(names, ("x", RESOLVED), strict=True):
            journal.write("failures", [dataclasses.replace(failure("/film", 0), code=code)])
            (part,) = journal.parts("failures").files
            target = directory / "journal" / "failures" / f"{name}.parquet"
            target.parent.mkdir(exist_ok=True)
            shutil.move(part, target)
    assert not any(compare(a, b).failures.values())


OLD = Path(__file__).parents[2] / "data" / "outputs" / "schema-2"


@pytest.fixture
def later(tmp_path):
    """The same windows as in the output of schema 2, of another model: other ids, and another text in one of them."""
    journal = Journal(f"{tmp_path}/later")
    for row in open_output(str(OLD)).table("captions").to_table().to_pylist():
        text = "A bell rings." if row["start_ms"] else row["text"]
        changed = {"result_id": f"new {row['result_id']}", "window_id": f"new {row['window_id']}", "text": text}
        journal.write("captions", [Result(**{**row, **changed})])
    build(journal, frozenset({"captions"}))
    generation = {**open_output(str(OLD)).settings["captions"]["generation"], "max_new_tokens": 9}
    settings = {"model": "another", "model_revision": "1", "needs": {"size": 2}, "generation": generation}
    made = {"schema": SCHEMA_VERSION, "labels": {}, "tables": {"captions": settings}}
    journal.storage.write(json.dumps(made).encode(), RUN_FILE)
    return journal.storage.root


def test_an_output_of_schema_2_is_compared_with_a_new_one_window_by_window(later):
    taken = []
    found = compare(str(OLD), later, taken.append)
    captions, transcripts = found.tables["captions"], found.tables["transcripts"]
    assert (captions.equal, captions.changed, captions.different) == (2, 1, 1)
    assert (transcripts.only_a, transcripts.different) == (3, 3)
    (changed, *_) = pa.concat_tables(taken).to_pylist()
    assert (changed["uri"], changed["start_ms"], changed["what"]) == ("/films/shapes.mp4", 4000, "changed")
    assert changed["text_b"] == "A bell rings."
    assert found.settings == {
        "captions": {
            "model": ("favor-mini", "another"),
            "model_revision": ("0b4f7a1e7c97", "1"),
            "precision": ("auto, not quantized", None),
            "sampling": ("even frames of 128 px", None),
            "generation.max_new_tokens": (8, 9),
            "needs": (None, {"size": 2}),
        }
    }
    assert "           sampling: even frames of 128 px in A only\n" in str(found)
    assert "           generation.max_new_tokens: 8 in A, 9 in B\n" in str(found)
    assert found.failures == {"new": 0, "mended": 0, "same": 0, "not seen by B": 1}
