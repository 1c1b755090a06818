"""The commands, run as a user runs them, on real files."""

import json
import os
import re
import shutil
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from favor.media.decode import read_clip
from favor.models.base import GenerationOptions
from favor.models.favor.model import FavorModel
from jobs.main import main

SHORT = ["--max-new-tokens", "8"]


def favor(*arguments, status=0):
    """Runs a command in this process and returns what it printed."""
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == status, result.output
    return result.output


def table(output, name):
    return pd.read_parquet(output / name)


@pytest.fixture(scope="module")
def archive(tmp_path_factory, write_clip):
    """Two good clips (of 2.5 s and 1 s), a sound, and four broken things."""
    root = tmp_path_factory.mktemp("archive")
    write_clip(root / "film.mp4", 2.5)
    write_clip(root / "silent.mkv", 1, audio=None)
    whole = (root / "film.mp4").read_bytes()
    (root / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    (root / "empty.mp4").write_bytes(b"")
    (root / "noise.mkv").write_bytes(np.random.default_rng(0).bytes(5000))
    (root / "x.mp4").mkdir()
    return root


@pytest.fixture(scope="module")
def captioned(archive, tmp_path_factory):
    """The output of a run over the archive with windows of a second, and what it printed."""
    output = tmp_path_factory.mktemp("captioned") / "out"
    printed = favor("caption", archive, "-o", output, "--window-seconds", 1, "--transcribe", *SHORT)
    return output, printed


def test_every_window_has_a_row_with_its_true_span(captioned, archive):
    rows = table(captioned[0], "captions")
    assert list(zip(rows.uri, rows.start_ms, rows.end_ms, strict=True)) == [
        (f"{archive}/film.mp4", 0, 1000),
        (f"{archive}/film.mp4", 1000, 2000),
        (f"{archive}/film.mp4", 2000, rows.end_ms[2]),
        (f"{archive}/silent.mkv", 0, 1000),
    ]
    assert 2500 <= rows.end_ms[2] <= 2600  # AAC fills its last frame up
    assert list(rows.has_audio) == [True, True, True, False]
    assert rows.has_video.all()
    assert rows.tokens.between(1, 8).all()
    assert rows.result_id.is_unique


def test_a_window_without_sound_is_not_transcribed(captioned):
    rows = table(captioned[0], "transcripts")
    assert set(rows.finish_reason[:3]) <= {"stop", "length"}
    assert rows.finish_reason[3] == "no_audio"
    assert rows.text[3] == ""


def test_what_is_broken_is_told_and_stops_nothing(captioned, archive):
    rows = table(captioned[0], "failures").set_index("uri")
    codes = {uri.removeprefix(f"{archive}/"): code for uri, code in rows.code.items()}
    assert codes == {
        "truncated.mp4": "damaged",
        "empty.mp4": "empty_file",
        "noise.mkv": "damaged",
        "x.mp4": "directory",
    }
    for uri, row in rows.iterrows():
        assert uri in row.message
        assert row.attempt == 1


def test_the_media_table_describes_the_readable_files(captioned):
    rows = table(captioned[0], "media")
    assert list(rows.windows) == [3, 1]
    assert list(rows.video_codec) == ["h264", "h264"]
    assert rows.audio_codec.isna().tolist() == [False, True]


def test_the_summary_adds_up(captioned):
    _, printed = captioned
    assert "files      6: 2 readable, 4 failed" in printed
    assert "windows    4: 4 succeeded, 0 failed, 0 skipped" in printed
    assert "pandas.read_parquet" in printed
    assert "SELECT * FROM" in printed


def test_the_report_accounts_for_time_and_bytes(captioned, archive):
    output, printed = captioned
    report = json.loads((output / "run_report.json").read_text())
    assert f"verdict    {report['verdict']}" in printed
    assert report["windows"] == {"planned": 4, "succeeded": 4, "failed": 0, "skipped": 0, "failed_before": 0}
    assert report["rows"] == {"captions": 4, "transcripts": 4, "media": 2, "failures": 4}
    spent = report["stage_seconds"]
    assert all(spent.values()), spent
    bundle = spent["encode"] + spent["generate"] + report["waiting_seconds"]["model_for_windows"]
    assert bundle + spent["list"] + spent["probe"] + spent["load"] + spent["tables"] <= report["seconds"]
    readable = sum((archive / name).stat().st_size for name in ("film.mp4", "silent.mkv"))
    assert report["bytes"]["files"] == readable
    assert report["bytes"]["read"] >= readable
    assert report["options"]["corpus"]["windowing"]["window_ms"] == 1000
    assert "torch" in report["versions"]
    assert report["machine"]["cores"] == os.cpu_count()


def test_the_status_of_a_run_can_be_had_without_torch(captioned):
    output, _ = captioned
    told = json.loads(favor("status", output, "--json", "--watch"))
    assert told["progress"]["state"] == "done"
    assert told["windows_left"] == 0
    assert "windows    4 of 4 (100%): 4 succeeded" in favor("status", output)
    imports = "import sys, pipeline.reporting.status, jobs.output.status"
    check = f"{imports}; assert not {{'torch', 'apache_beam'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_the_status_of_something_else_is_an_error(archive):
    assert "run.json" in favor("status", archive, status=1)


def test_a_run_compared_with_itself_is_the_same(captioned, tmp_path):
    output, _ = captioned
    told = favor("diff", output, output, "--exit-code", "--output", tmp_path / "changed.jsonl")
    assert "transcripts 4 equal, 0 changed" in told
    assert (tmp_path / "changed.jsonl").read_text() == ""


def test_a_difference_and_trouble_have_their_own_status(captioned, archive, tmp_path):
    output, _ = captioned
    other = shutil.copytree(output, tmp_path / "other")
    rows = pq.read_table(other / "captions")
    texts = ["another text", *rows["text"].to_pylist()[1:]]
    changed = rows.set_column(rows.schema.get_field_index("text"), "text", [texts])
    pq.write_table(changed, other / "captions" / "part-00000.parquet")
    told = favor("diff", output, other, "--exit-code", "--json", "-o", tmp_path / "changed.parquet", status=1)
    assert json.loads(told)["tables"]["captions"]["changed"] == 1
    assert pq.read_table(tmp_path / "changed.parquet")["text_b"].to_pylist() == ["another text"]
    assert "run.json" in favor("diff", output, archive, "--exit-code", status=2)


def test_a_plan_foretells_the_run(captioned, archive):
    how = ["--window-seconds", 1, *SHORT, "--price-per-hour", 2, "--currency", "EUR"]
    told = json.loads(favor("plan", archive, *how, "--json"))
    report = json.loads((captioned[0] / "run_report.json").read_text())
    assert told["corpus"]["windows"] == report["windows"]["planned"]
    assert told["corpus"]["files_failed"] == report["files"]["failed"] + report["files"]["failed_before"]
    prediction = told["prediction"]
    assert prediction["costs"]["windows"] == 4
    assert min(prediction["costs"].values()) > 0
    assert prediction["money"] == pytest.approx(prediction["forecast"]["seconds"] / 1800)


def test_a_plan_without_the_model_needs_no_torch(archive):
    arguments = [str(archive), "--no-calibrate", "--window-seconds", "1"]
    check = f"import sys; from jobs.main import main; main(['plan', *{arguments}], standalone_mode=False)"
    told = subprocess.run(
        [sys.executable, "-c", f"{check}; assert 'torch' not in sys.modules"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert "files      6: 2 readable, 4 failed" in told.stdout
    assert "windows    4" in told.stdout
    assert "empty_file: " in told.stdout


def test_the_tables_say_how_they_were_made(captioned):
    metadata = pq.read_schema(captioned[0] / "captions" / "part-00000.parquet").metadata
    assert json.loads(metadata[b"favor"])["corpus"]["windowing"]["window_ms"] == 1000
    assert "torch" in json.loads(metadata[b"favor.versions"])


def test_duckdb_reads_the_tables(captioned):
    statement = re.search(r"SELECT .*", captioned[1])[0]
    assert len(duckdb.sql(statement).fetchall()) == 4


def test_a_second_run_does_nothing_again(captioned, archive):
    output, _ = captioned
    before = table(output, "captions")
    printed = favor("caption", archive, "-o", output, "--window-seconds", 1, "--transcribe", *SHORT)
    assert "windows    4: 0 succeeded, 0 failed, 4 skipped" in printed
    pd.testing.assert_frame_equal(table(output, "captions"), before)
    assert (table(output, "failures").attempt == 1).all()


def test_other_settings_are_not_mixed_in(captioned, archive):
    printed = favor("caption", archive, "-o", captioned[0], "--max-new-tokens", 9, status=1)
    assert "--overwrite" in printed
    assert "max_new_tokens" in printed


@pytest.mark.numeric
def test_the_text_does_not_depend_on_the_run_or_the_batch(captioned, archive, tmp_path, leads):
    model = FavorModel.from_pretrained("favor-mini", device="cpu")
    for row in table(captioned[0], "captions").itertuples():
        clip = read_clip(row.uri, row.start_ms / 1000, row.end_ms / 1000, model.card.needs)
        (answer,) = model.answer([clip], [row.prompt], GenerationOptions(max_new_tokens=8))
        assert answer.text == row.text
        assert leads(model, clip, row.prompt, answer.token_ids).min() > 0.01  # so that rounding does not choose others
    for size in (1, 8):
        favor("caption", archive, "-o", tmp_path / str(size), "--window-seconds", 1, "--batch-size", size, *SHORT)
        assert list(table(tmp_path / str(size), "captions").text) == list(table(captioned[0], "captions").text)


def test_two_workers_do_what_one_does(captioned, archive, tmp_path):
    printed = favor("caption", archive, "-o", tmp_path, "--window-seconds", 1, "--workers", 2, *SHORT)
    assert "windows    4: 4 succeeded, 0 failed, 0 skipped" in printed
    assert "files      6: 2 readable, 4 failed" in printed
    assert list(table(tmp_path, "captions").result_id) == list(table(captioned[0], "captions").result_id)
    report = json.loads((tmp_path / "run_report.json").read_text())
    assert all(report["stage_seconds"].values())
    assert report["bytes"]["files"] == json.loads((captioned[0] / "run_report.json").read_text())["bytes"]["files"]


def test_windows_are_cut_at_scenes_and_not_done_again(film_with_cuts, tmp_path):
    film, windows = film_with_cuts
    command = ("caption", film, "-o", tmp_path, "--window-seconds", 1, "--max-new-tokens", 1)
    favor(*command, "--split", "scenes")
    rows = table(tmp_path, "captions")
    assert list(zip(rows.start_ms, rows.end_ms, strict=True)) == windows
    assert "windows    6: 0 succeeded, 0 failed, 6 skipped" in favor(*command, "--split", "scenes")
    assert "captions: windows.split 'scenes', now 'fixed'" in favor(*command, status=1)


def test_a_missing_extra_is_told_with_the_remedy(film_with_cuts, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "scenedetect", None)
    printed = favor("caption", film_with_cuts[0], "-o", tmp_path, "--split", "scenes", status=1)
    assert "pip install '.[scenes]'" in printed


def test_questions_for_all_files_and_for_one(archive, tmp_path):
    (tmp_path / "q.jsonl").write_text(
        json.dumps({"question_id": "what", "question": "What?"})
        + "\n"
        + json.dumps({"question_id": "who", "question": "Who?", "uri": f"{archive}/silent.mkv"})
    )
    favor("qa", archive, "-o", tmp_path / "out", "--questions", tmp_path / "q.jsonl", "--question", "Why?", *SHORT)
    rows = table(tmp_path / "out", "answers")
    asked = [(uri.rsplit("/")[-1], question) for uri, question in zip(rows.uri, rows.question_id, strict=True)]
    assert asked == [
        ("film.mp4", "q1"),
        ("film.mp4", "what"),
        ("silent.mkv", "q1"),
        ("silent.mkv", "what"),
        ("silent.mkv", "who"),
    ]
    assert not (tmp_path / "out" / "captions").exists()


def test_a_later_question_is_added_to_the_same_output(archive, tmp_path):
    film = archive / "film.mp4"
    favor("caption", film, "-o", tmp_path, *SHORT)
    printed = favor("qa", film, "-o", tmp_path, "--question", "Why?", *SHORT)
    assert "captions/ (1) answers/ (1)" in printed


def test_two_models_fill_two_tables_of_one_output(archive, untrained_folder, tmp_path):
    film, other = archive / "film.mp4", ["--model", untrained_folder]
    favor("caption", film, "-o", tmp_path, *SHORT)
    favor("transcribe", film, "-o", tmp_path, *other, "--max-new-tokens", 2)
    captions, transcripts = table(tmp_path, "captions"), table(tmp_path, "transcripts")
    assert list(captions.window_id) == list(transcripts.window_id)
    assert (set(captions.model), set(transcripts.model)) == ({"favor-mini"}, {str(untrained_folder)})
    notes = [pq.read_schema(tmp_path / name / "part-00000.parquet").metadata for name in ("captions", "transcripts")]
    assert [json.loads(note[b"favor"])["model"]["card"]["trained"] for note in notes] == [True, False]
    assert "transcripts: generation.max_new_tokens 2, now 8" in favor(
        "transcribe", film, "-o", tmp_path, *other, *SHORT, status=1
    )


def test_sounds_and_pictures_are_media_too(tmp_path, write_clip):
    write_clip(tmp_path / "tone.wav", 1.5, video=None, audio="pcm_s16le", sample_rate=8000, layout="mono")
    write_clip(tmp_path / "still.png", 0.1, video="png", audio=None, format="image2")
    favor("caption", tmp_path, "-o", tmp_path / "out", *SHORT)
    rows = table(tmp_path / "out", "captions")
    assert list(rows.has_audio) == [False, True]
    assert list(rows.has_video) == [True, False]
    assert list(rows.end_ms) == [500, 1500]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["caption", "nothing.mp4"], "no file could be read"),
        (["caption", "film.mp4", "--model", "favor-9000"], "favor-9000"),
        (["caption", "film.mp4", "--model", "favor-13b"], "favor-13b"),
        (["caption", "film.mp4", "--batch-size", "0"], "batch-size"),
        (["caption", "film.mp4", "--runner", "NoRunner"], "NoRunner"),
        (["caption", "film.mp4", "--workers", "2", "--runner", "DataflowRunner"], "--workers"),
        (["qa", "film.mp4"], "--question"),
        (["qa", "film.mp4", "--questions", "nothing.csv"], "nothing.csv"),
        (["caption", "film.mp4", "--device", "abacus"], "abacus"),
    ],
)
def test_a_mistake_is_told_in_one_line(archive, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(archive)
    result = CliRunner().invoke(main, [*arguments, "-o", str(tmp_path)])
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert "Traceback" not in result.output
    assert not result.exception or isinstance(result.exception, SystemExit)
    assert not any(tmp_path.iterdir())


def test_an_unknown_beam_option_is_refused(archive, tmp_path):
    assert "--nonsense" in favor("caption", archive, "-o", tmp_path, "--", "--nonsense=1", status=1)
    assert not any(tmp_path.iterdir())


def test_help_shows_examples():
    for name in ("caption", "qa", "transcribe", "plan", "status", "diff"):
        assert f"favor {name} " in favor(name, "--help").split("Examples:")[1]


def test_the_installed_command_warns_of_random_weights(archive, untrained_folder, tmp_path):
    model = ["--model", str(untrained_folder)]
    command = [sys.executable, "-m", "jobs.main", "caption", str(archive / "film.mp4"), "-o", str(tmp_path), *SHORT]
    done = subprocess.run([*command, *model], capture_output=True, text=True, env={**os.environ}, check=True)
    assert "untrained: its text means nothing" in done.stderr
    assert "WARNING" not in done.stderr
    metadata = pq.read_schema(tmp_path / "captions" / "part-00000.parquet").metadata
    assert b"untrained" in metadata[b"favor.note"]
