import json

import pytest

from favor.errors import FavorError
from pipeline.inputs import read_questions


def test_json_lines_and_csv_say_the_same(tmp_path):
    rows = [
        {"question_id": "a", "question": "What is it?"},
        {"question_id": "b", "question": "Who, if any?", "uri": "/x.mp4"},
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    (tmp_path / "q.csv").write_text('question_id,question,uri\na,What is it?,\nb,"Who, if any?",/x.mp4\n')
    lines = read_questions(str(tmp_path / "q.jsonl"))
    assert lines == read_questions(str(tmp_path / "q.csv"))
    assert [(q.question_id, q.text, q.uri) for q in lines] == [
        ("a", "What is it?", None),
        ("b", "Who, if any?", "/x.mp4"),
    ]


def test_a_relative_uri_means_the_file_that_the_tables_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.csv").write_text("question_id,question,uri\na,What?,film.mp4\n")
    assert read_questions("q.csv")[0].uri == str(tmp_path / "film.mp4")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.jsonl", '{"question_id": "a", "question": "x"}\nnot json\n', "line 2"),
        ("q.jsonl", '{"question_id": "a"}\n', "line 1: 'question' is missing or empty"),
        ("q.jsonl", "[1]\n", "line 1: must be a JSON object"),
        ("q.csv", "question_id,question\na,x\na,y\n", "line 3: question_id 'a' occurs twice"),
        ("q.csv", "id,text\na,x\n", "line 2: 'question_id' is missing"),
        ("q.csv", "question_id,question\n", "holds no questions"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(FavorError, match=message):
        read_questions(str(tmp_path / name))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FavorError, match=r"nothing\.csv"):
        read_questions(str(tmp_path / "nothing.csv"))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "q.csv").write_bytes(b"question_id,question\na,\xff\xfe\n")
    with pytest.raises(FavorError, match="line 2: 'question' is not UTF-8"):
        read_questions(str(tmp_path / "q.csv"))
