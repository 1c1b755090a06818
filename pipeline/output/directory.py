"""Atomic files in the output, on any filesystem: a reader sees a whole file or none."""

import contextlib
import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from favor.io.stores import store_errors

# The files next to the tables: how the rows were made, the progress of the run, and its report.
RUN_FILE, PROGRESS_FILE, REPORT_FILE = "run.json", "progress.json", "run_report.json"
JOURNAL = "journal"  # the directory of the rows that a run has written so far
UNFINISHED = re.compile(r"\..+\.[0-9a-f]{32}")  # the name of a file on disk before it is complete


class OutputDirectory:
    """The output directory; cheap to create, safe to pickle.

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
        """Returns the content of a file, or None if there is no such file."""
        try:
            with self._as_oserror():
                return self.filesystem.cat_file(self.path(*names))
        except FileNotFoundError:
            return None

    def write(self, content: bytes, *names: str) -> None:
        """Writes a file atomically: by a rename on disk, by a single put on an object store."""
        if isinstance(self.filesystem, LocalFileSystem):
            with self.writing(*names) as file:
                file.write(content)
        else:
            with self._as_oserror():
                self.filesystem.pipe_file(self.path(*names), content)

    @contextlib.contextmanager
    def writing(self, *names: str) -> Iterator[IO[bytes]]:
        """Opens a file that is too large for memory; it appears when the block ends without an error."""
        filesystem, path = self.filesystem, self.path(*names)
        if not isinstance(filesystem, LocalFileSystem):  # stores take only whole files, so it is written to disk first
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
            error.filename = error.filename or str(target)  # the error of a full disk does not name the file
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
        """Returns the sorted paths of the complete files below a subdirectory that end with the suffix."""
        return sorted(path for path in self._find(*names) if path.endswith(suffix) and not _temporary(path))

    def remove_unfinished(self, *names: str) -> None:
        """Removes unfinished files of killed processes below a subdirectory that no other process is writing to."""
        if isinstance(self.filesystem, LocalFileSystem):
            self.remove([path for path in self._find(*names) if UNFINISHED.fullmatch(path.rsplit("/", 1)[-1])])

    def remove(self, paths: Sequence[str]) -> None:
        """Removes files, if they exist; whatever else is in the directory may be the user's and stays.

        As on an object store, a directory is gone with its last file.
        """
        filesystem = self.filesystem
        if not isinstance(filesystem, LocalFileSystem):
            with self._as_oserror():
                existing = [path for path in paths if filesystem.exists(path)]
                if existing:
                    filesystem.rm(existing)
            return
        for path in map(Path, paths):
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # it is not empty
                path.parent.rmdir()

    @contextlib.contextmanager
    def _as_oserror(self) -> Iterator[None]:
        """Turns exceptions of the stores' libraries into an `OSError` that names the output."""
        try:
            yield
        except OSError:
            raise
        except store_errors() as error:
            raise OSError(f"{self.root} cannot be used: {error}") from error


def _temporary(path: str) -> bool:
    return path.rsplit("/", 1)[-1].startswith(".")
