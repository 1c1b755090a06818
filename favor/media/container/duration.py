"""How long a file is: what its header says where that is true, else what its packets say."""

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
CREDIBLE = 4  # times longer than its packets last may a file claim to be, where nothing tells whether it was cut short
# Formats without a duration in their header; libavformat guesses it from the bit rate, or the first and last times.
GUESSED_DURATIONS = frozenset({"mp3", "aac", "ac3", "eac3", "dts", "amr", "h264", "hevc", "mpegvideo", "m4v"})
GUESSED_DURATIONS |= {"mpeg", "mpegts", "nut", "ogg"}


def duration_ms(container: InputContainer, uri: str, opener: Opener) -> int:
    """Returns how long an open file is, rounded up so that nothing is lost; it leaves the container anywhere.

    The header is believed if packets end where it says. A file that was cut short is as long as it was meant to be, so
    that what is missing is noticed. The opener opens it once more where all of it must be read.

    Raises:
        MediaError: ``no_times`` if nothing in the file says when it is to be played.
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
    """Returns how many seconds of picture and sound the header promises, or None where it promises nothing."""
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
    """Returns how many seconds of picture and sound a file holds, by reading all of it without decoding."""
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
    """Returns whether a file is shorter than its structure says; None if that does not say."""
    with opening.open_bytes(uri, opener) as file:
        return is_cut_short(file)


def _ends_at(container: InputContainer, declared: Fraction) -> bool:
    """Whether the last packets of a file are where its header says."""
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
