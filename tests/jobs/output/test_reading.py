"""``favor status`` and ``favor diff``, as users start them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

OLD = Path(__file__).parents[2] / "data" / "outputs" / "schema-2"
HEAVY = {"apache_beam", "torch", "transformers", "av"}
CODE = """
import sys
from jobs.main import main
try:
    main(sys.argv[1:])
finally:
    print({heavy} & set(sys.modules), file=sys.stderr)
"""


def favor(*arguments):
    """What a command prints, and what it loads of what takes long to load."""
    command = [sys.executable, "-c", CODE.format(heavy=HEAVY), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr.splitlines()


@pytest.mark.parametrize("arguments", [("status", OLD), ("diff", OLD, OLD)])
def test_an_output_of_schema_2_is_read_without_beam_and_torch(arguments):
    status, printed, errors = favor(*arguments)
    assert (status, errors) == (0, ["set()"])
    expected = {
        "status": [
            "model      favor-mini (0b4f7a1e7c97)",
            "windows    3 of 3 (100%): 3 succeeded, 0 failed, 0 skipped",
            "verdict    too short a run",
        ],
        "diff": [
            "captions   3 equal, 0 changed, 0 only in A, 0 only in B; word error rate of B against A 0.00%",
            "transcripts 3 equal, 0 changed",
            "failures   0 new, 0 mended, 1 same, 0 not seen by B",
            "speed      1.1 and 1.1 seconds of video per second: 1.00 times",
        ],
    }[arguments[0]]
    assert all(line in printed for line in expected), printed


def test_settings_are_told_by_table():
    told = json.loads(favor("status", OLD, "--json")[1])
    assert set(told["settings"]) == {"captions", "answers", "transcripts"}
    assert told["settings"]["captions"]["generation"]["max_new_tokens"] == 8


@pytest.mark.parametrize("command", ["status", "diff"])
def test_what_is_no_output_is_refused_in_one_line(command, tmp_path):
    status, printed, errors = favor(command, tmp_path, *([OLD] if command == "diff" else []))
    assert (status, printed) == (1, "")
    message = f"Error: {tmp_path} is no output of favor caption, qa or transcribe: it holds no run.json"
    assert errors == [message, "set()"]
