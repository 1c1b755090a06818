"""A folder appears whole or not at all."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from favor.errors import FavorError


@contextlib.contextmanager
def staged(output: Path, replaced: str | None = None) -> Iterator[Path]:
    """Gives an empty folder beside the output, which takes the output's place at the end.

    If anything goes wrong in between, nothing is left of it.

    Args:
        output: the folder to be.
        replaced: the file that a folder must hold to be replaced; None if nothing is replaced.

    Raises:
        FavorError: if there is something already that must not be replaced.
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
            with contextlib.suppress(OSError):  # somebody else uses it by now
                parent.rmdir()
        raise


def check_free(output: Path, replaced: str | None) -> None:
    """Makes sure that a folder may be written.

    Raises:
        FavorError: if it is there and not empty, unless it holds the file ``replaced``.
    """
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if replaced is None:
        raise FavorError(f"{output} is there already; give another folder, or --overwrite to replace it")
    if not (output / replaced).is_file():
        raise FavorError(f"{output} holds no {replaced} and will not be replaced; give another folder")


def _replace(output: Path, partial: Path) -> None:
    if output.exists():
        old = partial.with_suffix(".old")
        output.rename(old)
        partial.rename(output)
        shutil.rmtree(old)
    else:
        partial.rename(output)
