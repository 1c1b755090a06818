"""A worker process: reads its options as JSON from standard input and writes reports as JSON lines.

Twice a second it reports the ``counts``, before and after each batch the windows ``in_flight``, and at the end the
``error`` that stopped the run, if any. A pipe keeps what a dead process has written.
"""

import json
import os
import sys
import threading
from typing import Any, TextIO

from favor.errors import FavorError
from favor.io.stores import store_errors
from favor.structs import read_dataclass
from pipeline.execution.environment import set_up

REPORT_SECONDS = 0.5


def run_worker() -> None:
    """Processes the shard; reports the error that stops it, if any, in one line."""
    set_up()
    say = Speaker(sys.stdout)
    sys.stdout = sys.stderr  # keeps what libraries print out of the reports
    try:
        work(say)
    except KeyboardInterrupt:
        sys.exit(130)
    except store_errors(FavorError) as error:
        say(error=str(error))
        sys.exit(1)


def work(say: "Speaker") -> None:
    """Reads the options, runs, and reports progress."""
    content = sys.stdin.read()
    if not content:  # the supervisor died before it could send the options
        sys.exit(1)
    from pipeline.execution.runners import LocalRun
    from pipeline.options import RunOptions
    from pipeline.run import open_journal
    from transforms.in_flight import InFlight
    from transforms.runtime import Runtime

    options = read_dataclass(RunOptions, json.loads(content), "the options of a worker")
    runtime = Runtime(in_flight=InFlight(lambda notes: say(in_flight=notes)))
    run = LocalRun(options.corpus, options.model, options.execution, open_journal(options), runtime)
    done = threading.Event()

    def report() -> None:
        while not done.wait(REPORT_SECONDS):
            say(counts=dict(run.counts().by_name))

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        run.execute()
    finally:
        done.set()
        reporter.join()
        say(counts=dict(run.counts().by_name))


class Speaker:
    """Writes JSON lines; safe to call from several threads.

    Args:
        stream: receives the lines.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, **message: Any) -> None:
        """Writes a line and flushes it, so that it outlives this process."""
        with self._lock:
            try:
                print(json.dumps(message), file=self._stream, flush=True)
            except BrokenPipeError:  # the supervisor is gone, and nothing else would end this process
                os._exit(1)


if __name__ == "__main__":
    run_worker()
