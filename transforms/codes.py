"""The codes of failures: where each arises and what it means."""

import dataclasses

LIST, PROBE, DECODE, GENERATE = "list", "probe", "decode", "generate"
ANY_FILE = (LIST, PROBE, DECODE)  # wherever bytes are read


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
        FailureCode("bad_manifest_row", (LIST,), "A row of a manifest is wrong, or contradicts an earlier one."),
        FailureCode("no_listing", (LIST,), "An http address is a page, and servers list no directories."),
        FailureCode("no_media", (LIST,), "A directory holds no media files."),
        FailureCode("unsupported_store", (LIST, PROBE), "The kind of store is unknown, or its package is missing."),
        FailureCode("directory", ANY_FILE, "A directory stands where a file should be."),
        FailureCode("not_found", ANY_FILE, "There is no such file."),
        FailureCode("permission_denied", ANY_FILE, "The file or directory may not be read."),
        FailureCode("timeout", ANY_FILE, "The store did not answer in time."),
        FailureCode("unreachable", ANY_FILE, "The store could not be reached, or refused to answer."),
        FailureCode("io_error", ANY_FILE, "Reading failed in another way; the message says how."),
        FailureCode("not_a_file", (PROBE, DECODE), "It is a pipe or a device."),
        FailureCode("empty_file", (PROBE, DECODE), "The file has no bytes."),
        FailureCode("unexpected_end", (PROBE, DECODE), "The file ends in the middle of a structure."),
        FailureCode("invalid_data", (PROBE, DECODE), "libav cannot make sense of the data."),
        FailureCode("damaged", (PROBE, DECODE), "The file is not media, or most packets of a window are damaged."),
        FailureCode("undecodable", (PROBE, DECODE), "Decoding ended in an error that has no code of its own."),
        FailureCode("not_self_contained", (PROBE,), "It is a playlist, or samples without a header."),
        FailureCode("no_streams", (PROBE,), "The file has neither picture nor sound that can be decoded."),
        FailureCode("no_times", (PROBE,), "The packets carry no times."),
        FailureCode("no_audio_track", (PROBE,), "The file has sound, but not the track of `--audio-track`."),
        FailureCode("too_large", (PROBE, DECODE), "The picture has more pixels than are decoded."),
        FailureCode("outside", (PROBE,), "The file ends before the span that a manifest wants of it begins."),
        FailureCode("no_language", (PROBE,), "A question names the file's language, which no manifest gives."),
        FailureCode("truncated", (DECODE,), "The file ends before its header promises, so the window is incomplete."),
        FailureCode("empty_window", (DECODE,), "The window holds nothing that the model takes: no picture, no sound."),
        FailureCode("decoder_crashed", (PROBE, DECODE), "The process that decodes died of the file, twice."),
        FailureCode("decoder_timeout", (PROBE, DECODE), "The process that decodes took too long and was ended."),
        FailureCode("out_of_memory", (PROBE, DECODE, GENERATE), "There is too little memory, even for this alone."),
        FailureCode("worker_crashed", (GENERATE,), "Two processes died as the model saw this window."),
    )
}
