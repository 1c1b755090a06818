"""A whole run: check the output, do the work in sight of the user, build the tables, add up."""

import dataclasses
import datetime
import json
import time
from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from favor.errors import FavorError
from favor.io.stores import find_store, store_errors
from favor.media.corpus.listing import absolute_uri
from pipeline.execution.runners import make_run
from pipeline.inputs import united
from pipeline.options import RunOptions
from pipeline.output.dataset import build
from pipeline.output.directory import RUN_FILE, OutputDirectory
from pipeline.output.formats import check_partition
from pipeline.output.heartbeat import heartbeat
from pipeline.output.journal import Journal
from pipeline.output.lease import Lease
from pipeline.output.tables import SCHEMA_VERSION, check_schema, table_metadata
from pipeline.reporting.progress import shown
from pipeline.reporting.report import Summary


def run(options: RunOptions, overwrite: bool = False) -> Summary:
    """Does what is asked for; what the output holds already is not done again.

    Args:
        options: what is to be done.
        overwrite: start anew instead, and throw away what the output holds.

    Returns:
        The figures; the caller decides what it makes of missing windows.

    Raises:
        FavorError: if another run writes there, the output holds rows that were made in another way, or a worker died.
        OSError: if the output cannot be written.
    """
    started, start = datetime.datetime.now(datetime.UTC), time.monotonic()
    storage = OutputDirectory(options.output)
    check_output(options.output, options.corpus)
    try:
        lease = Lease(storage)
        options = claim(storage, options, overwrite)
    except store_errors(NotImplementedError) as error:
        raise FavorError(f"cannot use {options.output} as --output: {error}") from error
    journal = Journal(options.output, table_metadata(options), options.labels, options.retry_policy)
    work = make_run(options, journal)
    with heartbeat(work.counts, storage, lease.stop_if_lost):
        lease.check()
        with shown(work.counts):
            work.execute()
        worked = time.monotonic()
        rows = build(journal, options.tables, options.layout)
    ended = time.monotonic()
    summary = Summary(options, work.counts(), rows, started, ended - start, ended - worked)
    summary.write(storage)
    return summary


def check_output(output: str, corpus: tuple[str, ...]) -> None:
    """Makes sure that an output can be a directory of tables.

    Raises:
        FavorError: if it cannot.
    """
    root = absolute_uri(output).rstrip("/")
    if root in {absolute_uri(pattern).rstrip("/") for pattern in corpus}:
        raise FavorError(f"{output} is the corpus and the --output; the tables need a directory of their own")
    if not isinstance(find_store(output)[0], LocalFileSystem):
        return
    for path in (Path(root), *Path(root).parents):
        if path.is_file():
            raise FavorError(f"{path} is a file, so --output {output} cannot be a directory; choose another")


def claim(storage: OutputDirectory, options: RunOptions, overwrite: bool) -> RunOptions:
    """Makes sure that all rows of an output are made in one way, which is written in ``run.json``.

    Returns:
        The options, with the labels that the output's rows have already.

    Raises:
        FavorError: if the output was made in another way; the message says what differs.
    """
    if overwrite:
        for name in ("journal", RUN_FILE):
            storage.remove(storage.path(name))
    made = storage.read(RUN_FILE)
    wanted = dataclasses.asdict(options.identity)
    before = wanted if made is None else json.loads(made)
    check_schema(before, storage.root)
    different = [
        f"{name} {before.get(name)!r}, now {value!r}" for name, value in wanted.items() if value != before.get(name)
    ]
    if different:
        raise FavorError(
            f"{storage.root} holds rows made with {'; '.join(different)}. "
            "Choose another --output, the old options, or --overwrite to start anew"
        )
    labels = united(before.get("labels", {}), options.labels, f"this run into {storage.root}")
    check_partition(options.layout.partition_by, labels)
    after = {**wanted, "schema": SCHEMA_VERSION, "labels": labels}
    if made is None or after != before:
        storage.write(json.dumps(after, indent=2).encode(), RUN_FILE)
    return dataclasses.replace(options, labels=labels)
