"""A whole run: check the output, process the corpus, build the tables and report."""

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
from pipeline.output.directory import REPORT_FILE, RUN_FILE, OutputDirectory
from pipeline.output.formats import FORMATS, check_partition, clear, directory
from pipeline.output.heartbeat import heartbeat
from pipeline.output.journal import Journal, clear_journal
from pipeline.output.lease import Lease
from pipeline.output.metadata import file_metadata
from pipeline.output.reader import differences, parsed
from pipeline.output.schema import SCHEMA_VERSION, check_schema
from pipeline.output.tables import TABLES
from pipeline.reporting.progress import shown
from pipeline.reporting.report import Summary


def run(options: RunOptions, overwrite: bool = False) -> Summary:
    """Executes a run; results that the output already holds are not computed again.

    Args:
        options: the options of the run.
        overwrite: delete what the output holds and start from scratch.

    Returns:
        The summary of the run; the caller decides what to do about missing windows.

    Raises:
        FavorError: if another run writes to the output, it holds rows made with other settings, or a worker died.
        OSError: if the output cannot be written.
    """
    started, start = datetime.datetime.now(datetime.UTC), time.monotonic()
    storage = OutputDirectory(options.output.directory)
    check_output(options.output.directory, options.corpus.patterns)
    with _used_as_output(storage):
        Lease(storage)
        _, after = agreed(storage, options, overwrite)
    options = dataclasses.replace(
        options,
        corpus=dataclasses.replace(options.corpus, labels=after["labels"]),
        execution=options.execution.settled(options.model.placement.device),
    )

    from pipeline.execution.runners import make_run  # Beam takes seconds to import, and is needed only from here on

    journal = open_journal(options)
    work = make_run(options, journal)
    with _used_as_output(storage):
        lease = Lease(storage)  # another run may have started while Beam was imported
        claim(storage, *agreed(storage, options, overwrite), overwrite)
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
    """Turns what a store raises in the block into an error that names the output."""
    try:
        yield
    except store_errors(NotImplementedError) as error:
        raise FavorError(f"cannot use {storage.root} as --output: {error}") from error


def open_journal(options: RunOptions) -> Journal:
    """Opens the journal of a run, in any of its processes."""
    card = options.model.card
    metadata = file_metadata(json.dumps(to_json(options), sort_keys=True), card.name, card.trained)
    return Journal(options.output.directory, metadata, options.corpus.labels, options.output.retry_policy)


def check_output(output: str, corpus: tuple[str, ...]) -> None:
    """Checks that an output can be a directory of tables.

    Raises:
        FavorError: if it is one of the patterns of the corpus, or it or one of its parents is a file.
    """
    root = absolute_uri(output).rstrip("/")
    if root in {absolute_uri(pattern).rstrip("/") for pattern in corpus}:
        raise FavorError(f"{output} is the corpus and the --output; the tables need a directory of their own")
    if not isinstance(find_store(output)[0], LocalFileSystem):
        return
    for path in (Path(root), *Path(root).parents):
        if path.is_file():
            raise FavorError(f"{path} is a file, so --output {output} cannot be a directory; choose another")


Made = dict[str, Any]  # how the rows of an output were made: the content of its ``run.json``


def agreed(storage: OutputDirectory, options: RunOptions, overwrite: bool) -> tuple[Made, Made]:
    """Checks that all rows of a table are made with the same settings; nothing is written.

    Args:
        storage: the output.
        options: the options of the run.
        overwrite: whether the contents of the output are going to be deleted.

    Returns:
        How the rows of the output were made before the run, and how they are made with it.

    Raises:
        FavorError: if ``run.json`` is invalid, or a table was made with other settings or by another version; the
            message says what differs.
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
    """Records in an output how its rows are made from now on, as returned by `agreed`.

    Args:
        storage: the output.
        before: how its rows were made before the run.
        after: how its rows are made with the run.
        overwrite: delete what earlier runs have written to the output.
    """
    if overwrite:
        clear_journal(storage)
        for table, format in itertools.product(TABLES, FORMATS):
            clear(storage, directory(table, format))
        storage.remove([storage.path(name) for name in (RUN_FILE, REPORT_FILE)])
    if after != before:
        storage.write(json.dumps(after, indent=2).encode(), RUN_FILE)


def _check_current(made: Made, output: str) -> None:
    """Rejects an output of an older version: its rows have other ids, so that all would be computed again."""
    if made.get("schema") != SCHEMA_VERSION:
        raise FavorError(
            f"{output} was written by an older favor, with tables of schema {made.get('schema', 1)}; status and diff "
            "read it, but a run cannot continue in it. Choose another --output, or --overwrite to start from scratch"
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
            "Choose another --output, the old options, or --overwrite to start from scratch"
        )
