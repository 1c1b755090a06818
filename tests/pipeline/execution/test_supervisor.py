import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from favor.errors import FavorError
from favor.models.base import GenerationOptions
from jobs.run.questions import caption_question
from pipeline.execution.supervisor import (
    MAX_RESTARTS,
    WORKER_COMMAND,
    WORKER_EXPLAINED_ITSELF,
    Worker,
    WorkersRun,
)
from pipeline.options import CorpusOptions, ExecutionOptions, ModelOptions, OutputOptions, RunOptions
from pipeline.output.dataset import build
from pipeline.output.journal import Journal
from transforms.counts import Counts
from transforms.elements import Shard
from transforms.in_flight import WORKER_CRASHED

pytestmark = pytest.mark.timeout(900)  # each process that is started anew loads the model anew


@pytest.fixture
def options(write_clip, tmp_path):
    """Two workers, and six clips of one window for each of them."""
    clip = write_clip(tmp_path / "clip.mkv", 0.5, audio=None).read_bytes()
    names = [str(tmp_path / "films" / f"{number}.mkv") for number in range(60)]
    for index in range(2):
        for name in [name for name in names if Shard(index, 2).owns(f"{name}#0")][:6]:
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_bytes(clip)
    return RunOptions(
        CorpusOptions((str(tmp_path / "films"),), (caption_question(),)),
        ModelOptions.described("favor-mini", generation=GenerationOptions(max_new_tokens=2)),
        OutputOptions(str(tmp_path / "out")),
        ExecutionOptions(batch_size=1, workers=2),
    )


def with_execution(options, **changes):
    return dataclasses.replace(options, execution=dataclasses.replace(options.execution, **changes))


def kill_when(worker, ready, times):
    """Kills a worker's process each time something is ready."""
    killed = set()
    deadline = time.monotonic() + 600
    while len(killed) < times and time.monotonic() < deadline:
        process = worker.process
        if process and process.pid not in killed and process.poll() is None and ready(worker):
            killed.add(process.pid)
            os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.02)


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(options, tmp_path):
    run = WorkersRun(options, Journal(options.output.directory))
    ready = lambda worker: worker._counts["windows_succeeded"] > 0  # noqa: E731
    killer = threading.Thread(target=kill_when, args=(run.workers[0], ready, 1))
    killer.start()
    run.execute()
    killer.join()
    counts = run.counts()
    assert counts["windows_planned"] == counts["windows_succeeded"] == 12
    assert counts["windows_skipped"] == 0
    build(Journal(options.output.directory), options.corpus.tables)
    rows = pd.read_parquet(tmp_path / "out" / "captions")
    assert len(rows) == rows.uri.nunique() == 12


def test_a_worker_that_always_dies_ends_the_run_with_an_error(options):
    run = WorkersRun(with_execution(options, workers=1), Journal(options.output.directory))
    killer = threading.Thread(target=kill_when, args=(run.workers[0], lambda worker: True, MAX_RESTARTS + 1))
    killer.start()
    with pytest.raises(FavorError, match="worker 0 with status -9"):
        run.execute()
    killer.join()


def test_a_worker_that_is_told_nothing_ends_without_a_word():
    done = subprocess.run(WORKER_COMMAND, stdin=subprocess.DEVNULL, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_what_a_dead_process_did_counts_as_done(options):
    worker = Worker(options, 0, Journal(options.output.directory))
    before = {"windows_planned": 10, "windows_succeeded": 4, "windows_skipped": 1, "media_ms": 40, "decode_us": 7}
    worker._before, worker._counts = Counts(before), Counts({"windows_planned": 2})
    assert worker.counts()["windows_succeeded"] == 4
    now = {"windows_planned": 10, "windows_skipped": 4, "windows_succeeded": 5, "media_ms": 60}
    worker._counts = Counts({**now, "windows_failed": 1, "windows_failed_before": 1})
    counts = worker.counts()
    assert [counts[f"windows_{end}"] for end in ("succeeded", "failed", "skipped", "failed_before")] == [7, 2, 1, 0]
    assert (counts["media_ms"], counts["decode_us"]) == (100, 7)


PLANTED_WORKER = (sys.executable, str(Path(__file__).with_name("planted_worker.py")))


@pytest.fixture
def with_white(options, write_clip, tmp_path, monkeypatch):
    """The same, with a white clip, on which the worker kills itself as often as a file says."""
    monkeypatch.setattr("pipeline.execution.supervisor.WORKER_COMMAND", PLANTED_WORKER)
    monkeypatch.setenv("PLANTED_KILLS", str(tmp_path / "kills"))
    white = lambda time, width, height: np.full((height, width, 3), 255, np.uint8)  # noqa: E731
    write_clip(tmp_path / "films" / "white.mkv", 0.5, audio=None, picture=white)
    return with_execution(options, batch_size=4, workers=1)


def test_a_window_that_kills_its_worker_every_time_is_put_aside(with_white, tmp_path):
    (tmp_path / "kills").write_text("9")
    journal = Journal(with_white.output.directory)
    run = WorkersRun(with_white, journal)
    run.execute()
    counts = run.counts()
    assert (counts["windows_planned"], counts["windows_succeeded"], counts["windows_failed"]) == (13, 12, 1)
    assert (tmp_path / "kills").read_text() == "7"  # it needed two
    build(journal, with_white.corpus.tables)
    (row,) = pd.read_parquet(tmp_path / "out" / "failures").to_dict("records")
    assert (row["code"], row["stage"], row["attempt"]) == (WORKER_CRASHED, "generate", 1)
    message = "white.mkv: skipped; 2 processes died while the model was processing it, last status -9"
    assert message in row["message"]
    assert pd.read_parquet(tmp_path / "out" / "captions").uri.nunique() == 12


def test_a_worker_that_dies_by_accident_costs_no_window(with_white, tmp_path):
    (tmp_path / "kills").write_text("1")
    journal = Journal(with_white.output.directory)
    run = WorkersRun(with_white, journal)
    run.execute()
    assert run.counts()["windows_succeeded"] == 13
    assert build(journal, with_white.corpus.tables) == {"captions": 13, "media": 13, "failures": 0}


def test_a_broken_model_stops_every_worker_with_one_explanation(options, monkeypatch, capfd):
    monkeypatch.setattr("pipeline.execution.supervisor.WORKER_COMMAND", PLANTED_WORKER)
    monkeypatch.setenv("PLANTED_ERROR", "a planted failure")
    journal = Journal(options.output.directory)
    run = WorkersRun(options, journal)
    with pytest.raises(FavorError) as stopped:
        run.execute()
    (line,) = str(stopped.value).splitlines()
    assert line.startswith(f"ValueError at {PLANTED_WORKER[1]}:")
    assert line.count("a planted failure") == 1
    assert [worker.status for worker in run.workers] == [WORKER_EXPLAINED_ITSELF] * 2
    assert "a planted failure" not in capfd.readouterr().err
    assert not journal.failed()
