import datetime
import json

import pandas as pd
import pytest

from favor.errors import FavorError
from favor.media.corpus import manifests
from favor.media.corpus.files import WHOLE_FILE, Entry, NamedFile
from favor.media.corpus.manifests import is_manifest, read_head, read_manifest


def write(path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return str(path)


def entries(path):
    return [item.entry for item in read_manifest(path, read_head(path).label_types)]


def test_a_manifest_is_known_by_its_suffix():
    assert is_manifest("gs://bucket/films.JSONL")
    assert is_manifest("zip://films.csv::gs://bucket/a.zip")
    assert not is_manifest("films")
    assert not is_manifest("films/a.mp4")


def test_the_columns_of_a_row(tmp_path):
    row = {"uri": "a.mp4", "start": 1.5, "end": "7/2", "prompt": "Why?", "id": 7, "language": "de", "year": 1927}
    path = write(tmp_path / "m.jsonl", row, {"uri": "/b.mp4"})
    assert list(read_manifest(path, read_head(path).label_types)) == [
        NamedFile(
            f"{tmp_path}/a.mp4",
            Entry(1500, 3500, "Why?", (("id", "7"), ("language", "de"), ("year", 1927))),
            f"{path}#1",
        ),
        NamedFile("/b.mp4", WHOLE_FILE, f"{path}#2"),
    ]


@pytest.mark.parametrize(
    ("manifest", "uri", "resolved"),
    [
        ("/films/m.csv", "a/b.mp4", "/films/a/b.mp4"),
        ("/films/m.csv", "../b.mp4", "/b.mp4"),
        ("/films/m.csv", "/b.mp4", "/b.mp4"),
        ("/films/m.csv", "gs://bucket/b.mp4", "gs://bucket/b.mp4"),
        ("gs://bucket/films/m.csv", "a/b.mp4", "gs://bucket/films/a/b.mp4"),
        ("gs://bucket/films/m.csv", "../b.mp4", "gs://bucket/b.mp4"),
        ("gs://bucket/films/m.csv", "/b.mp4", "/b.mp4"),
        ("zip://in/m.csv::gs://bucket/a.zip", "b.mp4", "zip://in/b.mp4::gs://bucket/a.zip"),
        ("simplecache::gs://bucket/in/m.csv", "b.mp4", "simplecache::gs://bucket/in/b.mp4"),
    ],
)
def test_relative_names_start_at_the_manifests_directory(manifest, uri, resolved):
    assert manifests._resolved(uri, manifest) == resolved


def test_a_manifest_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "m.jsonl", {"uri": "a.mp4"})
    assert [item.uri for item in read_manifest("m.jsonl", {})] == [f"{tmp_path}/a.mp4"]


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [(0, 0), (12, 12000), ("12.", 12000), (".5", 500), (0.0014, 1), ("1/3", 333), (1e-5, 0), (2.0015, 2002)],
)
def test_seconds_are_rounded_to_milliseconds(tmp_path, seconds, milliseconds):
    path = write(tmp_path / "m.jsonl", {"uri": "a", "start": seconds})
    assert entries(path)[0].start_ms == milliseconds


def test_labels_have_the_types_of_their_files(tmp_path):
    rows = [
        {"uri": "a", "n": 1, "x": 1, "ok": True, "t": "x", "nothing": None},
        {"uri": "b", "n": 2, "x": 0.5, "ok": None, "t": "", "nothing": None},
    ]
    label_types = {"n": "int", "nothing": "str", "ok": "bool", "t": "str", "x": "float"}
    path = write(tmp_path / "m.jsonl", *rows)
    assert read_head(path).label_types == label_types
    labels = [dict(entry.labels) for entry in entries(path)]
    assert labels == [{"n": 1, "x": 1.0, "ok": True, "t": "x"}, {"n": 2, "x": 0.5, "t": ""}]
    assert isinstance(labels[0]["x"], float)
    table = pd.DataFrame(rows).astype({"n": "int32", "x": "float32", "ok": "boolean", "t": "category"})
    table.to_parquet(tmp_path / "m.parquet")
    assert read_head(str(tmp_path / "m.parquet")).label_types == label_types
    assert [dict(entry.labels) for entry in entries(str(tmp_path / "m.parquet"))] == labels
    table.to_csv(tmp_path / "m.csv", index=False)
    assert read_head(str(tmp_path / "m.csv")).label_types == dict.fromkeys(label_types, "str")
    assert dict(entries(str(tmp_path / "m.csv"))[0].labels) == {"n": "1", "x": "1.0", "ok": "True", "t": "x"}


