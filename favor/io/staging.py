"""Writing folders atomically: a folder appears complete or not at all."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from favor.errors import FavorError


@contextlib.contextmanager
def staged(output: Path, replaced: str | None = None) -> Iterator[Path]:
    """Creates an empty folder next to the output, and moves it to the output's path at the end.

    If an error is raised in between, the folder is deleted.

    Args:
        output: the folder to create.
        replaced: a file that an existing folder must contain to be replaced; None to replace nothing.

    Yields:
        The empty folder.

    Raises:
        FavorError: if the output exists and must not be replaced.
    """
    check_free(output, replaced)
    output = output.absolute()
    missing = [parent for parent in output.parents if not parent.exists()]
    partial = output.parent / f".{output.name}.{secrets.token_hex(4)}.partial"
    try:
        partial.mkdir(parents=True)
        yield partial
        _replace(output, partial)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        for parent in missing:
            with contextlib.suppress(OSError):  # another process may be using it by now
                parent.rmdir()
        raise


def check_free(output: Path, replaced: str | None) -> None:
    """Checks that a folder may be written.

    Raises:
        FavorError: if it exists and is not empty, unless it contains the file ``replaced``.
    """
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if replaced is None:
        raise FavorError(f"{output} already exists; give another folder, or --overwrite to replace it")
    if not (output / replaced).is_file():
        raise FavorError(f"{output} has no {replaced} and will not be replaced; give another folder")


def _replace(output: Path, partial: Path) -> None:
    if output.exists():
        old = partial.with_suffix(".old")
        output.rename(old)
        partial.rename(output)
        shutil.rmtree(old)
    else:
        partial.rename(output)
