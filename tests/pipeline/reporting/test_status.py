import json
import os
import time

import pytest

from favor.errors import FavorError
from pipeline.output.directory import PROGRESS_FILE, REPORT_FILE, RUN_FILE, OutputDirectory
from pipeline.output.heartbeat import DONE, RUNNING, STOPPED, Heartbeat
from pipeline.output.schema import SCHEMA_VERSION
from pipeline.reporting.progress import format_duration
from pipeline.reporting.status import read_status
from transforms.counts import Counts

MINI = {"model": "favor-mini", "model_revision": "1234"}
WINDOWS = {"windows_planned": 100, "windows_succeeded": 40, "windows_failed": 2, "windows_skipped": 8}
COUNTS = Counts({**WINDOWS, "files_failed": 1, "media_ms": 7_200_000})


@pytest.fixture
def tell(tmp_path):
    """A function that puts what a run tells into an output, and reads its status."""
    storage = OutputDirectory(str(tmp_path))
    made = {"schema": SCHEMA_VERSION, "labels": {}, "tables": {"captions": MINI, "answers": MINI}}
    storage.write(json.dumps(made).encode(), RUN_FILE)

    def read(state=RUNNING, ago=1.0, rate=0.5):
        now = time.time()
        progress = Heartbeat(state, now - 3600, now - ago, COUNTS, rate, "node7", 42)
        storage.write(progress.to_json(), PROGRESS_FILE)
        return read_status(str(tmp_path))

    return read


def test_a_living_run_and_its_time_left(tell):
    status = tell()
    assert status.alive
    assert status.seconds_left == 50 / 0.5
    told = str(status)
    assert "running on node7 (process 42)" in told
    assert "50 of 100 (50%): 40 succeeded, 2 failed, 8 skipped" in told
    assert "failures   3, 1 of them whole files" in told
    assert "30.0 windows a minute" in told
    assert "2.0 seconds of video per second" in told
    assert "about 2 min" in told


def test_the_model_is_named_with_its_tables_where_there_are_several(tell, tmp_path):
    assert "model      favor-mini (1234)\n" in str(tell())
    made = {"captions": MINI, "answers": MINI, "transcripts": {"model": "another", "model_revision": "5"}}
    (tmp_path / RUN_FILE).write_text(json.dumps({"schema": SCHEMA_VERSION, "labels": {}, "tables": made}))
    status = read_status(str(tmp_path))
    assert "model      favor-mini (1234): captions and answers, another (5): transcripts\n" in str(status)
    assert status.to_dict()["settings"]["transcripts"]["model"] == "another"


def test_a_silent_run_seems_dead(tell):
    status = tell(ago=600)
    assert not status.alive
    assert status.seconds_left is None
    assert "seems dead on node7 (process 42), last heard of 10 min ago" in str(status)
    assert "goes on where it stopped" in str(status)


@pytest.mark.parametrize(("age", "alive"), [(0, True), (500, False)])
def test_rows_show_that_a_run_goes_on_without_the_process_that_started_it(tell, tmp_path, age, alive):
    part = tmp_path / "journal" / "captions" / "a.parquet"
    part.parent.mkdir(parents=True)
    part.touch()
    os.utime(part, (time.time() - age,) * 2)
    status = tell(ago=600)
    assert status.alive is alive
    assert ("rows come in" in str(status)) is alive


def test_a_stopped_run_says_how_to_go_on(tell):
    assert "stopped 5 min ago" in str(tell(STOPPED, ago=300))


def test_a_run_that_is_done_tells_its_verdict(tell, tmp_path):
    (tmp_path / REPORT_FILE).write_text(json.dumps({"verdict": "model-bound"}))
    told = str(tell(DONE))
    assert "state      done 1 s ago" in told
    assert "verdict    model-bound" in told


@pytest.mark.parametrize("missing", [RUN_FILE, PROGRESS_FILE])
def test_another_directory_is_refused(tell, tmp_path, missing):
    tell()
    (tmp_path / missing).unlink()
    with pytest.raises(FavorError, match=f"no output of favor.*{missing}"):
        read_status(str(tmp_path))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3 * 3600 + 1200, "3 h 20 min"), (52 * 3600, "2 d 4 h")],
)
def test_times_are_said_as_people_say_them(seconds, text):
    assert format_duration(seconds) == text
