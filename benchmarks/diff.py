"""Comparing two runs of 200,000 rows, a tenth of which differ: time and peak memory of the comparing process.

Run it with:  python benchmarks/diff.py
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
from dataset import write_journal

from pipeline.output.dataset import build
from pipeline.output.directory import RUN_FILE
from pipeline.output.journal import Journal
from pipeline.reporting.diff import compare

ROWS = 200_000
CHANGED = "SELECT * REPLACE (CASE WHEN hash(result_id) % 10 = 0 THEN text || ' again' ELSE text END AS text)"


def write_outputs(a: str, b: str) -> None:
    """Writes the output of a run, and a second one with different texts in a tenth of the rows."""
    write_journal(a, ROWS)
    build(Journal(a), frozenset({"captions"}))
    Path(b, "captions").mkdir(parents=True)
    duckdb.execute(f"COPY ({CHANGED} FROM '{a}/captions/*.parquet') TO '{b}/captions/part-00000.parquet'")
    for output in (a, b):
        Path(output, RUN_FILE).write_text(json.dumps({"model": "favor-13b"}))


def main() -> None:
    if len(sys.argv) == 3:  # the child that is measured
        start = time.perf_counter()
        captions = compare(sys.argv[1], sys.argv[2]).tables["captions"]
        assert captions.equal + captions.changed == ROWS, captions
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{captions}\n{time.perf_counter() - start:.1f} s, peak memory {peak:.0f} MB (less than 1000)")
        return
    with tempfile.TemporaryDirectory() as scratch:
        outputs = [f"{scratch}/a", f"{scratch}/b"]
        write_outputs(*outputs)
        subprocess.run([sys.executable, __file__, *outputs], check=True)


if __name__ == "__main__":
    main()
