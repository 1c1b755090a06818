"""A Beam pipeline of your own that asks a model about files, and is not stopped by files that cannot be read.

python examples/own_pipeline.py films/*.mp4
"""

import sys

import apache_beam as beam

from transforms import AnswerRequests

QUESTION = "What makes the sound?"


def run(paths: list[str]) -> None:
    """Prints an answer for each window of each file, and the failures."""
    with beam.Pipeline("FnApiRunner") as pipeline:
        requests = pipeline | beam.Create([(path, path, QUESTION) for path in paths])
        outcome = requests | AnswerRequests(model="favor-mini")
        outcome["answers"] | beam.MapTuple(lambda path, row: print(path, row.start_ms, row.text, sep="\t"))
        outcome["failures"] | "Why" >> beam.MapTuple(lambda path, row: print(path, row.code, row.message, sep="\t"))


if __name__ == "__main__":
    run(sys.argv[1:])
