"""A run killed at ten random moments and resumed each time: its tables must equal those of an undisturbed run.

The moments are defined by the contents of the output, not by a clock, so that they hit the same work on any machine.
Run it with:  python benchmarks/resume.py --files 500
"""

import argparse
import dataclasses
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from corpus import SAMPLES, copies

RESULTS = ("captions", "transcripts")
ROW_KEYS = {**{table: ["result_id"] for table in RESULTS}, "media": ["media_id"], "failures": ["uri", "start_ms"]}
EVERYTHING, SUPERVISOR, WORKER = "the run", "the supervisor alone", "a worker alone"
PATIENCE = 600.0  # s
OPTIONS = ("--transcribe", "--max-new-tokens", "2", "--batch-size", "2", "--workers", "2")


@dataclasses.dataclass(frozen=True)
class Moment:
    """A moment at which some of a run's processes are killed.

    Attributes:
        name: description for the output.
        victim: ``EVERYTHING``, ``SUPERVISOR`` or ``WORKER``.
        came: returns whether the run has reached the moment.
    """

    name: str
    victim: str
    came: Callable[["Run"], bool]


class Run:
    """A run of the command, whose processes form a separate session.

    Args:
        program: Python arguments that start the command.
        corpus: folder of the input files.
        output: folder of the tables.
        options: further options of the command.
    """

    def __init__(self, program: list[str], corpus: Path, output: Path, options: list[str]) -> None:
        self.output = output
        self.began = time.time_ns()
        command = [sys.executable, *program, "caption", str(corpus), "-o", str(output), *OPTIONS, *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def parents(self) -> dict[int, int]:
        """Returns the live processes with their parents."""
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, parent, _, session = stat.read_text().rpartition(")")[2].split()[:4]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(session) == self.process.pid and state != "Z":
                found[int(stat.parent.name)] = int(parent)
        return found

    def workers(self) -> list[int]:
        """Returns the processes started by the supervisor."""
        return sorted(child for child, parent in self.parents().items() if parent == self.process.pid)

    def fresh(self, *names: str) -> bool:
        """Returns whether this run has written a file, even a partial one, to a directory of the output."""
        try:
            return any(path.stat().st_mtime_ns > self.began for path in self.output.joinpath(*names).iterdir())
        except FileNotFoundError:  # no directory yet, or a file that has just been renamed
            return False

    def strike(self, moment: Moment, dice: random.Random) -> bool:
        """Waits for a moment and kills its victim; returns whether it came before the run ended."""
        until = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            if moment.came(self) and self._kill(moment.victim, dice):
                self._settle()
                return True
            assert time.monotonic() < until, "the moment did not come"
            time.sleep(0.01)
        return False

    def _kill(self, victim: str, dice: random.Random) -> bool:
        """Kills the victim; returns False if it is a worker and none is alive."""
        if victim == WORKER:
            try:
                os.kill(dice.choice(self.workers()), signal.SIGKILL)
            except (IndexError, ProcessLookupError):  # none is alive
                return False
            return True
        (os.killpg if victim == EVERYTHING else os.kill)(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return True

    def _settle(self) -> None:
        """Waits until no process is left without its parent."""
        until = time.monotonic() + PATIENCE
        while strays := self._strays():
            assert time.monotonic() < until, f"processes {strays} outlived their owner"
            time.sleep(0.05)

    def finish(self) -> str:
        """Waits for the run to succeed; returns its output."""
        printed, _ = self.process.communicate()
        assert self.process.returncode == 0, f"ended with {self.process.returncode}: {printed}"
        return printed

    def _strays(self) -> list[int]:
        parents = self.parents()
        return [pid for pid, parent in parents.items() if pid != self.process.pid and parent not in parents]


def parts(directory: Path) -> list[Path]:
    """Returns the Parquet files below a directory, except unfinished ones, whose names start with a dot."""
    return [path for path in directory.rglob("*.parquet") if not path.name.startswith(".")]


def results(output: Path) -> int:
    """Counts the results in the journal, checking that none is there twice."""
    total = 0
    for table in RESULTS:
        files = [pq.read_table(path, columns=["result_id"]) for path in parts(output / "journal" / table)]
        ids = [row for file in files for row in file["result_id"].to_pylist()]
        assert len(ids) == len(set(ids)), f"{table} has rows twice in the journal"
        total += len(ids)
    return total


def moments(dice: random.Random, rows: int, count: int) -> list[Moment]:
    """Draws moments over the whole length of a run.

    A worker is never killed twice in the same run: the windows in flight would then rightly be recorded as failures.

    Args:
        dice: random generator.
        rows: number of results of the complete run.
        count: number of moments.
    """
    victims = [EVERYTHING, WORKER, SUPERVISOR]
    first = [
        Moment("at the start of the first process", EVERYTHING, lambda run: True),
        Moment("at the start of the workers", dice.choice(victims), lambda run: len(run.workers()) == 2),
        Moment("at the first files", dice.choice([EVERYTHING, SUPERVISOR]), lambda run: run.fresh("journal", "media")),
    ]
    last = [
        Moment("at the last result", EVERYTHING, lambda run: results(run.output) == rows),
        Moment("at the first table", dice.choice([EVERYTHING, SUPERVISOR]), lambda run: run.fresh("captions")),
    ]
    limits = sorted(dice.sample(range(1, rows * 3 // 4), count - len(first) - len(last)))
    middle = [
        Moment(
            f"at {limit} of {rows} results",
            WORKER if number % 2 == 0 else dice.choice([EVERYTHING, SUPERVISOR]),
            lambda run, limit=limit: results(run.output) >= limit,
        )
        for number, limit in enumerate(limits)
    ]
    return [*first, *middle, *last]


def check(output: Path) -> int:
    """Checks that every finished file is readable and no table has a row twice; returns the number of results."""
    for path in parts(output):
        pq.read_table(path)
    for table, key in ROW_KEYS.items():
        if parts(output / table):
            assert not pd.read_parquet(output / table).duplicated(key).any(), f"{table} has rows twice"
    return results(output)


def torment(start: Callable[[], Run], plan: list[Moment], dice: random.Random) -> int:
    """Kills the run at every moment; returns the number of moments that hit a running process."""
    run, hits = start(), 0
    for moment in plan:
        if run.process.poll() is not None:
            run = start()
        hit = run.strike(moment, dice)
        hits += hit
        if not hit:
            run.finish()
        end = f"{moment.victim} was killed" if hit else "the run was done before"
        print(f"{moment.name}: {end}; {check(run.output)} results in the journal", flush=True)
    return hits


def tables(output: Path) -> dict[str, pd.DataFrame]:
    """Reads the tables without the column that differs between any two runs."""
    return {name: pd.read_parquet(output / name).drop(columns="created_at", errors="ignore") for name in ROW_KEYS}


def fill(corpus: Path, clips: list[Path], count: int) -> Path:
    """Fills a directory with copies of clips, a file that is not media, and a truncated clip."""
    copies(corpus, count, clips)
    (corpus / "broken.mp4").write_bytes(b"nothing of the kind")
    content = clips[0].read_bytes()
    (corpus / f"cut{clips[0].suffix}").write_bytes(content[: len(content) // 3])
    return corpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path, default=sorted(SAMPLES.glob("*.mp4")))
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--window-seconds", default="30")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    dice, options = random.Random(arguments.seed), ["--window-seconds", arguments.window_seconds]
    with tempfile.TemporaryDirectory() as scratch:
        corpus = fill(Path(scratch, "films"), arguments.clips, arguments.files)
        whole, killed = Path(scratch, "a"), Path(scratch, "b")
        began = time.monotonic()
        printed = Run(["-m", "jobs.main"], corpus, whole, options).finish()
        print(f"{arguments.files} files, undisturbed: {time.monotonic() - began:.1f} s; seed {arguments.seed}")
        print(printed, flush=True)
        start = lambda: Run([str(Path(__file__).with_name("eager.py"))], corpus, killed, options)  # noqa: E731
        plan = moments(dice, results(whole), arguments.kills)
        hits = torment(start, plan, dice)
        print(start().finish())
        check(killed)
        expected, found = tables(whole), tables(killed)
        for name in ROW_KEYS:
            pd.testing.assert_frame_equal(found[name], expected[name])
        print(f"{hits} of {len(plan)} moments hit a running process")
        print(f"equal, row for row: {', '.join(f'{name} {len(rows)}' for name, rows in found.items())}")


if __name__ == "__main__":
    main()
