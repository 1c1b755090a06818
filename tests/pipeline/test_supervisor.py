import os
import signal
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from favor.errors import FavorError
from jobs.common import caption_question, make_options
from pipeline.dataset import build
from pipeline.journal import Journal
from pipeline.supervisor import MAX_RESTARTS, Worker, WorkersRun
from transforms.corpus import Shard


@pytest.fixture
def options(write_clip, tmp_path):
    """Two workers, and six clips of one window for each of them."""
    clip = write_clip(tmp_path / "clip.mkv", 0.5, audio=None).read_bytes()
    names = [str(tmp_path / "films" / f"{number}.mkv") for number in range(60)]
    for index in range(2):
        for name in [name for name in names if Shard(index, 2).owns(f"{name}#0")][:6]:
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_bytes(clip)
    return make_options(
        [caption_question()],
        corpus=(str(tmp_path / "films"),),
        output=str(tmp_path / "out"),
        max_new_tokens=2,
        batch_size=1,
        workers=2,
    )


def kill_when(worker, ready, times):
    """Kills a worker's process each time something is ready."""
    killed = set()
    deadline = time.monotonic() + 90
    while len(killed) < times and time.monotonic() < deadline:
        process = worker.process
        if process and process.pid not in killed and process.poll() is None and ready(worker):
            killed.add(process.pid)
            os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.02)


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(options, tmp_path):
    run = WorkersRun(options)
    ready = lambda worker: worker._counts.get("windows_succeeded", 0) > 0  # noqa: E731
    killer = threading.Thread(target=kill_when, args=(run.workers[0], ready, 1))
    killer.start()
    run.execute()
    killer.join()
    counts = run.counts()
    assert counts["windows_planned"] == counts["windows_succeeded"] == 12
    assert counts["windows_skipped"] == 0
    build(Journal(options.output), options.tables)
    rows = pd.read_parquet(tmp_path / "out" / "captions")
    assert len(rows) == rows.uri.nunique() == 12


def test_a_worker_that_always_dies_ends_the_run_with_an_error(options):
    run = WorkersRun(options)
    worker = run.workers[1]
    killer = threading.Thread(target=kill_when, args=(worker, lambda worker: True, MAX_RESTARTS + 1))
    killer.start()
    with pytest.raises(FavorError, match="worker 1 with status -9"):
        run.execute()
    killer.join()


def test_what_a_dead_process_did_counts_as_done(options):
    worker = Worker(options, 0)
    worker._before = {
        "windows_planned": 10,
        "windows_succeeded": 4,
        "windows_skipped": 1,
        "media_ms": 40,
        "decode_us": 7,
    }
    worker._counts = {"windows_planned": 2}
    assert worker.counts()["windows_succeeded"] == 4
    worker._counts = {"windows_planned": 10, "windows_skipped": 4, "windows_succeeded": 6, "media_ms": 60}
    assert worker.counts() == {
        "windows_planned": 10,
        "windows_skipped": 1,
        "windows_succeeded": 9,
        "media_ms": 100,
        "decode_us": 7,
    }
