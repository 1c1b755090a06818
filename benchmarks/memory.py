"""Peak memory of `favor caption` over few and over many short files, as reported by the kernel.

It is that of the largest process, the one with the model; `decode_memory.py` measures that of the decoder.

    python benchmarks/memory.py [FEW MANY]
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from corpus import copies

FEW_AND_MANY = (200, 2000)


def peak_mb(corpus: Path, output: Path) -> float:
    """Returns the peak resident memory of one run in MB."""
    command = [sys.executable, "-m", "jobs.main", "caption", str(corpus), "-o", str(output), "--max-new-tokens", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{command} ended with {status}"
    return usage.ru_maxrss / 1024


def main() -> None:
    few, many = map(int, sys.argv[1:3]) if sys.argv[1:] else FEW_AND_MANY
    peaks = {}
    with tempfile.TemporaryDirectory() as scratch:
        for count in (few, many):
            peaks[count] = peak_mb(copies(Path(scratch, f"corpus{count}"), count), Path(scratch, f"out{count}"))
            print(f"{count} files: {peaks[count]:.0f} MB", flush=True)
    print(f"ratio {peaks[many] / peaks[few]:.3f} (at most 1.1)")


if __name__ == "__main__":
    main()
