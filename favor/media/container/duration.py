"""The length of a file, from its header if that is correct, otherwise from its packets."""

import contextlib
import math
from collections.abc import Iterable
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet

from favor.errors import MediaError
from favor.media.container import opening
from favor.media.container.completeness import is_cut_short
from favor.media.container.joins import JoinedClock
from favor.media.container.opening import Opener
from favor.media.container.packets import ReadPosition

STILL_DURATION_MS = 500  # one time step of the model
TOLERANCE = Fraction(1)  # s by which a header may differ from the packets: rounding, and the codecs' run-up
CREDIBLE = 4  # the largest ratio of declared to measured length that is believed if truncation cannot be detected
# Formats without a duration in their header; libavformat guesses it from the bit rate or the first and last times.
GUESSED_DURATIONS = frozenset({"mp3", "aac", "ac3", "eac3", "dts", "amr", "h264", "hevc", "mpegvideo", "m4v"})
GUESSED_DURATIONS |= {"mpeg", "mpegts", "nut", "ogg"}


def duration_ms(container: InputContainer, uri: str, opener: Opener) -> int:
    """Returns the length of an open file, rounded up so that nothing is lost; may change the container's position.

    The header is believed if the packets end where it says. A truncated file keeps its declared length, so that the
    missing part is noticed.

    Args:
        container: the open file.
        uri: its name.
        opener: opens it again if all of it must be read.

    Raises:
        MediaError: ``no_times`` if the file contains no times.
    """
    if opening.is_still(container):
        return STILL_DURATION_MS
    declared = declared_duration(container)
    if declared is None or not _ends_at(container, declared):
        measured = measured_duration(uri, opener)
        if declared is None or not _was_longer(uri, opener, declared, measured):
            declared = measured
    if not declared:
        raise MediaError("no_times", f"{uri}: its packets carry no times; remux it into mp4 or mkv")
    return math.ceil(declared * 1000)


def declared_duration(container: InputContainer) -> Fraction | None:
    """Returns the length of picture and sound declared in the header, in seconds, or None if none is declared."""
    if container.format.name in GUESSED_DURATIONS:
        return None
    zero, ends = opening.time_zero(container), []
    for stream in opening.films(container):
        if not stream.duration or stream.duration < 0 or stream.time_base is None:
            break
        ends.append((opening.stream_start(stream) or zero) + stream.duration * stream.time_base)
    else:
        if ends:
            return max(ends) - zero
    if container.duration and container.duration > 0:
        return Fraction(container.duration, av.time_base)
    return None


def measured_duration(uri: str, opener: Opener = opening.open_stored) -> Fraction:
    """Returns the length of picture and sound in a file, in seconds, by reading all of it without decoding."""
    with opening.open_container(uri, opener) as container:
        zero = opening.time_zero(container)
        streams = opening.films(container)
        progress, untimed = ReadPosition(Fraction(0), Fraction(1)), 0
        with contextlib.suppress(av.InvalidDataError):
            for packet in JoinedClock()(container.demux(streams)):
                untimed += bool(packet.size) and opening.packet_end(packet) is None
                _pass(packet, zero, progress)
        if not progress.furthest and untimed and container.streams.video:
            return untimed / opening.frame_rate(container.streams.video[0])
        return progress.believed


def cut_short(uri: str, opener: Opener) -> bool | None:
    """Returns whether a file is shorter than its structure declares; None if that declares no size."""
    with opening.open_bytes(uri, opener) as file:
        return is_cut_short(file)


def _ends_at(container: InputContainer, declared: Fraction) -> bool:
    """Returns whether the last packets of a file are where its header says."""
    zero, progress = opening.time_zero(container), ReadPosition(Fraction(0), Fraction(1))
    try:
        container.seek(math.floor((declared + zero - 2 * TOLERANCE) * av.time_base))
        for packet in _tail(container):
            _pass(packet, zero, progress)
            if progress.reached > declared + TOLERANCE:
                return False
    except (av.FFmpegError, OverflowError):
        return False
    return abs(progress.believed - declared) <= TOLERANCE


def _tail(container: InputContainer) -> Iterable[Packet]:
    return JoinedClock()(container.demux(opening.films(container)))


def _pass(packet: Packet, zero: Fraction, progress: ReadPosition[Fraction]) -> None:
    end = opening.packet_end(packet)
    if end is not None:
        progress.pass_by(end - zero)


def _was_longer(uri: str, opener: Opener, declared: Fraction, measured: Fraction) -> bool:
    if measured >= declared:
        return False
    cut = cut_short(uri, opener)
    return declared <= CREDIBLE * measured if cut is None else cut
