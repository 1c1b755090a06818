"""Opening media files, and what their headers say about streams and time."""

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import fsspec
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream
from fsspec.implementations.local import LocalFileSystem

from favor.errors import MediaError

READ_AHEAD = 1 << 20  # bytes per request to remote storage
NOT_FILMS = Disposition.attached_pic | Disposition.timed_thumbnails  # cover art and preview pictures
PICTURE_FORMATS = ("image2", "_pipe")  # how libavformat's names of still picture formats end
# Formats without a duration in their header; libavformat guesses it from the bit rate.
GUESSED_DURATIONS = frozenset({"mp3", "aac", "ac3", "eac3", "dts", "amr", "h264", "hevc", "mpegvideo", "m4v"})


@contextlib.contextmanager
def open_container(uri: str) -> Iterator[InputContainer]:
    """Opens a media file for reading; what libav finds wrong with it, now or while it is read, names the file.

    Args:
        uri: a local path or any fsspec URL. Remote files are read ahead by whole blocks.

    Raises:
        MediaError: ``directory`` or ``empty_file``, or ``damaged`` for what libav cannot make sense of.
        OSError: if the file cannot be found or read.
    """
    with contextlib.ExitStack() as stack:
        try:
            yield stack.enter_context(av.open(_source(uri, stack), metadata_errors="replace"))
        except av.FFmpegError as error:
            if isinstance(error, OSError):
                raise
            raise MediaError("damaged", f"{uri}: {error.strerror}; the file is damaged or not media") from error


def _source(uri: str, stack: contextlib.ExitStack) -> Any:
    filesystem, path = fsspec.core.url_to_fs(uri)
    if not isinstance(filesystem, LocalFileSystem):
        return stack.enter_context(filesystem.open(path, "rb", block_size=READ_AHEAD, cache_type="readahead"))
    if Path(path).is_dir():
        raise MediaError("directory", f"{uri} is a directory; name a file or a pattern such as {path}/*.mp4")
    if Path(path).stat().st_size == 0:
        raise MediaError("empty_file", f"{uri} is empty (0 bytes); copy or download it again")
    return path


def video_stream(container: InputContainer) -> VideoStream | None:
    """Returns the picture: the default video stream, else the largest; never cover art, nor what cannot be decoded."""
    films = [s for s in container.streams.video if s.codec_context and not s.disposition & NOT_FILMS]
    return max(films, key=lambda s: (_is_default(s), s.width * s.height), default=None)


def audio_stream(container: InputContainer) -> AudioStream | None:
    """Returns the sound: the default audio stream, else the first; never what cannot be decoded."""
    return max((s for s in container.streams.audio if s.codec_context), key=_is_default, default=None)


def usable_streams(container: InputContainer, uri: str) -> tuple[VideoStream | None, AudioStream | None]:
    """Returns the picture and the sound of a file.

    Raises:
        MediaError: ``no_streams`` if there is neither.
    """
    video, audio = video_stream(container), audio_stream(container)
    if video is None and audio is None:
        kinds = ", ".join(f"{s.type} {s.codec_tag}".strip() for s in container.streams) or "none at all"
        raise MediaError("no_streams", f"{uri}: no picture or sound that can be decoded; its streams: {kinds}")
    return video, audio


def _is_default(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.default)


def is_still(container: InputContainer) -> bool:
    """Returns whether the file is a still picture."""
    return container.format.name.endswith(PICTURE_FORMATS)


def stream_start(stream: Stream) -> Fraction | None:
    """Returns when a stream starts, in seconds of its own clock, or None where the file does not say."""
    if stream.start_time is None or stream.time_base is None:
        return None
    return stream.start_time * stream.time_base


def time_zero(container: InputContainer) -> Fraction:
    """Returns the file's time zero as players show it: the start of its earliest stream of picture or sound."""
    streams = [*container.streams.audio, *container.streams.video]
    starts = [stream_start(s) for s in streams if not s.disposition & NOT_FILMS]
    return min((start for start in starts if start is not None), default=Fraction(0))


def declared_duration(container: InputContainer) -> Fraction | None:
    """Returns how many seconds the header promises, or None where it promises nothing that can be relied on."""
    if container.format.name in GUESSED_DURATIONS:
        return None
    if container.duration and container.duration > 0:
        return Fraction(container.duration, av.time_base)
    return None


def measured_duration(uri: str) -> Fraction:
    """Returns how many seconds of picture and sound a file holds, by reading all of it without decoding."""
    with open_container(uri) as container:
        zero = time_zero(container)
        packets = container.demux([*container.streams.video, *container.streams.audio])
        return max((packet_end(packet) or zero for packet in packets), default=zero) - zero


def packet_end(packet: Packet) -> Fraction | None:
    """Returns when a packet's presentation ends, in seconds of its stream's clock, or None if it does not say."""
    if packet.pts is None:
        return None
    return (packet.pts + (packet.duration or 0)) * packet.time_base


def decode_packet(packet: Packet) -> list[Any]:
    """Returns the frames that a packet completes; none for a damaged packet, after which decoding can go on."""
    try:
        return packet.decode()
    except av.InvalidDataError:
        return []
