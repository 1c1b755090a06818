"""Runs over manifests and parts of a corpus, on real files."""

import json
import shutil

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from favor.media.corpus import manifests
from jobs.main import main

SHORT = ["--max-new-tokens", "4", "--window-seconds", "1"]


def favor(*arguments, status=0):
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == status, result.output
    return result.output


def table(output, name):
    return pd.read_parquet(output / name)


@pytest.fixture(scope="module")
def films(tmp_path_factory, write_clip):
    """A film of three seconds, a sound, and a manifest of both, of parts of the film, and of a file that is missing."""
    root = tmp_path_factory.mktemp("films")
    write_clip(root / "film.mp4", 3, audio=None)
    write_clip(root / "tone.wav", 1, video=None, audio="pcm_s16le", layout="mono")
    rows = [
        {"uri": "film.mp4", "id": "first", "start": 0.5, "end": 1.25, "language": "de", "year": 1927, "score": 0.5},
        {"uri": "film.mp4", "id": "second", "start": 1, "prompt": "Who is this?", "silent": True, "year": 1927},
        {"uri": "film.mp4", "id": "second", "start": 1, "prompt": "Who is this?", "silent": True, "year": 1927},
        {"uri": "tone.wav"},
        {"uri": "gone.mp4", "id": "gone", "year": 1930},
    ]
    (root / "all.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return root


@pytest.fixture(scope="module")
def captioned(films, tmp_path_factory):
    output = tmp_path_factory.mktemp("captioned") / "out"
    return output, favor("caption", films / "all.jsonl", "-o", output, *SHORT)


def test_spans_ids_and_labels_are_in_every_table(captioned, films):
    output, printed = captioned
    rows = table(output, "captions")
    found = [(row.uri, row.start_ms, row.end_ms, row.id, row.year, row.score) for row in rows.itertuples()]
    assert [row[:5] for row in found[:3]] == [
        (f"{films}/film.mp4", 500, 1250, "first", 1927),
        (f"{films}/film.mp4", 1000, 2000, "second", 1927),
        (f"{films}/film.mp4", 2000, 3000, "second", 1927),
    ]
    assert list(rows.prompt) == ["Describe what is seen and heard.", *["Who is this?"] * 2, rows.prompt[0]]
    assert rows.result_id.is_unique
    assert rows.entry_id.notna().tolist() == [True, True, True, False]
    assert sorted(table(output, "media").id.fillna("")) == ["", "first", "second"]
    assert table(output, "failures")[["id", "year", "code", "stage"]].to_numpy().tolist() == [
        ["gone", 1930, "not_found", "list"]
    ]
    assert "files      4: 3 readable, 1 failed" in printed
    schema = pq.read_schema(output / "captions" / "part-00000.parquet")
    assert [str(schema.field(name).type) for name in ("id", "language", "score", "silent", "year")] == [
        "string",
        "string",
        "double",
        "bool",
        "int64",
    ]
    assert duckdb.sql(f"SELECT count(*) FROM '{output}/captions/*.parquet' WHERE year < 1930").fetchall() == [(3,)]


def test_another_layout_takes_no_new_work(captioned, films, tmp_path):
    shutil.copytree(captioned[0], tmp_path / "out")
    options = ["--format", "parquet,jsonl", "--partition-by", "year"]
    printed = favor("caption", films / "all.jsonl", "-o", tmp_path / "out", *options, *SHORT)
    assert "0 succeeded" in printed
    statement = printed.split("DuckDB ")[1].split("\n")[0]
    years = duckdb.sql(statement).df().year.tolist()
    assert sorted(years) == ["", "1927", "1927", "1927"]
    assert sorted(path.name for path in (tmp_path / "out" / "jsonl" / "failures").iterdir()) == ["year=1930"]


def test_a_second_run_does_nothing_again(captioned, films):
    output, _ = captioned
    printed = favor("caption", films / "all.jsonl", "-o", output, *SHORT)
    assert "windows    4: 0 succeeded, 0 failed, 4 skipped" in printed


def test_an_output_remembers_its_columns(films, tmp_path):
    film = films / "film.mp4"
    (tmp_path / "m.csv").write_text(f"uri,end,title\n{film},1,Metropolis\n")
    favor("caption", tmp_path / "m.csv", "-o", tmp_path / "out", *SHORT)
    favor("caption", film, "-o", tmp_path / "out", "--limit", 1, *SHORT)
    assert table(tmp_path / "out", "captions").title.value_counts(dropna=False).tolist() == [3, 1]
    (tmp_path / "m.jsonl").write_text(json.dumps({"uri": str(film), "title": 3}))
    printed = favor("caption", tmp_path / "m.jsonl", "-o", tmp_path / "out", *SHORT, status=1)
    assert "the column 'title' is int, but str elsewhere" in printed


def test_a_long_manifest_is_streamed_and_its_bad_rows_are_told(films, tmp_path, monkeypatch):
    monkeypatch.setattr(manifests, "HEAD_ROWS", 1)
    (tmp_path / "m.csv").write_text(f"uri,end\n{films}/film.mp4,1\n{films}/film.mp4,soon\n{films}/tone.wav,1\n")
    printed = favor("caption", tmp_path / "m.csv", "-o", tmp_path / "out", *SHORT)
    assert "files      3: 2 readable, 1 failed" in printed
    assert "windows    2: 2 succeeded, 0 failed, 0 skipped" in printed
    (row,) = table(tmp_path / "out", "failures").itertuples()
    assert (row.uri, row.stage, row.code) == (f"{tmp_path}/m.csv#3", "list", "bad_manifest_row")
    assert "m.csv, line 3: 'end' is 'soon'" in row.message


def test_languages_in_prompts(films, tmp_path):
    (tmp_path / "m.csv").write_text(f"uri,end,language\n{films}/film.mp4,1,German\n")
    favor("qa", tmp_path / "m.csv", "-o", tmp_path / "out", "--question", "Is this {language}?", *SHORT)
    assert table(tmp_path / "out", "answers").prompt.tolist() == ["Is this German?"]


def test_a_part_of_a_corpus(films, tmp_path):
    printed = favor("caption", films / "*.*", "-o", tmp_path, "--exclude", "*.jsonl", "--exclude", "*.wav", *SHORT)
    assert "files      1: 1 readable, 0 failed" in printed
    assert "left out   2 files, by --exclude or --sample" in printed
