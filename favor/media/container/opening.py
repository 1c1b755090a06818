"""Opening media files, and what their headers say about streams and time."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.format import ContainerFormat
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from favor.errors import MediaError

Opener = Callable[[str], AbstractContextManager[Any]]  # of the bytes behind a URI: a local path or a file object
PLAYLISTS = frozenset({"concat", "dash", "hls", "imf", "sdp", "vobsub", "webm_dash_manifest"})  # lead to other files
HEADERLESS = frozenset({"bitpacked", "rawvideo", "v210", "v210x"})  # and PCM: nothing says what the bytes are
NOT_FILMS = Disposition.attached_pic | Disposition.timed_thumbnails  # cover art and preview pictures
MAX_PIXELS = 1 << 27  # 134 million, twice an 8K film of 2:1 and more than telephones take; decoders hold up to 17
RAW_FORMATS = frozenset({"h264", "hevc", "m4v", "mpegvideo"})  # formats without any times
NO_PRESENTATION_TIMES = RAW_FORMATS | {"avi"}  # formats that say at most when packets are decoded
RAW_FRAME_RATE = Fraction(25)  # frames a second where nothing says; what players take
PICTURE_FORMATS = ("image2", "_pipe", "_pix")  # how libavformat's names of still picture formats end
PIXEL_ASPECTS = (Fraction(1, 4), Fraction(4))  # the flattest and the widest pixels; headers with others are wrong
MAX_FRAME_RATE = 1000  # frames a second; headers with more are wrong


@contextlib.contextmanager
def open_stored(uri: str) -> Iterator[Any]:
    """Opens what lies on a disk or in any store that fsspec knows."""
    from favor.io import sources  # not at the top: the process that decodes does without fsspec

    with sources.open_source(uri) as source:
        yield source


@contextlib.contextmanager
def open_bytes(uri: str, opener: Opener) -> Iterator[BinaryIO]:
    """Opens the bytes behind a URI as a file."""
    with opener(uri) as source, contextlib.ExitStack() as stack:
        yield stack.enter_context(Path(source).open("rb", buffering=0)) if isinstance(source, str) else source


@contextlib.contextmanager
def open_container(uri: str, opener: Opener = open_stored) -> Iterator[InputContainer]:
    """Opens a media file for reading; what libav finds wrong with it, now or while it is read, names the file.

    libav gets its bytes and its suffix, nothing else: a file can make it neither open another one nor reach a network.

    Args:
        uri: a local path or any fsspec URL. Remote files are read ahead by whole blocks.
        opener: of its bytes.

    Raises:
        MediaError: ``directory``, ``empty_file`` or ``not_a_file``; ``not_self_contained`` for playlists and
            bare samples; ``damaged`` for what libav cannot make sense of.
        OSError: if the file cannot be found or read.
        MemoryError: if it needs more memory than there is.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open_bytes(uri, opener))
            yield stack.enter_context(_open(file, uri))
        except av.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            raise MediaError("damaged", f"{uri}: {error.strerror}; the file is damaged or not media") from error


def _open(file: BinaryIO, uri: str) -> InputContainer:
    suffix = PurePosixPath(uri.partition("?")[0]).suffix
    name = f"media{suffix}" if suffix[1:].isalnum() else "media"  # libav takes % and * for patterns of further files
    bare = SimpleNamespace(read=file.read, seek=file.seek, tell=file.tell, name=name)
    options = {"protocol_whitelist": "none", "format_whitelist": _formats()}
    try:
        return cast(InputContainer, av.open(bare, options=options, metadata_errors="replace"))
    except av.ArgumentError as error:  # a format that is not on the list; damage has other names
        what = "a playlist, or samples without a header; name files that hold everything"
        raise MediaError("not_self_contained", f"{uri}: {what}") from error


@functools.cache
def _formats() -> str:
    """Returns the formats of files that hold everything, for libavformat: no playlists, cameras or bare samples."""
    names = set()
    pcm = {name[4:] for name in av.codecs_available if name.startswith("pcm_")}
    for name in av.formats_available - PLAYLISTS - HEADERLESS - pcm:
        with contextlib.suppress(ValueError):  # it can only be written
            if name == "image2" or not ContainerFormat(name, "r").no_file:  # image2 reads what it is given
                names.add(name)
    return ",".join(sorted(names))


