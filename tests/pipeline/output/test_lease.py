import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from favor.errors import FavorError
from jobs.main import main
from pipeline.output.directory import PROGRESS_FILE, OutputDirectory
from pipeline.output.heartbeat import DONE, RUNNING, Heartbeat, heartbeat
from pipeline.output.lease import Lease, goes_on
from transforms.counts import Counts


def progress(**values):
    now = time.time()
    usual = {"state": RUNNING, "started": now - 100, "updated": now, "counts": Counts(), "windows_per_second": None}
    return Heartbeat(**{**usual, "host": socket.gethostname(), "pid": os.getppid(), **values})


@pytest.fixture
def dead():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_goes_on_while_it_is_heard_of_and_its_process_exists(dead):
    assert goes_on(progress())
    assert goes_on(progress(host="another", pid=dead))
    assert not goes_on(progress(pid=dead))
    assert not goes_on(progress(host="another", updated=time.time() - 31))
    assert not goes_on(progress(state=DONE))


def test_of_two_that_begin_together_one_goes_on():
    storage = OutputDirectory("memory://lease")
    lease = Lease(storage)
    with heartbeat(Counts, storage):
        lease.check()
        other = progress(host="another")
        storage.write(other.to_json(), PROGRESS_FILE)
        with pytest.raises(FavorError, match=r"was taken over by another run, process .* on another, since 20"):
            lease.check()


def wait_for(path):
    deadline = time.monotonic() + 600
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.mark.timeout(900)
def test_two_runs_on_one_output_notice_each_other(tmp_path, write_clip):
    films = tmp_path / "films"
    films.mkdir()
    clip = write_clip(films / "0.mkv", 0.5, audio=None).read_bytes()
    for number in range(1, 6):
        (films / f"{number}.mkv").write_bytes(clip)
    storage, told = OutputDirectory(str(tmp_path / "out")), tmp_path / "out" / PROGRESS_FILE
    arguments = ["caption", str(films), "-o", storage.root, "--max-new-tokens", "1", "--batch-size", "1"]
    first = subprocess.Popen([sys.executable, "-m", "jobs.main", *arguments], stderr=subprocess.PIPE, text=True)
    wait_for(told)
    os.kill(first.pid, signal.SIGSTOP)
    fresh = dataclasses.replace(Heartbeat.read(storage), updated=time.time() + 600)  # however slow this machine is
    storage.write(fresh.to_json(), PROGRESS_FILE)

    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 1
    assert f"is being written by another run, process {first.pid} on {socket.gethostname()}, since" in refused.output

    silent = dataclasses.replace(Heartbeat.read(storage), updated=time.time() - 31)
    storage.write(silent.to_json(), PROGRESS_FILE)
    assert CliRunner().invoke(main, arguments).exit_code == 0

    os.kill(first.pid, signal.SIGCONT)
    _, error = first.communicate(timeout=600)
    assert first.returncode == 1
    assert f"was taken over by another run, process {os.getpid()}" in error
    assert Heartbeat.read(storage).state == DONE
