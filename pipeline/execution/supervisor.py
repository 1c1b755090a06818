"""Several worker processes on one machine: started, watched, and started again when they die."""

import collections
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import threading

from favor.errors import FavorError
from favor.structs import to_json
from pipeline.options import RunOptions
from pipeline.output.journal import Journal
from transforms.counts import Counts
from transforms.elements import Shard
from transforms.in_flight import crashed, window_id_of
from transforms.rows import FAILURES

WORKER_COMMAND = (sys.executable, "-m", "pipeline.execution.worker")
WORKER_EXPLAINED_ITSELF = 1  # the exit status of a worker that has said what stopped it; another would stop too
MAX_RESTARTS = 5  # of one worker, without a window done in between; a few bad ones may be neighbours
KILLS_TO_FAIL = 2  # the first may have been an accident


class Worker:
    """One shard of a run, in a process of its own; a process that dies is replaced, and the new one resumes.

    The windows that a process was working on when it died are suspects: the next process shows
    each of them alone to the model. A window that kills that process too becomes a failure, and the next one goes on
    behind it.

    Args:
        options: of the whole run.
        index: which shard.
        journal: where such failures are noted.

    Attributes:
        process: the present one.
        status: with which the last one ended.
        error: what stopped it, if it has said so.
    """

    def __init__(self, options: RunOptions, index: int, journal: Journal) -> None:
        self._journal = journal
        self._in_flight: list[str] = []
        self._kills: collections.Counter[str] = collections.Counter()
        workers = options.execution.workers
        self._options = options
        self._execution = dataclasses.replace(options.execution, workers=1, shard=Shard(index, workers))
        self._threads = str(max(1, (os.cpu_count() or 1) // workers))
        self._counts = Counts()
        self._before = Counts()  # what the processes that died had counted
        self._stopped = False
        self.process: subprocess.Popen[str] | None = None
        self.status = 0
        self.error: str | None = None

    def run(self) -> None:
        """Runs to the end of the shard, or until starting again does not help."""
        restarts = 0
        while restarts <= MAX_RESTARTS and not self._stopped:
            self.status = self._run_once()
            if self.status in (0, WORKER_EXPLAINED_ITSELF):
                return
            restarts = 0 if self._counts["windows_succeeded"] else restarts + 1
            if not self._stopped:
                self._blame()
            self._before, self._counts = self.counts(), Counts()

    def stop(self) -> None:
        """Ends the process; it is not started again."""
        self._stopped = True
        if self.process:
            self.process.kill()

    def counts(self) -> Counts:
        """Returns what the shard has come to, over all its processes.

        What one process has done is skipped by the next, which finds it in the journal: it is counted as succeeded, or
        as failed.
        """
        now, before = self._counts, self._before
        if now.windows_planned < before.windows_planned:
            return before  # the new process is still planning
        if not before.by_name:
            return now
        failed = now["windows_failed_before"] - before["windows_failed_before"]
        made = {
            **now.by_name,
            **{name: before[name] for name in ("windows_skipped", "windows_failed_before", "files_failed_before")},
            **{name: count for name, count in (now + before).by_name.items() if _is_spent(name)},
            "windows_succeeded": now["windows_succeeded"] + now["windows_skipped"] - before["windows_skipped"] - failed,
            "windows_failed": now["windows_failed"] + failed,
            "files_failed": now["files_failed"] + now["files_failed_before"] - before["files_failed_before"],
        }
        return Counts(made)

    def _blame(self) -> None:
        """Remembers what the process died of; what was alone when it killed once more is put aside."""
        self._kills.update(self._in_flight)
        self._execution = dataclasses.replace(self._execution, suspects=tuple(map(window_id_of, self._kills)))
        if len(self._in_flight) == 1 and self._kills[self._in_flight[0]] >= KILLS_TO_FAIL:
            self._put_aside(self._in_flight[0])
        self._in_flight = []

    def _put_aside(self, note: str) -> None:
        kills = self._kills[note]
        failure = crashed(note, f"put aside; {kills} processes died as the model saw it, last status {self.status}")
        standing = self._journal.failed().get(failure.span)
        attempt = standing.attempt + 1 if standing else 1
        self._journal.write(FAILURES, [dataclasses.replace(failure, attempt=attempt)])

    def _run_once(self) -> int:
        environment = {**os.environ, "OMP_NUM_THREADS": self._threads}
        pipe = subprocess.PIPE
        with subprocess.Popen(WORKER_COMMAND, stdin=pipe, stdout=pipe, env=environment, text=True) as self.process:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            with contextlib.suppress(BrokenPipeError), self.process.stdin as stdin:  # it may be dead already
                json.dump(to_json(dataclasses.replace(self._options, execution=self._execution)), stdin)
            for line in self.process.stdout:
                with contextlib.suppress(json.JSONDecodeError):  # the last line of a process that was killed
                    self._hear(**json.loads(line))
            return self.process.wait()

    def _hear(
        self, counts: dict[str, int] | None = None, in_flight: list[str] | None = None, error: str | None = None
    ) -> None:
        if counts is not None:
            self._counts = Counts(counts)
        if in_flight is not None:
            self._in_flight = in_flight
        if error is not None:
            self.error = error


class WorkersRun:
    """A run in several processes of this machine; each does its shard of the segments with a model of its own."""

    def __init__(self, options: RunOptions, journal: Journal) -> None:
        self.workers = [Worker(options, index, journal) for index in range(options.execution.workers)]

    def execute(self) -> None:
        """Starts the workers and waits for all of them.

        Raises:
            FavorError: if one has ended early for good; the others have done their shards.
        """
        threads = [threading.Thread(target=worker.run, daemon=True) for worker in self.workers]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            for worker in self.workers:
                worker.stop()
        reasons = list(dict.fromkeys(worker.error for worker in self.workers if worker.error))
        dead = [
            f"worker {i} with status {worker.status}"
            for i, worker in enumerate(self.workers)
            if worker.status and not worker.error
        ]
        if dead:
            reasons.append(f"ended early: {', '.join(dead)}. The same command goes on where it stopped")
        if reasons:
            raise FavorError("; ".join(reasons))

    def counts(self) -> Counts:
        """Returns the sum of what the workers have last said."""
        return sum((worker.counts() for worker in self.workers), Counts())


def _is_spent(name: str) -> bool:
    """Whether a count is of what a process has done itself, which its successor does not count again."""
    return name in ("media_ms", "bytes_read") or name.endswith("_us")
