"""Probing media files: their properties, from the header and the first picture."""

import contextlib
import dataclasses
from itertools import islice

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from favor.media.container import duration, opening
from favor.media.container.opening import Opener
from favor.media.corpus.files import MediaFile
from favor.media.reading import images

PACKETS_TO_FIRST_PICTURE = 300  # how far to look for a picture in a damaged file


@dataclasses.dataclass(frozen=True)
class MediaInfo:
    """The properties of a media file; None for those it does not have.

    Attributes:
        media_id: the file's identity.
        uri: a local path or fsspec URL.
        bytes: the file's size.
        container: libavformat's name of the format, such as ``matroska,webm``.
        duration_ms: from the start of the earliest stream to the end of the last, rounded up; 500 for a still picture.
        video_codec: libavcodec's name of the video codec.
        audio_codec: libavcodec's name of the audio codec.
        width: the width in pixels, as displayed, that is after rotation.
        height: the height in pixels, as displayed.
        rotation: the clockwise rotation that makes the coded picture upright: 0, 90, 180 or 270 degrees. Decoded
            frames are upright already.
        frame_rate: average frames a second.
        sample_rate: the sample rate of the sound as stored, in Hz.
        av_offset_ms: how much later than the picture the sound starts.
        still: whether the file is a still picture.
    """

    media_id: str
    uri: str
    bytes: int
    container: str
    duration_ms: int
    video_codec: str | None
    audio_codec: str | None
    width: int | None
    height: int | None
    rotation: int | None
    frame_rate: float | None
    sample_rate: int | None
    av_offset_ms: int | None
    still: bool


def probe(media: MediaFile, audio_track: int | None = None, opener: Opener = opening.open_stored) -> MediaInfo:
    """Reads a file's header, first picture and end; the whole file only if the header lacks its length or is wrong.

    The first picture is decoded because its rotation is stored nowhere else, in videos and in photographs.

    Args:
        media: the file.
        audio_track: the index of the audio stream to describe, from 0; None for the default stream.
        opener: opens the file's bytes.

    Raises:
        MediaError: ``no_times`` if the length cannot be found, and whatever `usable_streams` and `open_container`
            raise.
        OSError: if the file cannot be found or read.
    """
    with opening.open_container(media.uri, opener) as container:
        video, audio = opening.usable_streams(container, media.uri, audio_track)
        width, height, rotation = _geometry(container, video) if video else (None, None, None)
        return MediaInfo(
            media_id=media.media_id,
            uri=media.uri,
            bytes=media.bytes,
            container=container.format.name,
            duration_ms=duration.duration_ms(container, media.uri, opener),
            video_codec=video.codec.canonical_name if video else None,
            audio_codec=audio.codec.canonical_name if audio else None,
            width=width,
            height=height,
            rotation=rotation,
            frame_rate=_frame_rate(container, video) if video else None,
            sample_rate=audio.codec_context.sample_rate if audio else None,
            av_offset_ms=_offset_ms(video, audio) if video and audio else None,
            still=opening.is_still(container),
        )


def _geometry(container: InputContainer, video: VideoStream) -> tuple[int | None, int | None, int]:
    frame = _first_picture(container, video)
    if frame is None:
        return video.width or None, video.height or None, 0
    rotation = images.clockwise_degrees(images.display_matrix(frame))
    width, height = (frame.height, frame.width) if rotation in (90, 270) else (frame.width, frame.height)
    return width, height, rotation


def _first_picture(container: InputContainer, video: VideoStream) -> VideoFrame | None:
    video.codec_context.thread_count = 1
    for packet in islice(container.demux(video), PACKETS_TO_FIRST_PICTURE):
        with contextlib.suppress(opening.BrokenPacketError):
            for frame in opening.decode_packet(packet):
                return frame
    return None


def _frame_rate(container: InputContainer, video: VideoStream) -> float | None:
    rate = video.average_rate
    return float(rate) if rate and rate <= opening.MAX_FRAME_RATE and not opening.is_still(container) else None


def _offset_ms(video: VideoStream, audio: AudioStream) -> int | None:
    shown, heard = opening.stream_start(video), opening.stream_start(audio)
    return None if shown is None or heard is None else round((heard - shown) * 1000)
