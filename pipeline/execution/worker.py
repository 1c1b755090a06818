"""One of several worker processes: options come as JSON on standard input, JSON lines leave.

Twice a second a line has the ``counts``; before and after each batch a line has the windows ``in_flight``. A pipe keeps
what a dead process has written.
"""

import json
import os
import sys
import threading
from typing import Any, TextIO

from favor.errors import FavorError
from favor.io.stores import store_errors
from pipeline.execution.environment import set_up

REPORT_SECONDS = 0.5


def run_worker() -> None:
    """Does this process's shard; what stops it is told in one line."""
    set_up()
    try:
        work()
    except KeyboardInterrupt:
        sys.exit(130)
    except store_errors(FavorError) as error:
        sys.exit(f"Error: {error}")


def work() -> None:
    """Reads the options, runs, and tells whoever reads standard output how it goes."""
    told = sys.stdin.read()
    if not told:  # whoever started this process died before it could say what is to be done
        sys.exit(1)
    from pipeline.execution.runners import LocalRun
    from pipeline.options import RunOptions
    from pipeline.output.journal import Journal
    from pipeline.output.tables import table_metadata
    from transforms.in_flight import IN_FLIGHT

    say = Speaker(sys.stdout)
    sys.stdout = sys.stderr  # whatever a library prints must not end up among the lines
    options = RunOptions.from_json(told)
    run = LocalRun(options, Journal(options.output, table_metadata(options), options.labels, options.retry_policy))
    IN_FLIGHT.watch(lambda notes: say(in_flight=notes))
    done = threading.Event()

    def report() -> None:
        while not done.wait(REPORT_SECONDS):
            say(counts=run.counts())

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    run.execute()
    done.set()
    reporter.join()
    say(counts=run.counts())


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
