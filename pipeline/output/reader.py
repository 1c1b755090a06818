"""Reading an output, of this version or an older one: how its rows were made, how the run got on, and its tables."""

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
    import pyarrow.dataset  # only whoever reads rows waits for it: the status of a run takes a tenth of a second

# Before schema 3 the rows of all tables were made in one way, whose settings stood beside these.
NO_SETTINGS = ("schema", "labels")
OLD_TABLES = (CAPTIONS, ANSWERS, TRANSCRIPTS)


@dataclasses.dataclass(frozen=True)
class OutputReader:
    """An output that is open for reading.

    Attributes:
        storage: where it is.
        label_types: the columns that its rows carry from manifests, and their types.
        settings: the model and whatever else its rows were made with, by table; each as JSON values.
    """

    storage: OutputDirectory
    label_types: Mapping[str, str]
    settings: Mapping[str, Mapping[str, Any]]

    def heartbeat(self) -> Heartbeat:
        """Returns how far the last run into it has come.

        Raises:
            FavorError: if no run has left word of it.
        """
        found = Heartbeat.read(self.storage)
        if found is None:
            raise no_output(self.storage, PROGRESS_FILE)
        return found

    def report(self) -> dict[str, Any] | None:
        """Returns the report of the last run that came to its end, or None if there is none."""
        content = self.storage.read(REPORT_FILE)
        return None if content is None else parsed(content, self.storage, REPORT_FILE)

    def tables(self) -> tuple[str, ...]:
        """Returns the names of the tables that it holds."""
        from pipeline.output.tables import TABLES

        return tuple(name for name in TABLES if self._files(name)[1])

    def table(self, name: str) -> pyarrow.dataset.Dataset:
        """Returns the rows of a table, which is empty if there are none.

        While there are no Parquet files of it, the rows are those of the journal: in no order, a row that was written
        twice comes twice, and of a failure each attempt has a row.
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
        """Returns the Parquet files of a table, or of its rows in the journal, and the directory that they are in."""
        from pipeline.output.formats import PARQUET, directory

        for place in (directory(name, PARQUET), (JOURNAL, name)):
            if files := self.storage.list(*place, suffix=f".{PARQUET}"):
                break
        return self.storage.path(*place), files


def open_output(uri: str) -> OutputReader:
    """Opens what a run has written, or is writing.

    Args:
        uri: the output directory, a local path or any fsspec URL.

    Raises:
        FavorError: if it is no output, or a newer version has written it.
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
    """Returns the error about a directory that no run has written into."""
    return FavorError(f"{storage.root} is no output of favor caption, qa or transcribe: it holds no {missing}")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yields the name of each setting that is not the same, and what it is before and after; None where it is not set.

    Args:
        before: some settings as JSON values; those inside of others are named ``outer.inner``.
        after: other ones.
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
        FavorError: if there is none in it.
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
