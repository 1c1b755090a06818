"""Whole files in the output, on any filesystem: a reader sees all of a file or none of it."""

import contextlib
import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from favor.io.stores import store_errors

# What lies beside the tables: how the rows were made, how far the run is, and what it came to.
RUN_FILE, PROGRESS_FILE, REPORT_FILE = "run.json", "progress.json", "run_report.json"
JOURNAL = "journal"  # the directory of the rows that a run has written so far
UNFINISHED = re.compile(r"\..+\.[0-9a-f]{32}")  # the name of a file on disk before it is whole


class OutputDirectory:
    """A directory of the output; cheap to make, safe to pickle.

    Args:
        root: a local path or any fsspec URL.
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")

    @property
    def filesystem(self) -> fsspec.AbstractFileSystem:
        """The filesystem that holds the directory; fsspec keeps one instance per process."""
        return fsspec.core.url_to_fs(self.root)[0]

    def path(self, *names: str) -> str:
        """Returns a path inside the directory, as the filesystem knows it."""
        return "/".join([fsspec.core.url_to_fs(self.root)[1].rstrip("/"), *names])

    def read(self, *names: str) -> bytes | None:
        """Returns a file's content, or None where there is no such file."""
        try:
            with self._as_oserror():
                return self.filesystem.cat_file(self.path(*names))
        except FileNotFoundError:
            return None

    def write(self, content: bytes, *names: str) -> None:
        """Writes a whole file: temporary name and rename on disk, one put, which is atomic, on an object store."""
        if isinstance(self.filesystem, LocalFileSystem):
            with self.writing(*names) as file:
                file.write(content)
        else:
            with self._as_oserror():
                self.filesystem.pipe_file(self.path(*names), content)

    @contextlib.contextmanager
    def writing(self, *names: str) -> Iterator[IO[bytes]]:
        """Opens a file that is too large for memory; it is there when the block ends, unless an error ends it."""
        filesystem, path = self.filesystem, self.path(*names)
        if not isinstance(filesystem, LocalFileSystem):  # stores put whole files, so it grows on disk first
            with tempfile.NamedTemporaryFile() as file:
                yield file
                file.flush()
                with self._as_oserror():
                    filesystem.put_file(file.name, path)
            return
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except OSError as error:
            error.filename = error.filename or str(target)  # a full disk does not say which file it was
            raise
        finally:
            temporary.unlink(missing_ok=True)

    def _find(self, *names: str) -> list[str]:
        filesystem = self.filesystem
        filesystem.invalidate_cache()
        try:
            with self._as_oserror():
                return filesystem.find(self.path(*names))
        except FileNotFoundError:
            return []

    def list(self, *names: str, suffix: str) -> list[str]:
        """Returns the sorted paths of the files below a subdirectory that end with the suffix."""
        return sorted(path for path in self._find(*names) if path.endswith(suffix) and not _temporary(path))

    def remove_unfinished(self, *names: str) -> None:
        """Removes what processes that were killed have left below a subdirectory, where nobody else may be writing."""
        if isinstance(self.filesystem, LocalFileSystem):
            for path in self._find(*names):
                if UNFINISHED.fullmatch(path.rsplit("/", 1)[-1]):
                    self.remove(path)

    def remove(self, path: str) -> None:
        """Removes a file, or everything in a directory; it is fine if there is nothing."""
        with self._as_oserror():
            if self.filesystem.exists(path):
                self.filesystem.rm(path, recursive=True)

    @contextlib.contextmanager
    def _as_oserror(self) -> Iterator[None]:
        """Makes what the libraries of stores raise an `OSError` that names the output."""
        try:
            yield
        except OSError:
            raise
        except store_errors() as error:
            raise OSError(f"{self.root} cannot be used: {error}") from error


def _temporary(path: str) -> bool:
    return path.rsplit("/", 1)[-1].startswith(".")
