import datetime
import threading
import time

import pytest

from pipeline.output.journal import Journal
from pipeline.output.record import JournalWriter, RecordAnswers
from transforms.elements import Answered
from transforms.rows import Result
from transforms.runtime import Runtime

ROW = Result(
    "r1", "w1", "m", "/001.mp4", 0, 1000, "caption", "prompt", "text", 1, "stop", -0.5, True, True, "favor-mini", "rev",
    datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
)  # fmt: skip


def test_rows_reach_the_disk_while_the_writer_is_open(tmp_path):
    journal = Journal(str(tmp_path / "out"))
    writer = JournalWriter(journal, interval=0.05)
    writer.append("captions", ROW)
    deadline = time.monotonic() + 60
    while not journal.done() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert journal.done() == {"r1"}
    writer.close()


def test_a_writer_that_cannot_write_says_so(tmp_path):
    (tmp_path / "out").write_text("a file where a directory should be")
    writer = JournalWriter(Journal(str(tmp_path / "out")), interval=60)
    writer.append("captions", ROW)
    with pytest.raises(OSError, match="out"):
        writer.flush()


def test_a_bundle_that_breaks_off_leaves_its_rows_and_no_thread(tmp_path):
    before = set(threading.enumerate())
    journal = Journal(str(tmp_path / "out"))
    step = RecordAnswers(journal, Runtime())
    step.setup()
    step.start_bundle()
    (thread,) = set(threading.enumerate()) - before
    step.process(Answered(1000, (("captions", ROW),)))
    step.teardown()
    thread.join(60)
    assert not thread.is_alive()
    assert journal.done() == {"r1"}
