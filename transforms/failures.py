"""Turning exceptions about elements into rows of ``failures``; this is the only place that does."""

import contextlib
import dataclasses
from collections.abc import Iterator

import aiohttp
import av

from favor.errors import MediaError
from favor.io.stores import store_errors
from favor.media.corpus.files import WHOLE_FILE, Entry, MediaFile, WindowKey, digest
from transforms.rows import RESOLVED, Failure

UNREACHABLE = "unreachable"  # the code of any exception of a store that is not listed here
# Failures of archives and networks, the most specific first; any other exception is a bug and stops the run.
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
        code: short, stable name.
        stages: the stages in which it can occur.
        meaning: what happened, in one sentence.
    """

    code: str
    stages: tuple[str, ...]
    meaning: str


FAILURE_CODES: dict[str, FailureCode] = {
    kind.code: kind
    for kind in (
        FailureCode("bad_manifest_row", ("list",), "A row of a manifest is invalid, or contradicts an earlier one."),
        FailureCode("no_listing", ("list",), "The URL is a web page, and HTTP servers do not list directories."),
        FailureCode("no_media", ("list",), "A directory contains no media files."),
        FailureCode(
            "unsupported_store", ("list", "probe"), "The kind of store is unknown, or its package is not installed."
        ),
        FailureCode("directory", READING, "There is a directory where a file is expected."),
        FailureCode("not_found", READING, "There is no such file."),
        FailureCode("permission_denied", READING, "Permission to read the file or directory was denied."),
        FailureCode("timeout", READING, "The store did not answer in time."),
        FailureCode("unreachable", READING, "The store could not be reached, or refused to answer."),
        FailureCode("io_error", READING, "Reading failed for another reason, which the message gives."),
        FailureCode("not_a_file", ("probe", "decode"), "The path is a pipe or a device."),
        FailureCode("empty_file", ("probe", "decode"), "The file is empty."),
        FailureCode("unexpected_end", ("probe", "decode"), "The file ends in the middle of a structure."),
        FailureCode("invalid_data", ("probe", "decode"), "libav cannot parse the data."),
        FailureCode("damaged", ("probe", "decode"), "The file is not media, or most packets of a window are damaged."),
        FailureCode("undecodable", ("probe", "decode"), "Decoding failed with an error that has no code of its own."),
        FailureCode("not_self_contained", ("probe",), "The file is a playlist, or samples without a header."),
        FailureCode("no_streams", ("probe",), "The file has no picture or sound that can be decoded."),
        FailureCode("no_times", ("probe",), "The packets carry no timestamps."),
        FailureCode("no_audio_track", ("probe",), "The file has sound, but not the track given by `--audio-track`."),
        FailureCode("too_large", ("probe", "decode"), "The picture exceeds the pixel limit for decoding."),
        FailureCode(
            "outside", ("probe",), "A requested span is empty or negative, or begins where the file has ended."
        ),
        FailureCode("no_language", ("probe",), "A question refers to the file's language, which no manifest gives."),
        FailureCode(
            "truncated", ("decode",), "The file ends earlier than its header says, so the window is incomplete."
        ),
        FailureCode("empty_window", ("decode",), "The window has neither pictures nor sound that the model accepts."),
        FailureCode("decoder_crashed", ("probe", "decode"), "The decoding process crashed on the file twice."),
        FailureCode("decoder_timeout", ("probe", "decode"), "The decoding process took too long and was stopped."),
        FailureCode(
            "out_of_memory", ("probe", "decode", "generate"), "There is too little memory, even for this item alone."
        ),
        FailureCode(
            "model_error", ("generate",), "The model raised an error for this window, which the message gives."
        ),
        FailureCode("worker_crashed", ("generate",), "Two processes died while the model was processing this window."),
    )
}


def failure(
    error: Exception, stage: str, media: MediaFile, key: WindowKey | None = None, window_id: str | None = None
) -> Failure:
    """Returns the row that describes an error about a file, or about one of its windows.

    Args:
        error: a `MediaError`, one of ``CODES`` or of `store_errors`.
        stage: the stage in which it occurred.
        media: the file.
        key: the window, unless the error is about the whole file.
        window_id: the window's id, given together with ``key``.
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
    """Returns a row that marks an earlier failure, if there was one, as resolved."""
    return failure(MediaError(RESOLVED, ""), stage, media, key, window_id)


def _code(error: Exception) -> str:
    kinds = (*CODES, *((kind, UNREACHABLE) for kind in store_errors()))
    return next(code for kind, code in kinds if isinstance(error, kind))


@contextlib.contextmanager
def captured(
    stage: str, media: MediaFile, key: WindowKey | None = None, window_id: str | None = None
) -> Iterator[list[Failure]]:
    """Runs a block about one element; afterwards the list holds its failure, if any."""
    failures: list[Failure] = []
    try:
        yield failures
    except store_errors(MediaError, *(kind for kind, _ in CODES)) as error:
        failures.append(failure(error, stage, media, key, window_id))


def unlisted(uri: str, entry: Entry = WHOLE_FILE) -> MediaFile:
    """Returns a stand-in for a corpus item that leads to no media file, so that it can have a row."""
    return MediaFile(uri, 0, digest(uri), entry)
