"""Opening a media file for reading, wherever it is stored."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import fsspec
from fsspec.implementations.local import LocalFileSystem

from favor.errors import MediaError

BLOCKS = 2048  # per file; larger blocks waste more bytes at the ends of a window, smaller ones cost more requests
REQUEST_BYTES = (1 << 17, 1 << 20)  # the smallest and the largest request to remote storage
BLOCKS_KEPT = 64  # sound and picture may be in different parts of a file, which are read alternately
READ_ERRORS = (OSError, EOFError, MemoryError, aiohttp.ClientError)  # what reading from any store can raise


@contextlib.contextmanager
def open_source(uri: str) -> Iterator[Any]:
    """Opens a media file as something libav can read.

    Args:
        uri: a local path or any fsspec URL.

    Yields:
        The path of a local file, or a file object that reads a remote one in whole blocks and caches some.

    Raises:
        MediaError: ``directory``, ``empty_file``, or ``not_a_file`` for pipes and devices, which never end.
        OSError: if the file cannot be found or read.
    """
    filesystem, path = fsspec.core.url_to_fs(uri)
    if not isinstance(filesystem, LocalFileSystem):
        cache = {"cache_type": "blockcache", "cache_options": {"maxblocks": BLOCKS_KEPT}}
        with filesystem.open(path, "rb", block_size=block_bytes(filesystem.size(path)), **cache) as file:
            yield file
        return
    if Path(path).is_dir():
        raise MediaError("directory", f"{uri} is a directory; name a file or a pattern such as {path}/*.mp4")
    if Path(path).exists() and not Path(path).is_file():
        raise MediaError("not_a_file", f"{uri} is a pipe or a device; copy its content to a file")
    with Path(path).open("rb") as file:  # raises OSError here, unlike a file that opens but libav rejects
        empty = not file.read(1)
    if empty:
        raise MediaError("empty_file", f"{uri} is empty (0 bytes); copy or download it again")
    yield path


def block_bytes(size: int | None) -> int:
    """Returns the block size for reading a remote file of ``size`` bytes; None if its size is unknown."""
    smallest, largest = REQUEST_BYTES
    return min(max((size or 0) // BLOCKS, smallest), largest)