GOOD = {"uri": "a", "n": 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "it must be a JSON object in one line"),
        ({"n": 2}, "'uri' is missing, empty"),
        ({"uri": "a\0b"}, "'uri' is missing, empty or invalid"),
        ({"uri": 3}, "'uri' is 3, a int; it must be text"),
        ({"uri": "b", "start": "soon"}, "'start' is 'soon'; it must be seconds"),
        ({"uri": "b", "start": "1e999999999"}, "it must be seconds"),
        ({"uri": "b", "start": -1}, "'start' is -1; it must be seconds"),
        ({"uri": "b", "end": True}, "'end' is True; it must be seconds"),
        ({"uri": "b", "end": float("nan")}, "'end' is nan; it must be seconds"),
        ({"uri": "b", "end": "1/0"}, "'end' is '1/0'; it must be seconds"),
        ({"uri": "b", "start": 5, "end": 5}, "'end' is 5, which is not after 'start', 5"),
        ({"uri": "b", "end": 0.0001}, "'end' is 0.0001, which is not after 'start', 0"),
        ({"uri": "b", "prompt": ["x"]}, r"'prompt' is \['x'\], a list; it must be text"),
        ({"uri": "b", "language": 3}, "'language' is 3, a int; it must be text"),
        ({"uri": "b", "n": "many"}, "'n' is 'many'"),
        ({"uri": "b", "n": [1]}, r"'n' is \[1\]"),
        ({"uri": "b", "n": 1 << 63}, "'n' is 9223372036854775808, which takes more than 64 bits"),
    ],
)
def test_a_bad_row_stops_a_run_at_its_head_and_nothing_later(tmp_path, monkeypatch, row, message):
    with pytest.raises(FavorError, match=f"m.jsonl, line 2: .*{message}"):
        read_head(write(tmp_path / "m.jsonl", GOOD, row, GOOD))
    monkeypatch.setattr(manifests, "HEAD_ROWS", 1)
    path = write(tmp_path / "m.jsonl", GOOD, row, {"uri": "c"})
    head = read_head(path)
    assert not head.whole
    first, bad, last = read_manifest(path, head.label_types)
    assert (first.uri, last.uri) == (f"{tmp_path}/a", f"{tmp_path}/c")
    assert (bad.uri, bad.error.code) == (f"{path}#2", "bad_manifest_row")
    assert f"{path}, line 2: " in str(bad.error)


def test_a_column_that_comes_late_is_no_label(tmp_path, monkeypatch):
    monkeypatch.setattr(manifests, "HEAD_ROWS", 1)
    path = write(tmp_path / "m.jsonl", GOOD, {"uri": "b", "late": 1})
    _, bad = read_manifest(path, read_head(path).label_types)
    assert "the column 'late' is in none of the first" in str(bad.error)


@pytest.mark.parametrize("value", [datetime.date(2026, 1, 1), [1, 2], {"a": 1}, b"x"])
def test_labels_of_other_types_are_refused(tmp_path, value):
    pd.DataFrame({"uri": ["a"], "label": [value]}).to_parquet(tmp_path / "m.parquet")
    with pytest.raises(FavorError, match=r"m\.parquet: column 'label' is .*; labels are text, numbers or booleans"):
        read_head(str(tmp_path / "m.parquet"))


def test_an_empty_manifest_is_refused(tmp_path):
    with pytest.raises(FavorError, match="has no rows"):
        read_head(write(tmp_path / "m.csv", "uri,start"))
