"""The one place where an exception about an element becomes a row of ``failures``."""

import contextlib
from collections.abc import Iterator

import aiohttp
import av

from favor.errors import MediaError
from favor.io.stores import store_errors
from favor.media.corpus.files import WHOLE_FILE, Entry, MediaFile, WindowKey, digest
from transforms.rows import RESOLVED, Failure

UNREACHABLE = "unreachable"  # the code of whatever a store raises that is not listed here
# What archives and networks do wrong, the narrowest first; anything else is a mistake in the code and stops the run.
CODES: tuple[tuple[type[Exception], str], ...] = (
    (FileNotFoundError, "not_found"),
    (PermissionError, "permission_denied"),
    (IsADirectoryError, "directory"),
    (TimeoutError, "timeout"),
    (EOFError, "unexpected_end"),
    (av.error.InvalidDataError, "invalid_data"),
    (av.FFmpegError, "undecodable"),
    (aiohttp.ClientError, UNREACHABLE),
    (OSError, "io_error"),
    (MemoryError, "out_of_memory"),
)


def failure(
    error: Exception, stage: str, media: MediaFile, key: WindowKey | None = None, window_id: str | None = None
) -> Failure:
    """Describes an error about a file, or about a window of it, as a row.

    Args:
        error: a `MediaError`, one of ``CODES`` or of `store_errors`.
        stage: where it happened.
        media: the file.
        key: the window, if the error is not about the whole file.
        window_id: the window's id, with ``key``.
    """
    code = error.code if isinstance(error, MediaError) else _code(error)
    message = str(error) or type(error).__name__
    return Failure(
        media_id=media.media_id,
        uri=media.uri,
        window_id=window_id,
        start_ms=key.start_ms if key else None,
        end_ms=key.end_ms if key else None,
        stage=stage,
        code=code,
        message=message if media.uri in message else f"{media.uri}: {message}",
        entry_id=media.entry.entry_id,
        labels=media.entry.labels,
    )


def mended(stage: str, media: MediaFile, key: WindowKey | None = None, window_id: str | None = None) -> Failure:
    """Describes, like a failure, that there is none any more; it counts where there was one."""
    return failure(MediaError(RESOLVED, ""), stage, media, key, window_id)


def _code(error: Exception) -> str:
    kinds = (*CODES, *((kind, UNREACHABLE) for kind in store_errors()))
    return next(code for kind, code in kinds if isinstance(error, kind))


@contextlib.contextmanager
def captured(
    stage: str, media: MediaFile, key: WindowKey | None = None, window_id: str | None = None
) -> Iterator[list[Failure]]:
    """Runs a block about one element; its failure, if any, is in the list when the block is left."""
    failures: list[Failure] = []
    try:
        yield failures
    except store_errors(MediaError, *(kind for kind, _ in CODES)) as error:
        failures.append(failure(error, stage, media, key, window_id))


def unlisted(uri: str, entry: Entry = WHOLE_FILE) -> MediaFile:
    """Returns a stand-in for something in the corpus that leads to no media file, so that it can have a row."""
    return MediaFile(uri, 0, digest(uri), entry)
