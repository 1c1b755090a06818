"""The one place where an exception about an element becomes a row of ``failures``."""

import contextlib
import dataclasses
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
READING = ("list", "probe", "decode")  # the stages in which bytes are read


@dataclasses.dataclass(frozen=True)
class FailureCode:
    """A kind of failure.

    Attributes:
        code: its short stable name.
        stages: where it arises.
        meaning: what has happened.
    """

    code: str
    stages: tuple[str, ...]
    meaning: str


FAILURE_CODES: dict[str, FailureCode] = {
    kind.code: kind
    for kind in (
        FailureCode("bad_manifest_row", ("list",), "A row of a manifest is wrong, or contradicts an earlier one."),
        FailureCode("no_listing", ("list",), "An http address is a page, and servers list no directories."),
        FailureCode("no_media", ("list",), "A directory holds no media files."),
        FailureCode("unsupported_store", ("list", "probe"), "The kind of store is unknown, or its package is missing."),
        FailureCode("directory", READING, "A directory stands where a file should be."),
        FailureCode("not_found", READING, "There is no such file."),
        FailureCode("permission_denied", READING, "The file or directory may not be read."),
        FailureCode("timeout", READING, "The store did not answer in time."),
        FailureCode("unreachable", READING, "The store could not be reached, or refused to answer."),
        FailureCode("io_error", READING, "Reading failed in another way; the message says how."),
        FailureCode("not_a_file", ("probe", "decode"), "It is a pipe or a device."),
        FailureCode("empty_file", ("probe", "decode"), "The file has no bytes."),
        FailureCode("unexpected_end", ("probe", "decode"), "The file ends in the middle of a structure."),
        FailureCode("invalid_data", ("probe", "decode"), "libav cannot make sense of the data."),
        FailureCode("damaged", ("probe", "decode"), "The file is not media, or most packets of a window are damaged."),
        FailureCode("undecodable", ("probe", "decode"), "Decoding ended in an error that has no code of its own."),
        FailureCode("not_self_contained", ("probe",), "It is a playlist, or samples without a header."),
        FailureCode("no_streams", ("probe",), "The file has neither picture nor sound that can be decoded."),
        FailureCode("no_times", ("probe",), "The packets carry no times."),
        FailureCode("no_audio_track", ("probe",), "The file has sound, but not the track of `--audio-track`."),
        FailureCode("too_large", ("probe", "decode"), "The picture has more pixels than are decoded."),
        FailureCode("outside", ("probe",), "The file ends before the span that a manifest wants of it begins."),
        FailureCode("no_language", ("probe",), "A question names the file's language, which no manifest gives."),
        FailureCode("truncated", ("decode",), "The file ends before its header promises, so the window is incomplete."),
        FailureCode(
            "empty_window", ("decode",), "The window holds nothing that the model takes: no picture, no sound."
        ),
        FailureCode("decoder_crashed", ("probe", "decode"), "The process that decodes died of the file, twice."),
        FailureCode("decoder_timeout", ("probe", "decode"), "The process that decodes took too long and was ended."),
        FailureCode(
            "out_of_memory", ("probe", "decode", "generate"), "There is too little memory, even for this alone."
        ),
        FailureCode("model_error", ("generate",), "The model raised an error about this window; the message has it."),
        FailureCode("worker_crashed", ("generate",), "Two processes died as the model saw this window."),
    )
}


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
