"""Building the tables from a journal of a million rows: peak memory, and bytes read by a look-up by file.

Run it with:  python benchmarks/dataset.py
"""

import datetime
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from favor.media.corpus.files import digest
from pipeline.output.dataset import build
from pipeline.output.journal import Journal
from transforms.rows import Result

ROWS, ROWS_PER_PART, WINDOWS_PER_FILE = 1_000_000, 5_000, 20
WORDS = "a red ball rolls behind the blue box while somebody says that the bell rings twice and a dog barks".split()  # noqa: SIM905


def rows(numbers: range) -> list[Result]:
    """Generates plausible rows; neighbouring ones belong to the same file."""
    chance = random.Random(numbers.start)
    now = datetime.datetime.now(datetime.UTC)
    return [_row(number, " ".join(chance.choices(WORDS, k=40)), now) for number in numbers]


def _row(number: int, text: str, now: datetime.datetime) -> Result:
    file, window = divmod(number, WINDOWS_PER_FILE)
    uri = f"gs://archive/{file * 7919 % 100_000:06d}/film.mp4"
    start = window * 30_000
    return Result(
        *(digest("result", number), digest("window", number), digest(uri), uri, start, start + 30_000, "caption"),
        *("Describe what is seen and heard.", text, 50, "stop", -0.5, True, True, "favor-13b", "0123456789ab", now),
    )


def write_journal(output: str, count: int = ROWS) -> None:
    journal = Journal(output)
    for start in range(0, count, ROWS_PER_PART):
        journal.write("captions", rows(range(start, start + ROWS_PER_PART)))


def bytes_read() -> int:
    """Returns the bytes that this process has read so far, as counted by the kernel."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def look_up(output: str) -> float:
    """Returns the fraction of the table's bytes that DuckDB reads to find one file's rows by its id."""
    files = sorted(map(str, Path(output, "captions").glob("*.parquet")))
    wanted = rows(range(ROWS // 2, ROWS // 2 + 1))[0].media_id
    before = bytes_read()
    found = duckdb.execute("SELECT * FROM read_parquet(?) WHERE media_id = ?", [files, wanted]).fetchall()
    assert len(found) == WINDOWS_PER_FILE, len(found)
    return (bytes_read() - before) / sum(Path(file).stat().st_size for file in files)


def main() -> None:
    if len(sys.argv) == 3:  # the child that is measured
        start = time.perf_counter()
        print(build(Journal(sys.argv[2]), frozenset({"captions"})), f"{time.perf_counter() - start:.1f} s")
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB (less than 1000)")
        return
    with tempfile.TemporaryDirectory() as output:
        write_journal(output)
        subprocess.run([sys.executable, __file__, "build", output], check=True, env={**os.environ})
        print(f"a look-up by media_id reads {100 * look_up(output):.1f} % of the table's bytes (less than 5)")


if __name__ == "__main__":
    main()
