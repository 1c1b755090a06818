"""Start-up cost: CPU seconds of commands that need no model, and of imports.

    python benchmarks/starting.py [--compare CHECKOUT]

Each row is the median of five runs, in user plus system time, of a separate process that imports this checkout; with
``--compare`` there is a second column for another checkout. ``favor status`` and ``favor diff`` read an output that a
run of the same checkout has written.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILM = ROOT / "samples" / "rotated.mp4"
ROUNDS = 5
FAVOR = ("-m", "jobs.main")
CASES = {
    "favor --help": (*FAVOR, "--help"),
    "favor status DIR": (*FAVOR, "status", "made"),
    "favor diff A B": (*FAVOR, "diff", "made", "made"),
    "favor plan FILM --no-calibrate": (*FAVOR, "plan", str(FILM), "--no-calibrate"),
    "a path that does not exist": (*FAVOR, "caption", "gone.mp4", "-o", "out"),
    "a model that does not exist": (*FAVOR, "caption", str(FILM), "-o", "out", "--model", "favor-9000"),
    "import favor": ("-c", "import favor"),
    "import pipeline.options": ("-c", "import pipeline.options"),
}


def cpu_seconds(arguments: tuple[str, ...], checkout: Path, folder: Path) -> float:
    """Returns the CPU seconds of a process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(arguments, checkout, folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(arguments: tuple[str, ...], checkout: Path, folder: Path) -> None:
    """Runs Python in a folder on the modules of a checkout, ignoring its output and exit status."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True)


def measure(checkout: Path) -> dict[str, float]:
    """Returns the median of each case."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        run((*FAVOR, "caption", str(FILM), "-o", "made", "--max-new-tokens", "1"), checkout, folder)
        assert (folder / "made" / "run_report.json").exists(), f"the run of {checkout} failed"
        return {
            case: statistics.median(cpu_seconds(arguments, checkout, folder) for _ in range(ROUNDS))
            for case, arguments in CASES.items()
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare", type=Path, metavar="CHECKOUT", help="Checkout of another version.")
    options = parser.parse_args()
    columns = {"here": measure(ROOT)}
    if options.compare:
        columns = {"there": measure(options.compare.absolute()), **columns}
    print(f"{'CPU seconds':32}" + "".join(f"{name:>8}" for name in columns))
    for case in CASES:
        print(f"{case:32}" + "".join(f"{column[case]:8.2f}" for column in columns.values()))


if __name__ == "__main__":
    main()
