"""The command ``favor`` with a journal that flushes often, so that a run killed early has left results behind.

Run it with:  python benchmarks/eager.py caption FILE --workers 2 --output DIR
"""

import sys

from pipeline.execution.environment import set_up

set_up()

from pipeline.execution import supervisor  # noqa: E402 - only after set_up
from pipeline.output import record  # noqa: E402 - only after set_up

WORKER = "worker"


def main() -> None:
    record.FLUSH_SECONDS = 0.05
    supervisor.WORKER_COMMAND = (sys.executable, __file__, WORKER)
    if sys.argv[1:] == [WORKER]:
        from pipeline.execution.worker import run_worker as work

        work()
    else:
        from jobs.main import main as favor

        favor()


if __name__ == "__main__":
    main()
