"""Listing a corpus from a manifest of a million rows: peak memory above that of the idle process, and CPU seconds.

Run it with:  python benchmarks/manifest.py
"""

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from favor.media.corpus.manifests import read_head
from favor.media.corpus.selection import Selection
from transforms.elements import WHOLE_CORPUS
from transforms.listing import Lister
from transforms.metrics import Tally

ROWS = 1_000_000


def row(number: int) -> dict[str, object]:
    """Generates a plausible row."""
    uri = f"gs://archive/{number * 7919 % ROWS:07d}/film.mp4"
    return {"uri": uri, "start": number % 60, "end": number % 60 + 30.5, "id": f"s{number}", "language": "de"}


def write(directory: Path) -> list[Path]:
    """Writes the manifest in all three formats; the Parquet file is one row group, the worst case."""
    lines, table, parquet = (directory / f"manifest.{suffix}" for suffix in ("jsonl", "csv", "parquet"))
    with lines.open("w") as file:
        file.writelines(json.dumps(row(number)) + "\n" for number in range(ROWS))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row(0)))
        writer.writeheader()
        writer.writerows(map(row, range(ROWS)))
    columns = pa.Table.from_pylist([row(number) for number in range(ROWS)])
    pq.write_table(columns, parquet, row_group_size=ROWS)
    return [lines, table, parquet]


def list_all(path: str, share: float) -> None:
    """Lists the manifest in this process like the first stage of a run, and prints memory and time."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    lister = Lister(WHOLE_CORPUS, Tally(), Selection(share=share), read_head(path).label_types)
    listed = sum(1 for _ in lister.list([path]))
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    seconds = time.process_time() - start
    print(f"{Path(path).suffix}, sample {share:.0%}: {listed} rows, {peak:.0f} MB, {seconds:.1f} s of CPU", flush=True)


def main() -> None:
    if len(sys.argv) == 3:  # the child that is measured
        list_all(sys.argv[1], float(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as scratch:
        script = f"import manifest, pathlib; manifest.write(pathlib.Path({scratch!r}))"  # its memory is not inherited
        subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parent)
        for path in sorted(Path(scratch).iterdir()):
            for share in ("1", "0.01"):
                subprocess.run([sys.executable, __file__, str(path), share], check=True)


if __name__ == "__main__":
    main()
