"""Several worker processes on one machine: started, watched, and started again when they die."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import threading

from favor.errors import FavorError
from pipeline.options import RunOptions
from transforms.corpus import Shard

Counts = dict[str, int]
TOLD = 1  # the exit status of a worker that has said what stopped it; starting it again would not help
MAX_RESTARTS = 3  # of one worker, without a window done in between


class Worker:
    """One shard of a run, in a process of its own; a process that dies is replaced, and the new one resumes.

    Args:
        options: of the whole run.
        index: which shard.
    """

    def __init__(self, options: RunOptions, index: int) -> None:
        self._options = dataclasses.replace(options, workers=1, shard=Shard(index, options.workers))
        self._threads = str(max(1, (os.cpu_count() or 1) // options.workers))
        self._counts: Counts = {}
        self._before: Counts = {}  # what the processes that died had counted
        self._stopped = False
        self.process: subprocess.Popen[str] | None = None
        self.status = 0

    def run(self) -> None:
        """Runs to the end of the shard, or until starting again does not help."""
        restarts = 0
        while restarts <= MAX_RESTARTS and not self._stopped:
            self.status = self._run_once()
            if self.status in (0, TOLD):
                return
            restarts = 0 if self._counts.get("windows_succeeded") else restarts + 1
            self._before, self._counts = self.counts(), {}

    def stop(self) -> None:
        """Ends the process; it is not started again."""
        self._stopped = True
        if self.process:
            self.process.kill()

    def counts(self) -> Counts:
        """Returns what the shard has come to, over all its processes.

        What one process has done is skipped by the next, which finds it in the journal: it is counted as succeeded.
        """
        now, before = self._counts, self._before
        if now.get("windows_planned", 0) < before.get("windows_planned", 0):
            return before  # the new process is still planning
        if not before:
            return now
        inherited = now.get("windows_skipped", 0) - before.get("windows_skipped", 0)
        return {
            **now,
            "windows_skipped": before.get("windows_skipped", 0),
            "windows_succeeded": now.get("windows_succeeded", 0) + inherited,
            **{name: now.get(name, 0) + before.get(name, 0) for name in now.keys() | before.keys() if _is_spent(name)},
        }

    def _run_once(self) -> int:
        command = [sys.executable, "-m", "pipeline.worker"]
        environment = {**os.environ, "OMP_NUM_THREADS": self._threads}
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True) as self.process:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            with contextlib.suppress(BrokenPipeError), self.process.stdin as stdin:  # it may be dead already
                stdin.write(self._options.to_json())
            for line in self.process.stdout:
                with contextlib.suppress(json.JSONDecodeError):  # the last line of a process that was killed
                    self._counts = json.loads(line)
            return self.process.wait()


class WorkersRun:
    """A run in several processes of this machine; each does its shard of the segments with a model of its own."""

    def __init__(self, options: RunOptions) -> None:
        self.workers = [Worker(options, index) for index in range(options.workers)]

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
        dead = [f"worker {i} with status {worker.status}" for i, worker in enumerate(self.workers) if worker.status]
        if dead:
            raise FavorError(f"ended early: {', '.join(dead)}. The same command goes on where it stopped")

    def counts(self) -> Counts:
        """Returns the sum of what the workers have last said."""
        counts = [worker.counts() for worker in self.workers]
        return {name: sum(each.get(name, 0) for each in counts) for name in {name for each in counts for name in each}}


def _is_spent(name: str) -> bool:
    """Whether a count is of what a process has done itself, which its successor does not count again."""
    return name in ("media_ms", "bytes_read") or name.endswith("_us")
