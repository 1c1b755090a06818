"""Peak memory of `favor caption` over 20 and over 200 short files, by the processes' own accounting.

Run it with:  python benchmarks/memory.py
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from corpus import copies

SMALL, LARGE = 20, 200


def peak_mb(corpus: Path, output: Path) -> float:
    """Returns the peak resident memory of one run in MB."""
    command = [sys.executable, "-m", "jobs.main", "caption", str(corpus), "-o", str(output), "--max-new-tokens", "16"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{command} ended with {status}"
    return usage.ru_maxrss / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        peaks = {
            count: peak_mb(copies(Path(scratch, f"corpus{count}"), count), Path(scratch, f"out{count}"))
            for count in (SMALL, LARGE)
        }
    for count, peak in peaks.items():
        print(f"{count} files: {peak:.0f} MB")
    print(f"ratio {peaks[LARGE] / peaks[SMALL]:.3f} (at most 1.1)")


if __name__ == "__main__":
    main()
