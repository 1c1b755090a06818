import json
import threading

import pytest

from favor.errors import FavorError
from pipeline.output.directory import PROGRESS_FILE, OutputDirectory
from pipeline.output.heartbeat import DONE, RUNNING, STOPPED, Heartbeat, Pace, heartbeat
from transforms.counts import Counts


def test_the_pace_is_that_since_the_first_windows_came():
    pace = Pace()
    assert pace.add(0, Counts()) is None
    assert pace.add(100, Counts({"windows_succeeded": 8})) is None  # planning and loading are not part of it
    assert pace.add(110, Counts({"windows_succeeded": 15, "windows_failed": 1})) == pytest.approx(0.8)


def test_the_pace_forgets_what_is_long_ago():
    pace = Pace()
    for minute in range(60):
        rate = pace.add(60 * minute, Counts({"windows_succeeded": 1 + minute * (1 if minute < 30 else 2)}))
    assert rate == pytest.approx(2 / 60)


def test_a_reader_sees_the_run_and_its_end(tmp_path):
    storage, seen = OutputDirectory(str(tmp_path)), threading.Event()
    counts = {"windows_planned": 3}
    with heartbeat(lambda: Counts(dict(counts)), storage, every_seconds=0.01):
        assert Heartbeat.read(storage).state == RUNNING
        counts["windows_succeeded"] = 2
        for _ in range(1000):
            if Heartbeat.read(storage).counts["windows_succeeded"]:
                seen.set()
                break
            threading.Event().wait(0.01)
    assert seen.is_set()
    assert Heartbeat.read(storage).state == DONE


def test_a_run_that_breaks_off_says_so(tmp_path):
    storage = OutputDirectory(str(tmp_path))
    with pytest.raises(KeyboardInterrupt), heartbeat(Counts, storage):
        raise KeyboardInterrupt
    assert Heartbeat.read(storage).state == STOPPED


def test_an_object_store_will_do():
    storage = OutputDirectory("memory://heartbeat")
    with heartbeat(Counts, storage):
        pass
    assert Heartbeat.read(storage).state == DONE


@pytest.mark.parametrize("content", ["", "[1]", json.dumps({"state": "running"})])
def test_another_file_of_that_name_is_refused(tmp_path, content):
    (tmp_path / PROGRESS_FILE).write_text(content)
    with pytest.raises(FavorError, match=PROGRESS_FILE):
        Heartbeat.read(OutputDirectory(str(tmp_path)))


def test_no_file_is_no_progress(tmp_path):
    assert Heartbeat.read(OutputDirectory(str(tmp_path))) is None
