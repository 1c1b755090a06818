"""Opening media files, and reading stream and time information from their headers."""

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

Opener = Callable[[str], AbstractContextManager[Any]]  # opens a URI as a local path or a file object
PLAYLISTS = frozenset({"concat", "dash", "hls", "imf", "sdp", "vobsub", "webm_dash_manifest"})  # refer to other files
HEADERLESS = frozenset({"bitpacked", "rawvideo", "v210", "v210x"})  # like PCM, they do not describe their samples
NOT_FILMS = Disposition.attached_pic | Disposition.timed_thumbnails  # cover art and preview pictures
MAX_PIXELS = 1 << 27  # 134 million, twice a 2:1 8K frame and more than phones take; decoders hold up to 17 frames
RAW_FORMATS = frozenset({"h264", "hevc", "m4v", "mpegvideo"})  # formats without any times
NO_PRESENTATION_TIMES = RAW_FORMATS | {"avi"}  # formats that store at most decoding times
RAW_FRAME_RATE = Fraction(25)  # frames a second if none is declared, as in players
PICTURE_FORMATS = ("image2", "_pipe", "_pix")  # suffixes of libavformat's names of still picture formats
PIXEL_ASPECTS = (Fraction(1, 4), Fraction(4))  # the narrowest and widest plausible pixels; others are header errors
MAX_FRAME_RATE = 1000  # frames a second; higher ones are header errors


@contextlib.contextmanager
def open_stored(uri: str) -> Iterator[Any]:
    """Opens a file on disk or in any store that fsspec supports."""
    from favor.io import sources  # not at the top: the decoding process does not import fsspec

    with sources.open_source(uri) as source:
        yield source


@contextlib.contextmanager
def open_bytes(uri: str, opener: Opener) -> Iterator[BinaryIO]:
    """Opens a URI as a binary file."""
    with opener(uri) as source, contextlib.ExitStack() as stack:
        yield stack.enter_context(Path(source).open("rb", buffering=0)) if isinstance(source, str) else source


@contextlib.contextmanager
def open_container(uri: str, opener: Opener = open_stored) -> Iterator[InputContainer]:
    """Opens a media file for reading; libav's errors, now or while it is read, become errors that name the file.

    libav receives only its bytes and its suffix, so a file cannot make it open another file or use the network.

    Args:
        uri: a local path or any fsspec URL. Remote files are read in whole blocks.
        opener: opens the file's bytes.

    Raises:
        MediaError: ``directory``, ``empty_file`` or ``not_a_file``; ``not_self_contained`` for playlists and
            headerless samples; ``damaged`` if libav cannot read it.
        OSError: if the file cannot be found or read.
        MemoryError: if it needs more memory than available.
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
    name = f"media{suffix}" if suffix[1:].isalnum() else "media"  # libav treats % and * as patterns for more files
    bare = SimpleNamespace(read=file.read, seek=file.seek, tell=file.tell, name=name)
    options = {"protocol_whitelist": "none", "format_whitelist": _formats()}
    try:
        return cast(InputContainer, av.open(bare, options=options, metadata_errors="replace"))
    except av.ArgumentError as error:  # a format that is not on the list; damage has other names
        what = "a playlist, or samples without a header; name self-contained files"
        raise MediaError("not_self_contained", f"{uri}: {what}") from error


@functools.cache
def _formats() -> str:
    """Returns libavformat's list of self-contained file formats: no playlists, cameras or headerless samples."""
    names = set()
    pcm = {name[4:] for name in av.codecs_available if name.startswith("pcm_")}
    for name in av.formats_available - PLAYLISTS - HEADERLESS - pcm:
        with contextlib.suppress(ValueError):  # the format can only be written
            if name == "image2" or not ContainerFormat(name, "r").no_file:  # image2 can read a given file
                names.add(name)
    return ",".join(sorted(names))


def video_stream(container: InputContainer) -> VideoStream | None:
    """Returns the default video stream, or else the largest, or else the longest.

    Cover art and streams that cannot be decoded are ignored. An animated AVIF also has a still picture of equal size.
    """
    films = [s for s in container.streams.video if s.codec_context and not s.disposition & NOT_FILMS]
    return max(films, key=lambda s: (_is_default(s), s.width * s.height, s.frames), default=None)


def audio_stream(container: InputContainer, uri: str, track: int | None = None) -> AudioStream | None:
    """Returns an audio stream: the requested one, or else the default, or else the first that can be decoded.

    Args:
        container: the open file.
        uri: its name, for error messages.
        track: the index of the audio stream, from 0; None for the default stream.

    Raises:
        MediaError: ``no_audio_track`` if the file has sound but not this track, or the track cannot be decoded.
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
    """Returns the video and audio streams of a file that are decoded, None for one it does not have.

    Raises:
        MediaError: ``no_streams`` if there is neither, ``too_large`` for a picture of over ``MAX_PIXELS`` pixels,
            ``no_audio_track``.
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
    """Returns whether the format stores presentation times."""
    return container.format.name not in NO_PRESENTATION_TIMES


def frame_rate(stream: VideoStream) -> Fraction:
    """Returns the nominal frames a second, from the codec's header or else the container's."""
    rates = (stream.codec_context.framerate, stream.average_rate)
    return next((Fraction(rate) for rate in rates if rate and 0 < rate <= MAX_FRAME_RATE), RAW_FRAME_RATE)


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Returns the ratio of a pixel's width to its height, from the container or else the codec, or else 1."""
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    return aspect if PIXEL_ASPECTS[0] <= aspect <= PIXEL_ASPECTS[1] else Fraction(1)


def stream_start(stream: Stream) -> Fraction | None:
    """Returns when a stream starts, in seconds of its own clock, or None if the file does not declare it."""
    if stream.start_time is None or stream.time_base is None:
        return None
    return stream.start_time * stream.time_base


def time_zero(container: InputContainer) -> Fraction:
    """Returns the file's time zero, as in players: the start of its earliest stream of picture or sound."""
    streams = [*container.streams.audio, *container.streams.video]
    starts = [stream_start(s) for s in streams if not s.disposition & NOT_FILMS]
    return min((start for start in starts if start is not None), default=Fraction(0))


def films(container: InputContainer) -> list[Stream]:
    """Returns the video and audio streams, except cover art and streams that cannot be decoded."""
    streams = [*container.streams.video, *container.streams.audio]
    return [stream for stream in streams if stream.codec_context and not stream.disposition & NOT_FILMS]


def packet_end(packet: Packet) -> Fraction | None:
    """Returns when a packet's presentation ends, in seconds of its stream's clock, or None if it has no times."""
    start = packet.dts if packet.pts is None else packet.pts
    return None if start is None else (start + (packet.duration or 0)) * packet.time_base


class BrokenPacketError(Exception):
    """A packet that cannot be decoded; decoding can continue after it."""


def decode_packet(packet: Packet) -> list[Any]:
    """Decodes a packet and returns the frames that it completes.

    Raises:
        BrokenPacketError: if the codec rejects it, for whatever reason.
        MemoryError: if it needs more memory than available.
    """
    try:
        return packet.decode()
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        raise BrokenPacketError(error.strerror) from error
