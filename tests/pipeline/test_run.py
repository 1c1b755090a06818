"""What a run makes sure of before it begins."""

import dataclasses
import json
from pathlib import Path

import pytest

from favor.errors import FavorError
from favor.media.needs import ClipNeeds
from favor.media.sampling import SCENES, Windowing
from favor.models.base import GenerationOptions, ModelCard, TaskPrompts
from favor.models.placement import Placement
from pipeline.options import THIRTY_SECONDS, CorpusOptions, ModelOptions, OutputOptions, RunOptions
from pipeline.output.directory import REPORT_FILE, RUN_FILE, OutputDirectory
from pipeline.output.formats import Layout
from pipeline.output.schema import SCHEMA_VERSION
from pipeline.run import agreed, claim
from transforms.elements import Question
from transforms.rows import ANSWERS, CAPTIONS, TRANSCRIPTS

PART = f"{0:032x}.parquet"
CARD = ModelCard(
    name="favor-mini", revision="r1", trained=True, knows="much", needs=ClipNeeds(), prompts=TaskPrompts("What?")
)


@pytest.fixture
def output(tmp_path):
    return OutputDirectory(str(tmp_path / "out"))


def claimed(
    output,
    *tables,
    overwrite=False,
    labels=None,
    card=CARD,
    windowing=THIRTY_SECONDS,
    dtype="auto",
    beams=1,
    by=None,
):
    """Claims an output for a run that fills tables, and returns what is written there then."""
    questions = tuple(Question(table, "q", "What?") for table in tables)
    options = RunOptions(
        CorpusOptions(("films",), questions, windowing, labels=labels or {}),
        ModelOptions(card, Placement(dtype=dtype), GenerationOptions(num_beams=beams)),
        OutputOptions(output.root, Layout(partition_by=by)),
    )
    claim(output, *agreed(output, options, overwrite), overwrite)
    return json.loads(output.read(RUN_FILE))


def with_card(**changes):
    return dataclasses.replace(CARD, **changes)


def test_each_table_has_settings_of_its_own(output):
    claimed(output, CAPTIONS, labels={"year": "int"})
    written = claimed(output, TRANSCRIPTS, ANSWERS, card=with_card(name="another", revision="r2"))
    assert written["schema"] == SCHEMA_VERSION
    assert written["labels"] == {"year": "int"}
    assert {table: made["model"] for table, made in written["tables"].items()} == {
        "captions": "favor-mini",
        "transcripts": "another",
        "answers": "another",
    }
    assert set(written["tables"]["captions"]) == {
        *("model", "model_revision", "precision", "windows", "needs", "generation")
    }


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"card": with_card(revision="r2")}, "captions: model_revision 'r1', now 'r2'"),
        ({"dtype": "float16"}, "captions: precision 'auto, not quantized', now 'float16, not quantized'"),
        ({"card": with_card(needs=ClipNeeds(max_frames=4))}, "captions: needs.max_frames None, now 4"),
        ({"windowing": Windowing(audio_track=1)}, "captions: windows.audio_track None, now 1"),
        (
            {"windowing": Windowing(split=SCENES)},
            "windows.split 'fixed', now 'scenes'; .*windows.window_ms None, now 30000",
        ),
        ({"beams": 2}, "captions: generation.num_beams 1, now 2"),
    ],
)
def test_other_settings_are_not_mixed_into_a_table(output, changed, message):
    before = claimed(output, CAPTIONS)
    with pytest.raises(FavorError, match=message):
        claimed(output, CAPTIONS, TRANSCRIPTS, **changed)
    assert json.loads(output.read(RUN_FILE)) == before
    assert claimed(output, CAPTIONS, overwrite=True, **changed) != before


def test_windows_of_another_length_may_be_added(output):
    assert claimed(output, CAPTIONS) == claimed(output, CAPTIONS, windowing=Windowing(10_000))


@pytest.mark.parametrize(("made", "schema"), [({"model": "favor-mini"}, 1), ({"model": "m", "schema": 2}, 2)])
def test_a_run_does_not_go_on_in_an_output_of_an_older_version(output, made, schema):
    output.write(json.dumps(made).encode(), RUN_FILE)
    with pytest.raises(FavorError, match=f"written by an older favor, with tables of schema {schema}; status and diff"):
        claimed(output, CAPTIONS)
    assert json.loads(output.read(RUN_FILE)) == made
    assert claimed(output, CAPTIONS, overwrite=True)["schema"] == SCHEMA_VERSION


def test_what_is_refused_throws_nothing_away(output):
    before = claimed(output, CAPTIONS)
    output.write(b"rows", "journal", "captions", PART)
    with pytest.raises(FavorError, match="--partition-by 'year'"):
        claimed(output, CAPTIONS, overwrite=True, by="year")
    assert output.read("journal", "captions", PART) == b"rows"
    assert json.loads(output.read(RUN_FILE)) == before
    claimed(output, CAPTIONS, overwrite=True)
    assert output.read("journal", "captions", PART) is None


def test_starting_anew_leaves_no_table_of_before_but_what_is_not_ours(output):
    claimed(output, CAPTIONS)
    output.write(b"rows", TRANSCRIPTS, "part-00000.parquet")
    output.write(b"rows", "jsonl", TRANSCRIPTS, "part-00000.jsonl")
    output.write(b"rows", CAPTIONS, "year=1999", "part-00001.parquet")
    output.write(b"report", REPORT_FILE)
    foreign = [
        ("media", "film.mp4"),
        ("media", "list", "films.jsonl"),
        ("journal", "diary.txt"),
        (CAPTIONS, "b.parquet"),
    ]
    for names in foreign:
        output.write(b"the user's", *names)
    claimed(output, CAPTIONS, overwrite=True)
    left = {path.relative_to(output.root).parts for path in Path(output.root).rglob("*") if path.is_file()}
    assert left == {*foreign, (RUN_FILE,)}


def test_a_file_of_settings_that_is_no_json_is_named(output):
    output.write(b"{", RUN_FILE)
    with pytest.raises(FavorError, match=f"{RUN_FILE} is not JSON"):
        claimed(output, CAPTIONS)
