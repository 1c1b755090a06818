"""Reading an output of this version or an older one: its settings, the progress of the run, and its tables."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from favor.errors import FavorError
from pipeline.output.directory import JOURNAL, PROGRESS_FILE, REPORT_FILE, RUN_FILE, OutputDirectory
from pipeline.output.heartbeat import Heartbeat
from pipeline.output.schema import check_schema
from transforms.rows import ANSWERS, CAPTIONS, TRANSCRIPTS

if TYPE_CHECKING:
    import pyarrow.dataset  # otherwise imported only to read rows: `favor status` takes a tenth of a second

# Before schema 3, all tables had the same settings, which were stored next to these keys.
NO_SETTINGS = ("schema", "labels")
OLD_TABLES = (CAPTIONS, ANSWERS, TRANSCRIPTS)


@dataclasses.dataclass(frozen=True)
class OutputReader:
    """An output opened for reading.

    Attributes:
        storage: the output directory.
        label_types: the columns that its rows carry from manifests, and their types.
        settings: the model and other settings of its rows, by table, as JSON values.
    """

    storage: OutputDirectory
    label_types: Mapping[str, str]
    settings: Mapping[str, Mapping[str, Any]]

    def heartbeat(self) -> Heartbeat:
        """Returns the last heartbeat of the last run into this output.

        Raises:
            FavorError: if there is none.
        """
        found = Heartbeat.read(self.storage)
        if found is None:
            raise no_output(self.storage, PROGRESS_FILE)
        return found

    def report(self) -> dict[str, Any] | None:
        """Returns the report of the last run that was completed, or None if there is none."""
        content = self.storage.read(REPORT_FILE)
        return None if content is None else parsed(content, self.storage, REPORT_FILE)

    def tables(self) -> tuple[str, ...]:
        """Returns the names of the tables that this output holds."""
        from pipeline.output.tables import TABLES

        return tuple(name for name in TABLES if self._files(name)[1])

    def table(self, name: str) -> pyarrow.dataset.Dataset:
        """Returns the rows of a table, which may be empty.

        While the table has no Parquet files, the rows are those of the journal: unordered, possibly with duplicates,
        and with a row for each attempt of a failure.
        """
        import pyarrow.dataset
        from pyarrow.fs import FSSpecHandler, PyFileSystem

        from pipeline.output.tables import TABLES

        root, files = self._files(name)
        schema = TABLES[name].with_labels(self.label_types)
        factory = pyarrow.dataset.FileSystemDatasetFactory(
            PyFileSystem(FSSpecHandler(self.storage.filesystem)),
            files,
            pyarrow.dataset.ParquetFileFormat(),
            pyarrow.dataset.FileSystemFactoryOptions(
                partition_base_dir=root,
                partitioning=pyarrow.dataset.HivePartitioning(schema, null_fallback=""),
            ),
        )
        return factory.finish(schema)

    def _files(self, name: str) -> tuple[str, list[str]]:
        """Returns the directory and the Parquet files of a table, or of its rows in the journal."""
        from pipeline.output.formats import PARQUET, directory

        for place in (directory(name, PARQUET), (JOURNAL, name)):
            if files := self.storage.list(*place, suffix=f".{PARQUET}"):
                break
        return self.storage.path(*place), files


def open_output(uri: str) -> OutputReader:
    """Opens an output for reading, even while a run writes to it.

    Args:
        uri: the output directory, a local path or any fsspec URL.

    Raises:
        FavorError: if it is not an output, or was written by a newer version.
        OSError: if it cannot be read.
    """
    storage = OutputDirectory(uri)
    content = storage.read(RUN_FILE)
    if content is None:
        raise no_output(storage, RUN_FILE)
    made = parsed(content, storage, RUN_FILE)
    check_schema(made, storage.root)
    return OutputReader(storage, made.get("labels", {}), made["tables"] if "tables" in made else _old_settings(made))


def no_output(storage: OutputDirectory, missing: str) -> FavorError:
    """Returns the error for a directory that no run has written to."""
    return FavorError(f"{storage.root} is no output of favor caption, qa or transcribe: it holds no {missing}")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yields the name of each setting that differs, and its values before and after, which are None if it is not set.

    Args:
        before: settings as JSON values; nested ones are named ``outer.inner``.
        after: the settings to compare with.
    """
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from ((f"{name}.{inner}", *pair) for inner, *pair in differences(old, new))
        elif old != new:
            yield name, old, new


def parsed(content: bytes, storage: OutputDirectory, name: str) -> dict[str, Any]:
    """Returns the JSON object in a file of an output.

    Raises:
        FavorError: if the file does not hold one.
    """
    try:
        values = json.loads(content)
    except ValueError as error:
        raise FavorError(f"{storage.root}/{name} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise FavorError(f"{storage.root}/{name} holds no JSON object, so no run has written it")
    return values


def _old_settings(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    settings = {name: value for name, value in made.items() if name not in NO_SETTINGS}
    if isinstance(settings.get("generation"), str):
        settings["generation"] = json.loads(settings["generation"])
    return dict.fromkeys(OLD_TABLES, settings)
