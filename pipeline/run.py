"""A whole run: check the output, do the work in sight of the user, build the tables, add up."""

import contextlib
import dataclasses
import datetime
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from favor.errors import FavorError
from favor.io.stores import find_store, store_errors
from favor.media.corpus.listing import absolute_uri
from favor.structs import to_json
from pipeline.inputs import united
from pipeline.options import RunOptions
from pipeline.output.dataset import build
from pipeline.output.directory import JOURNAL, RUN_FILE, OutputDirectory
from pipeline.output.formats import FORMATS, check_partition, clear, directory
from pipeline.output.heartbeat import heartbeat
from pipeline.output.journal import Journal
from pipeline.output.lease import Lease
from pipeline.output.metadata import file_metadata
from pipeline.output.reader import differences, parsed
from pipeline.output.schema import SCHEMA_VERSION, check_schema
from pipeline.output.tables import TABLES
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
    storage = OutputDirectory(options.output.directory)
    check_output(options.output.directory, options.corpus.patterns)
    with _used_as_output(storage):
        Lease(storage)
        before, after = agreed(storage, options, overwrite)
    options = dataclasses.replace(
        options,
        corpus=dataclasses.replace(options.corpus, labels=after["labels"]),
        execution=options.execution.settled(options.model.placement.device),
    )

    from pipeline.execution.runners import make_run  # Beam takes seconds to import, and only now is it needed

    journal = open_journal(options)
    work = make_run(options, journal)
    with _used_as_output(storage):
        lease = Lease(storage)  # another run may have begun while Beam was imported
        claim(storage, before, after, overwrite)
    with heartbeat(work.counts, storage, lease.stop_if_lost):
        lease.check()
        with shown(work.counts):
            work.execute()
        worked = time.monotonic()
        rows = build(journal, options.corpus.tables, options.output.layout)
    ended = time.monotonic()
    summary = Summary(options, work.counts(), rows, started, ended - start, ended - worked)
    summary.write(storage)
    return summary


@contextlib.contextmanager
def _used_as_output(storage: OutputDirectory) -> Iterator[None]:
    """Says of what a store raises in the block that it is about the output."""
    try:
        yield
    except store_errors(NotImplementedError) as error:
        raise FavorError(f"cannot use {storage.root} as --output: {error}") from error


def open_journal(options: RunOptions) -> Journal:
    """Opens the journal of a run, in whichever of its processes."""
    card = options.model.card
    metadata = file_metadata(json.dumps(to_json(options), sort_keys=True), card.name, card.trained)
    return Journal(options.output.directory, metadata, options.corpus.labels, options.output.retry_policy)


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


Made = dict[str, Any]  # how the rows of an output are made, which is the content of its ``run.json``


def agreed(storage: OutputDirectory, options: RunOptions, overwrite: bool) -> tuple[Made, Made]:
    """Makes sure that all rows of a table are made in one way; nothing is written.

    Args:
        storage: the output.
        options: of a run.
        overwrite: whether what the output holds is going to be thrown away.

    Returns:
        How the rows of the output were made, and how they are made together with those of the run.

    Raises:
        FavorError: if a table was made in another way, or by an older version; the message says what differs.
    """
    made = None if overwrite else storage.read(RUN_FILE)
    before: Made = {} if made is None else parsed(made, storage, RUN_FILE)
    if made is not None:
        check_schema(before, storage.root)
        _check_current(before, storage.root)
    filled, settings = sorted(options.corpus.tables), options.identity.settings
    tables = before.get("tables", {})
    _check_settings({table: tables[table] for table in filled if table in tables}, settings, storage.root)
    labels = united(before.get("labels", {}), options.corpus.labels, f"this run into {storage.root}")
    check_partition(options.output.layout.partition_by, labels)
    return before, {
        "schema": SCHEMA_VERSION,
        "labels": labels,
        "tables": {**tables, **dict.fromkeys(filled, settings)},
    }


def claim(storage: OutputDirectory, before: Made, after: Made, overwrite: bool) -> None:
    """Writes into an output how its rows are made from now on, as `agreed` has found it.

    Args:
        storage: the output.
        before: how its rows were made.
        after: how they are made.
        overwrite: throw away what it holds.
    """
    if overwrite:
        for name in (JOURNAL, RUN_FILE):
            storage.remove(storage.path(name))
        for table, format in itertools.product(TABLES, FORMATS):
            clear(storage, directory(table, format))
    if after != before:
        storage.write(json.dumps(after, indent=2).encode(), RUN_FILE)


def _check_current(made: Made, output: str) -> None:
    """Refuses what an older version has written: its rows have other ids, so that all would be done again."""
    if made.get("schema") != SCHEMA_VERSION:
        raise FavorError(
            f"{output} was written by an older favor, with tables of schema {made.get('schema', 1)}; status and diff "
            "read it, but a run cannot go on in it. Choose another --output, or --overwrite to start anew"
        )


def _check_settings(tables: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any], output: str) -> None:
    different = [
        f"{table}: {name} {old!r}, now {new!r}"
        for table, made in tables.items()
        for name, old, new in differences(made, settings)
    ]
    if different:
        raise FavorError(
            f"{output} holds rows made with other settings, {'; '.join(different)}. "
            "Choose another --output, the old options, or --overwrite to start anew"
        )
