"""A run killed at random moments and resumed each time: its tables must be those of a run that nothing disturbs.

Run it with:  python benchmarks/resume.py --files 500
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from corpus import copies

ROW_KEYS = {"captions": ["result_id"], "media": ["media_id"], "failures": ["uri", "start_ms"]}


def start(corpus: Path, output: Path) -> subprocess.Popen:
    """Starts a run, whose processes are a session of their own."""
    options = ["--max-new-tokens", "2", "--batch-size", "4", "--workers", "2"]
    command = [sys.executable, "-m", "jobs.main", "caption", str(corpus), "-o", str(output), *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def finish(corpus: Path, output: Path) -> float:
    """Runs to the end; returns the seconds that it took."""
    began = time.monotonic()
    status = start(corpus, output).wait()
    assert status == 0, f"ended with {status}"
    return time.monotonic() - began


def living(session: int) -> list[int]:
    """Returns the processes of a session that are not dead."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, owner = stat.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(owner) == session and state != "Z":
            found.append(int(stat.parent.name))
    return found


def kill_at(process: subprocess.Popen, moment: float, alone: bool) -> str:
    """Kills a run after some seconds, all of its processes or only the first; none of them may be left."""
    try:
        process.wait(moment)
        return "was done before"
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL) if alone else os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 300
    while living(process.pid):
        assert time.monotonic() < deadline, f"processes {living(process.pid)} outlived their owner"
        time.sleep(0.1)
    return "killed, alone" if alone else "killed, with its workers"


def check(output: Path) -> int:
    """Makes sure that every file in sight is whole and no table has a row twice; returns the rows in the journal."""
    rows = {path: pq.read_table(path).num_rows for path in output.rglob("*.parquet") if path.name[0] != "."}
    for table, key in ROW_KEYS.items():
        if (output / table).exists():
            assert not pd.read_parquet(output / table).duplicated(key).any(), f"{table} has rows twice"
    return sum(count for path, count in rows.items() if "journal" in path.parts)


def tables(output: Path) -> dict[str, pd.DataFrame]:
    """Reads the tables without what no two runs have in common."""
    return {name: pd.read_parquet(output / name).drop(columns="created_at", errors="ignore") for name in ROW_KEYS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        corpus, whole, killed = copies(Path(scratch, "films"), arguments.files), Path(scratch, "a"), Path(scratch, "b")
        (corpus / "broken.mp4").write_bytes(b"nothing of the kind")
        seconds = finish(corpus, whole)
        print(f"{arguments.files} files, undisturbed: {seconds:.1f} s; seed {arguments.seed}", flush=True)
        for number in range(arguments.kills):
            moment = moments.uniform(0, seconds)
            end = kill_at(start(corpus, killed), moment, alone=number % 2 == 1)
            print(f"after {moment:.1f} s: {end}; {check(killed)} rows in the journal", flush=True)
        finish(corpus, killed)
        check(killed)
        expected, found = tables(whole), tables(killed)
        for name in ROW_KEYS:
            pd.testing.assert_frame_equal(found[name], expected[name])
        print(f"equal, row for row: {', '.join(f'{name} {len(rows)}' for name, rows in found.items())}")


if __name__ == "__main__":
    main()