def video_stream(container: InputContainer) -> VideoStream | None:
    """Returns the picture: the default video stream, else the largest, else the longest.

    It is never cover art, nor what cannot be decoded. A moving AVIF holds a still picture too, of the same size.
    """
    films = [s for s in container.streams.video if s.codec_context and not s.disposition & NOT_FILMS]
    return max(films, key=lambda s: (_is_default(s), s.width * s.height, s.frames), default=None)


def audio_stream(container: InputContainer, uri: str, track: int | None = None) -> AudioStream | None:
    """Returns the sound: the track asked for, else the default one, else the first; never what cannot be decoded.

    Args:
        container: the open file.
        uri: its name, for errors.
        track: counted from 0 among the file's audio streams; None for the default one.

    Raises:
        MediaError: ``no_audio_track`` if the file has sound, but not this track.
    """
    streams = container.streams.audio
    if track is None or not streams:
        return max((s for s in streams if s.codec_context), key=_is_default, default=None)
    if track >= len(streams) or not streams[track].codec_context:
        raise MediaError("no_audio_track", f"{uri}: no audio track {track}; it has {len(streams)}, counted from 0")
    return streams[track]


def usable_streams(
    container: InputContainer, uri: str, audio_track: int | None = None
) -> tuple[VideoStream | None, AudioStream | None]:
    """Returns the picture and the sound of a file.

    Raises:
        MediaError: ``no_streams`` if there is neither, ``too_large`` for a picture of absurd size, ``no_audio_track``.
    """
    video, audio = video_stream(container), audio_stream(container, uri, audio_track)
    if video and video.width * video.height > MAX_PIXELS:
        raise MediaError("too_large", f"{uri}: {video.width}x{video.height} pixels; at most {MAX_PIXELS} are decoded")
    if video is None and audio is None:
        kinds = ", ".join(stream.type for stream in container.streams) or "none at all"
        raise MediaError("no_streams", f"{uri}: no picture or sound that can be decoded; its streams: {kinds}")
    return video, audio


def _is_default(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.default)


def is_still(container: InputContainer) -> bool:
    """Returns whether the file is a still picture."""
    return container.format.name.endswith(PICTURE_FORMATS)


def has_presentation_times(container: InputContainer) -> bool:
    """Returns whether the format can say when pictures are shown."""
    return container.format.name not in NO_PRESENTATION_TIMES


def frame_rate(stream: VideoStream) -> Fraction:
    """Returns the nominal frames a second: what the codec's header says, else the container's."""
    rates = (stream.codec_context.framerate, stream.average_rate)
    return next((Fraction(rate) for rate in rates if rate and 0 < rate <= MAX_FRAME_RATE), RAW_FRAME_RATE)


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Returns how wide a pixel is for its height: what the container says, else the codec, else 1."""
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    return aspect if PIXEL_ASPECTS[0] <= aspect <= PIXEL_ASPECTS[1] else Fraction(1)


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


def films(container: InputContainer) -> list[Stream]:
    """Returns the streams of picture and sound, without cover art and what cannot be decoded."""
    streams = [*container.streams.video, *container.streams.audio]
    return [stream for stream in streams if stream.codec_context and not stream.disposition & NOT_FILMS]


def packet_end(packet: Packet) -> Fraction | None:
    """Returns when a packet's presentation ends, in seconds of its stream's clock, or None if it does not say."""
    start = packet.dts if packet.pts is None else packet.pts
    return None if start is None else (start + (packet.duration or 0)) * packet.time_base


class BrokenPacketError(Exception):
    """Nothing can be made of a packet; decoding can go on behind it."""


def decode_packet(packet: Packet) -> list[Any]:
    """Returns the frames that a packet completes.

    Raises:
        BrokenPacketError: if the codec refuses it, for whatever reason.
        MemoryError: if it needs more memory than there is.
    """
    try:
        return packet.decode()
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        raise BrokenPacketError(error.strerror) from error
