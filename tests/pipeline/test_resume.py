"""A run that is killed at any moment, and resumed."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "resume.py"


@pytest.mark.timeout(3000)  # a process is started some twenty times, about 300 CPU seconds in all
def test_a_run_that_is_killed_ten_times_comes_to_the_same_tables(write_clip, tmp_path):
    clips = [
        write_clip(tmp_path / "sound.mkv", 1, sound_seconds=0.9),
        write_clip(tmp_path / "mute.mkv", 1, audio=None),
    ]
    command = [sys.executable, BENCHMARK, *clips, "--files", "40", "--window-seconds", "0.5"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    assert "10 of 10 moments hit a running process" in done.stdout
    assert "equal, row for row: captions 81, transcripts 81, media 41, failures 2" in done.stdout
