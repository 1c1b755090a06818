import datetime
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from favor.errors import FavorError
from pipeline.output.dataset import build
from pipeline.output.directory import PROGRESS_FILE, REPORT_FILE, RUN_FILE
from pipeline.output.formats import Layout
from pipeline.output.journal import Journal
from pipeline.output.reader import differences, open_output
from pipeline.output.schema import SCHEMA_VERSION
from pipeline.output.tables import TABLES
from transforms.rows import Result

OLD = Path(__file__).parents[2] / "data" / "outputs" / "schema-2"
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
LABELS = {"language": "str", "year": "int", "ok": "bool"}
MADE = {"schema": SCHEMA_VERSION, "labels": LABELS, "tables": {"captions": {"model": "favor-mini"}}}


def result(number, **labels):
    return Result(
        f"r{number}", f"w{number}", "m", f"/{number:03d}.mp4", 0, 1000, "caption", "prompt", "text", 1, "stop", -0.5,
        True, True, "favor-mini", "rev", NOW, labels=tuple(labels.items()),
    )  # fmt: skip


@pytest.fixture
def journal(tmp_path):
    """Two captions, below a directory that is called as partitions are."""
    journal = Journal(f"{tmp_path}/year=7/out", {}, LABELS)
    journal.storage.write(json.dumps(MADE).encode(), RUN_FILE)
    journal.write("captions", [result(1, language="a/b=\u00fc", year=1999, ok=True), result(2)])
    return journal


def labels(journal):
    rows = open_output(journal.storage.root).table("captions").to_table().sort_by("uri").to_pylist()
    return [(row["language"], row["year"], row["ok"]) for row in rows]


def test_settings_labels_and_tables(journal):
    output = open_output(journal.storage.root + "/")
    assert output.settings == MADE["tables"]
    assert output.label_types == LABELS
    assert output.tables() == ("captions",)
    assert output.report() is None
    build(journal, frozenset({"captions"}))
    assert output.tables() == ("captions", "media", "failures")
    assert output.table("answers").to_table().num_rows == 0


@pytest.mark.parametrize("column", [None, *LABELS])
def test_a_table_is_read_whatever_its_layout(journal, column):
    wanted = [("a/b=\u00fc", 1999, True), (None, None, None)]
    assert labels(journal) == wanted  # from the journal
    build(journal, frozenset({"captions"}), Layout(("jsonl",)))
    assert labels(journal) == wanted
    build(journal, frozenset({"captions"}), Layout(partition_by=column))
    assert labels(journal) == wanted


def test_the_tables_come_before_the_journal(journal):
    build(journal, frozenset({"captions"}))
    journal.write("captions", [result(3)])
    assert len(labels(journal)) == 2


def test_an_object_store_is_read_too():
    journal = Journal("memory://reader/out", {}, LABELS)
    journal.storage.write(json.dumps(MADE).encode(), RUN_FILE)
    journal.write("captions", [result(1, language="de")])
    assert labels(journal) == [("de", None, None)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, f"is no output of favor caption, qa or transcribe: it holds no {RUN_FILE}"),
        ("{", f"/{RUN_FILE} is not JSON"),
        ("[1]", f"/{RUN_FILE} holds no JSON object"),
        (json.dumps({"schema": SCHEMA_VERSION + 1}), "Install a newer favor"),
    ],
)
def test_what_is_no_output_is_refused_in_one_line(tmp_path, content, message):
    if content is not None:
        (tmp_path / RUN_FILE).write_text(content)
    with pytest.raises(FavorError, match=message) as refused:
        open_output(str(tmp_path))
    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_run_that_has_left_no_word_is_refused(journal):
    with pytest.raises(FavorError, match=PROGRESS_FILE):
        open_output(journal.storage.root).heartbeat()
    journal.storage.write(b"", REPORT_FILE)
    with pytest.raises(FavorError, match=f"{REPORT_FILE} is not JSON"):
        open_output(journal.storage.root).report()


def test_settings_inside_of_others_are_compared_one_by_one():
    before = {"model": "a", "generation": {"seed": 0, "top_k": 5}, "sampling": "even"}
    after = {"model": "a", "generation": {"seed": 1, "top_k": 5}, "needs": {"size": 2}}
    assert list(differences(before, after)) == [
        ("generation.seed", 0, 1),
        ("sampling", "even", None),
        ("needs", None, {"size": 2}),
    ]


def test_an_output_of_schema_2_is_read():
    output = open_output(str(OLD))
    assert output.tables() == ("captions", "transcripts", "media", "failures")
    assert output.settings["captions"] == output.settings["transcripts"]
    assert output.settings["captions"]["model"] == "favor-mini"
    assert output.settings["captions"]["generation"]["max_new_tokens"] == 8
    rows = output.table("captions").to_table().to_pylist()
    assert [(row["uri"], row["start_ms"], row["end_ms"]) for row in rows] == [
        ("/films/shapes.mp4", 0, 4000),
        ("/films/shapes.mp4", 4000, 4625),
        ("/films/speech.mp4", 0, 2084),
    ]
    assert output.heartbeat().counts["windows_succeeded"] == 3
    assert output.report()["times_real_time"] > 0


@pytest.fixture
def schema_1(tmp_path):
    """The same output as version 1 would have left it: fewer columns, and a bare ``run.json``."""
    root = tmp_path / "schema-1"
    shutil.copytree(OLD, root)
    made = json.loads((root / RUN_FILE).read_text())
    (root / RUN_FILE).write_text(json.dumps({key: made[key] for key in made if key not in ("schema", "labels")}))
    for path in root.rglob("*.parquet"):
        rows = pq.read_table(path)
        later = {"failures": {"created_at", "entry_id"}}.get(path.parent.name, {"frames", "entry_id"})
        pq.write_table(rows.drop_columns(sorted(later & set(rows.column_names))), path)
    return root


def test_an_output_of_schema_1_is_read(schema_1):
    output = open_output(str(schema_1))
    rows = output.table("captions").to_table()
    assert rows.schema.equals(TABLES["captions"].schema)
    assert rows["frames"].null_count == rows.num_rows == 3
    assert output.table("failures").to_table()["created_at"].type == pa.timestamp("us", "UTC")
    assert output.settings["captions"]["model"] == "favor-mini"
