"""One of several worker processes: options come as JSON on standard input, JSON lines leave.

Twice a second a line has the ``counts``; before and after each batch a line has the windows ``in_flight``; the last
has the ``error`` that stopped the run, if one did. A pipe keeps what a dead process has written.
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
    """Does this process's shard; what stops it is said in one line."""
    set_up()
    say = Speaker(sys.stdout)
    sys.stdout = sys.stderr  # whatever a library prints must not end up among the lines
    try:
        work(say)
    except KeyboardInterrupt:
        sys.exit(130)
    except store_errors(FavorError) as error:
        say(error=str(error))
        sys.exit(1)


def work(say: "Speaker") -> None:
    """Reads the options, runs, and says how it goes."""
    told = sys.stdin.read()
    if not told:  # whoever started this process died before it could say what is to be done
        sys.exit(1)
    from pipeline.execution.runners import LocalRun
    from pipeline.options import RunOptions
    from pipeline.run import open_journal
    from transforms.in_flight import InFlight
    from transforms.runtime import Runtime

    options = read_dataclass(RunOptions, json.loads(told), "the options of a worker")
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
    """Writes JSON lines from several threads.

    Args:
        stream: where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, **message: Any) -> None:
        """Writes a line, which has left this process afterwards."""
        with self._lock:
            try:
                print(json.dumps(message), file=self._stream, flush=True)
            except BrokenPipeError:  # whoever started this process is gone, and nobody would end it
                os._exit(1)


if __name__ == "__main__":
    run_worker()
