"""Decoding media files into clips: the sound and picture of any spans, in one pass."""

import contextlib
from collections.abc import Iterator, Sequence

from favor.media.clip import Clip
from favor.media.clock import Span
from favor.media.container import duration, opening
from favor.media.container.opening import Opener
from favor.media.needs import DEFAULT_NEEDS, ClipNeeds
from favor.media.reading.reader import Reader
from favor.media.reading.skipping import UnplannableError

SEEK_GAP_MS = 10_000  # a longer gap between spans is skipped by seeking; keyframes are rarely further apart


def decode_windows(
    uri: str,
    spans: Sequence[Span],
    needs: ClipNeeds,
    audio_track: int | None = None,
    opener: Opener = opening.open_stored,
) -> Iterator[Clip]:
    """Decodes spans of a file, in one pass over its sound and picture.

    Times are on the file's presentation clock: zero is the start of its earliest stream. Frames are chosen as in
    `favor.media.reading.picking`; where none begins in a span, the one still on display is used. Sample ``k`` of a
    clip is at ``start + audio_start + k / sample_rate`` s, with silence where the file has no sound. Only a few clips
    are in memory at a time, however long the file is.

    Args:
        uri: a local path or fsspec URL.
        spans: half-open ``(start_ms, end_ms)``, ascending.
        needs: which frames, at what size, and which sound to decode.
        audio_track: the index of the audio stream to decode, from 0; None for the default stream.
        opener: opens the file's bytes.

    Yields:
        One clip per span, in order. ``audio`` is None if the file has no sound at all, ``frames`` if it has no
        picture in this span, and either if it is not needed. All frames of a clip have the same size.

    Raises:
        MediaError: ``truncated`` if the file ends before the span although its header declares more, ``empty_window``
            if the span contains nothing that is needed, ``damaged`` if most of its packets cannot be decoded, and
            whatever `open_container` and `usable_streams` raise.
        OSError: if the file cannot be found or read.
    """
    done = 0
    with contextlib.suppress(UnplannableError):  # which holds the first reader and its windows until it is dropped
        for clip in _decode(uri, spans, needs, audio_track, opener, planned=True):
            done += 1
            yield clip
    if done < len(spans):
        yield from _decode(uri, spans[done:], needs, audio_track, opener, planned=False)


def _decode(
    uri: str,
    spans: Sequence[Span],
    needs: ClipNeeds,
    audio_track: int | None,
    opener: Opener,
    planned: bool,
) -> Iterator[Clip]:
    with opening.open_container(uri, opener) as container:
        reader = Reader(container, uri, opener, needs, audio_track, planned)
        for run in _runs(spans, SEEK_GAP_MS + 2 * needs.sound_margin_ms):
            yield from reader.clips(run)


def read_clip(
    uri: str,
    start: float = 0.0,
    end: float | None = None,
    needs: ClipNeeds = DEFAULT_NEEDS,
    audio_track: int | None = None,
) -> Clip:
    """Reads a part of a media file, by default at two frames a second with sound as 16 kHz mono.

    Args:
        uri: a local path or fsspec URL.
        start: seconds from the start of the file.
        end: seconds from the start of the file; None, or any time past its end, means its end.
        needs: which frames, at what size, and which sound to decode.
        audio_track: the index of the audio stream to decode, from 0; None for the default stream.

    Raises:
        ValueError: if ``start`` is negative or past the end of the file, or ``end`` is not after it.
        MediaError: if the file cannot be decoded; see `decode_windows`.
        OSError: if the file cannot be found or read.
    """
    with opening.open_container(uri) as container:
        duration_ms = duration.duration_ms(container, uri, opening.open_stored)
    start_ms = round(start * 1000)
    end_ms = duration_ms if end is None else min(round(end * 1000), duration_ms)
    if not 0 <= start_ms < end_ms:
        raise ValueError(f"{uri} lasts {duration_ms / 1000} s; cannot read it from {start} s to {end} s")
    return next(decode_windows(uri, [(start_ms, end_ms)], needs, audio_track))


def _runs(spans: Sequence[Span], longest_gap_ms: int) -> Iterator[list[Span]]:
    """Groups spans so that reading through the gaps within a group is cheaper than seeking past them."""
    run: list[Span] = []
    for span in spans:
        if run and span[0] - run[-1][1] > longest_gap_ms:
            yield run
            run = []
        run.append(span)
    if run:
        yield run
