"""A whole run: check the output, do the work in sight of the user, build the tables, add up."""

from __future__ import annotations

import dataclasses
import datetime
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsspec.implementations.local import LocalFileSystem

from favor.errors import FavorError
from favor.io.stores import find_store, store_errors
from favor.media.corpus.listing import absolute_uri
from favor.structs import to_json
from pipeline.inputs import united
from pipeline.options import CorpusOptions, RunOptions
from pipeline.output.directory import RUN_FILE, OutputDirectory
from pipeline.output.formats import check_partition
from pipeline.output.heartbeat import heartbeat
from pipeline.output.lease import Lease
from pipeline.output.metadata import file_metadata
from pipeline.output.reader import differences
from pipeline.output.tables import SCHEMA_VERSION, check_schema
from pipeline.reporting.progress import shown
from pipeline.reporting.report import Summary

if TYPE_CHECKING:
    from pipeline.output.journal import Journal


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
    output, corpus = options.output, options.corpus
    storage = OutputDirectory(output.directory)
    check_output(output.directory, corpus.patterns)
    execution = options.execution.settled(options.model.placement.device)
    try:
        lease = Lease(storage)
        labels = claim(storage, options.identity.settings, corpus, output.layout.partition_by, overwrite)
    except store_errors(NotImplementedError) as error:
        raise FavorError(f"cannot use {output.directory} as --output: {error}") from error
    options = dataclasses.replace(options, corpus=dataclasses.replace(corpus, labels=labels), execution=execution)

    from pipeline.execution.runners import make_run  # Beam takes seconds to import, and only now is it needed
    from pipeline.output.dataset import build

    journal = open_journal(options)
    work = make_run(options, journal)
    with heartbeat(work.counts, storage, lease.stop_if_lost):
        lease.check()
        with shown(work.counts):
            work.execute()
        worked = time.monotonic()
        rows = build(journal, corpus.tables, output.layout)
    ended = time.monotonic()
    summary = Summary(options, work.counts(), rows, started, ended - start, ended - worked)
    summary.write(storage)
    return summary


def open_journal(options: RunOptions) -> Journal:
    """Opens the journal of a run, in whichever of its processes."""
    from pipeline.output.journal import Journal

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


def claim(
    storage: OutputDirectory,
    settings: Mapping[str, Any],
    corpus: CorpusOptions,
    partition_by: str | None,
    overwrite: bool,
) -> dict[str, str]:
    """Makes sure that all rows of a table are made in one way, which is written in ``run.json``.

    Args:
        storage: the output.
        settings: the way in which the rows of this run are made.
        corpus: what is read; its questions decide which tables are filled.
        partition_by: the column by whose values the tables are to be divided into directories.
        overwrite: throw away what the output holds.

    Returns:
        The labels of this run, and those that the output's rows have already.

    Raises:
        FavorError: if a table was made in another way, or by an older version; the message says what differs.
    """
    if overwrite:
        for name in ("journal", RUN_FILE):
            storage.remove(storage.path(name))
    made = storage.read(RUN_FILE)
    before: dict[str, Any] = {} if made is None else json.loads(made)
    if made is not None:
        check_schema(before, storage.root)
        _check_current(before, storage.root)
    tables = before.get("tables", {})
    different = [
        f"{table}: {name} {old!r}, now {new!r}"
        for table in sorted(corpus.tables & set(tables))
        for name, old, new in differences(tables[table], settings)
    ]
    if different:
        raise FavorError(
            f"{storage.root} holds rows made with other settings, {'; '.join(different)}. "
            "Choose another --output, the old options, or --overwrite to start anew"
        )
    labels = united(before.get("labels", {}), corpus.labels, f"this run into {storage.root}")
    check_partition(partition_by, labels)
    tables = {**tables, **dict.fromkeys(sorted(corpus.tables), settings)}
    after = {"schema": SCHEMA_VERSION, "labels": labels, "tables": tables}
    if after != before:
        storage.write(json.dumps(after, indent=2).encode(), RUN_FILE)
    return labels


def _check_current(made: Mapping[str, Any], output: str) -> None:
    """Refuses what an older version has written: its rows have other ids, so that all would be done again."""
    if made.get("schema") != SCHEMA_VERSION:
        raise FavorError(
            f"{output} was written by an older favor, with tables of schema {made.get('schema', 1)}; status and diff "
            f"read it, but a run cannot go on in it. Choose another --output, or --overwrite to start anew"
        )
