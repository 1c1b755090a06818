"""One of several worker processes: options come as JSON on standard input, counts leave as JSON lines."""

import json
import os
import sys
import threading

from favor.errors import FavorError
from favor.media.stores import store_errors
from pipeline.environment import set_up

REPORT_SECONDS = 0.5


def main() -> None:
    """Does this process's shard; what stops it is told in one line."""
    set_up()
    try:
        work()
    except KeyboardInterrupt:
        sys.exit(130)
    except store_errors(FavorError) as error:
        sys.exit(f"Error: {error}")


def work() -> None:
    """Reads the options, runs, and reports the counts twice a second."""
    from pipeline.journal import Journal
    from pipeline.options import RunOptions
    from pipeline.report import table_metadata
    from pipeline.runners import LocalRun

    counts_out, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints must not end up among the counts
    options = RunOptions.from_json(sys.stdin.read())
    run = LocalRun(options, Journal(options.output, table_metadata(options), options.labels))
    done = threading.Event()

    def report() -> None:
        while not done.wait(REPORT_SECONDS):
            try:
                print(json.dumps(run.counts()), file=counts_out, flush=True)
            except BrokenPipeError:  # whoever started this process is gone, and nobody would end it
                os._exit(1)

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    run.execute()
    done.set()
    reporter.join()
    print(json.dumps(run.counts()), file=counts_out, flush=True)


if __name__ == "__main__":
    main()
