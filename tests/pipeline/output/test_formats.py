import dataclasses
import datetime
import json
import signal
import subprocess
import sys

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from favor.errors import FavorError
from pipeline.output.dataset import build
from pipeline.output.formats import Layout, check_partition
from pipeline.output.journal import Journal
from pipeline.output.schema import SCHEMA_VERSION
from transforms.rows import Result

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
KINDS = {"language": "str", "year": "int", "score": "float", "ok": "bool"}
LANGUAGES = ["de", None, "a/b=%ü", "", "de", "007", ".."]
CAPTIONS = frozenset({"captions"})


def result(number, **labels):
    return Result(
        f"r{number}", f"w{number}", "m", f"/{number:03d}.mp4", 0, 1000, "caption", "prompt", "text", 1, "stop", -0.5,
        True, True, "favor-mini", "rev", NOW, labels=tuple(labels.items()),
    )  # fmt: skip


@pytest.fixture
def journal(tmp_path):
    """Seven captions in as many languages, nearly."""
    journal = Journal(str(tmp_path / "out"), {"favor": "how"}, KINDS)
    rows = [result(number, language=language, year=number) for number, language in enumerate(LANGUAGES)]
    journal.write("captions", rows)
    return journal


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def tables(output):
    return [name for name in files(output) if not name.startswith("journal")]


def languages(rows):
    """The number of each row by its language; no language reads as an empty one."""
    return {(row.year, row.language or "") for row in rows.itertuples()}


WANTED = {(number, language or "") for number, language in enumerate(LANGUAGES)}


def test_partitions_are_read_by_pandas_and_duckdb(journal, tmp_path):
    assert build(journal, CAPTIONS, Layout(partition_by="language"))["captions"] == len(LANGUAGES)
    root = tmp_path / "out" / "captions"
    assert files(root) == sorted(
        f"language={value}/part-00000.parquet" for value in ("", "007", "..", "a%2Fb%3D%25%C3%BC", "de")
    )
    assert languages(pd.read_parquet(root)) == WANTED
    assert languages(duckdb.sql(f"SELECT * FROM '{root}/**/*.parquet'").df()) == WANTED
    parquet = pq.ParquetFile(root / "language=de" / "part-00000.parquet")
    assert parquet.schema_arrow.metadata[b"favor.schema"] == str(SCHEMA_VERSION).encode()
    assert parquet.read(["uri"])["uri"].to_pylist() == ["/000.mp4", "/004.mp4"]


@pytest.mark.parametrize("column", ["year", "ok"])
def test_other_types_make_partitions_too(journal, tmp_path, column):
    journal.write("captions", [result(10, ok=True), result(11, ok=False)])
    build(journal, CAPTIONS, Layout(partition_by=column))
    values = {path.name for path in (tmp_path / "out" / "captions").iterdir()}
    assert values == {f"{column}={value}" for value in (["", *range(7)] if column == "year" else ["", "false", "true"])}
    assert len(pd.read_parquet(tmp_path / "out" / "captions")) == 9


def test_large_partitions_have_several_files(journal, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.output.dataset.ROWS_PER_GROUP", 1)
    monkeypatch.setattr("pipeline.output.formats.ROWS_PER_FILE", 1)
    build(journal, CAPTIONS, Layout(partition_by="language"))
    root = tmp_path / "out" / "captions"
    assert files(root / "language=de") == ["part-00000.parquet", "part-00001.parquet"]
    assert len(pd.read_parquet(root)) == len(LANGUAGES)


def test_json_lines_say_what_parquet_says(journal, tmp_path):
    journal.write("captions", [dataclasses.replace(result(9, score=float("nan"), ok=True), text='"ü"\n\u2028')])
    build(journal, CAPTIONS, Layout(("parquet", "jsonl")))
    lines = tmp_path / "out" / "jsonl" / "captions" / "part-00000.jsonl"
    rows = [json.loads(line) for line in lines.read_text().split("\n")[:-1]]
    table = pq.read_table(tmp_path / "out" / "captions").to_pylist()
    assert rows == [{**row, "created_at": row["created_at"].isoformat(), "score": None} for row in table]
    assert pd.read_json(lines, lines=True).uri.tolist() == [row["uri"] for row in table]
    statement = Layout(("jsonl",)).how_to_read(f"{tmp_path}/out", "captions")["DuckDB"]
    assert duckdb.sql(statement).df().text.tolist() == [row["text"] for row in table]


def test_partitioned_json_lines(journal, tmp_path):
    layout = Layout(("jsonl",), "language")
    build(journal, CAPTIONS, layout)
    assert languages(duckdb.sql(layout.how_to_read(f"{tmp_path}/out", "captions")["DuckDB"]).df()) == WANTED


def test_another_layout_leaves_nothing_of_the_one_before(journal, tmp_path):
    for layout in (Layout(partition_by="language"), Layout(), Layout(("jsonl",)), Layout(("jsonl",), "year"), Layout()):
        build(journal, CAPTIONS, layout)
    assert tables(tmp_path / "out") == [f"{table}/part-00000.parquet" for table in ("captions", "failures", "media")]


def test_a_store_gets_whole_files():
    journal = Journal("memory://layouts/out", {}, KINDS)
    journal.write("captions", [result(1, language="de")])
    build(journal, CAPTIONS, Layout(("parquet", "jsonl"), "language"))
    assert journal.storage.list("captions", suffix=".parquet") == [
        "/layouts/out/captions/language=de/part-00000.parquet"
    ]
    assert b'"language": "de"' in journal.storage.read("jsonl", "captions", "language=de", "part-00000.jsonl")


def test_an_error_leaves_no_half_a_file(journal, tmp_path):
    build(journal, CAPTIONS)
    before = tables(tmp_path / "out")
    journal.write("captions", [result(20, language="x" * 300)])
    with pytest.raises(FavorError, match="too long for the name of a directory"):
        build(journal, CAPTIONS, Layout(partition_by="language"))
    assert not [name for name in files(tmp_path / "out") if "/." in name]
    build(journal, CAPTIONS)
    assert tables(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("column", "label_types", "message"),
    [
        ("year", {}, "there are: none, since there is no manifest"),
        ("yaer", {"year": "int", "id": "str"}, "'yaer': a column of a manifest is needed; there are: year, id"),
        ("score", {"score": "float"}, "needed is a column of text"),
        ("a b", {"a b": "str"}, "needed is a column of text"),
    ],
)
def test_columns_that_make_no_directories_are_refused(column, label_types, message):
    with pytest.raises(FavorError, match=message):
        check_partition(column, label_types)


def test_what_a_killed_run_has_left_of_a_table_is_removed(journal, tmp_path):
    root = tmp_path / "out" / "captions"
    code = (
        "import os; from pipeline.output.directory import OutputDirectory\n"
        f"with OutputDirectory({journal.storage.root!r}).writing('captions', 'part-00000.parquet'):\n"
        "    os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    assert len(files(root)) == 1
    (root / ".DS_Store").touch()
    build(journal, CAPTIONS)
    assert files(root) == [".DS_Store", "part-00000.parquet"]


def test_foreign_files_in_the_directory_of_a_table_stay(journal, tmp_path):
    film, listing = tmp_path / "out" / "media" / "film.mp4", tmp_path / "out" / "media" / "more" / "films.jsonl"
    for path in (film, listing):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("the user's")
    for layout in (Layout(), Layout(("jsonl",)), Layout(partition_by="language"), Layout()):
        build(journal, CAPTIONS, layout)
    assert film.read_text() == listing.read_text() == "the user's"
