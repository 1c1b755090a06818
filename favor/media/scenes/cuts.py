"""Finding the cuts of a film with PySceneDetect: first between keyframes, then among all pictures between two of them.

Encoders insert keyframes every few seconds, and most encoders also where scenes begin. At first only these are decoded.
Where two consecutive ones differ, and only near the end of a window, the pictures between them are decoded too.
"""

import contextlib
import functools
import importlib.util
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import pairwise

from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from favor.errors import FavorError
from favor.media.clock import Clock, Span
from favor.media.container import opening
from favor.media.container.opening import Opener
from favor.media.container.packets import PacketSource
from favor.media.reading.picture_decoder import PictureDecoder
from favor.media.reading.skipping import Action
from favor.media.scenes import windows
from favor.media.scenes.windows import Look

LOOK_MS = 500  # the shortest time between two keyframes that are compared
COMPARED_PIXELS = 64  # the width and height of the pictures that are compared
# PySceneDetect's measure: the mean change of a pixel's hue, saturation and value, each from 0 to 255.
CUT_SCORE = 27.0  # its default for consecutive pictures
LOOK_SCORE = 20.0  # lower for keyframes, because the picture after a cut may look similar
EXTRA = "--split scenes needs PySceneDetect: pip install '.[scenes]'"


def check_installed() -> None:
    """Checks that PySceneDetect is installed.

    Raises:
        FavorError: if it is not; the message has the command that installs it.
    """
    if not (importlib.util.find_spec("scenedetect") and importlib.util.find_spec("cv2")):
        raise FavorError(EXTRA)


def find_scene_spans(uri: str, part: Span, window_ms: int, opener: Opener = opening.open_stored) -> Iterator[Span]:
    """Splits a part of a film into windows that end at scene boundaries; see `favor.media.scenes.windows.scene_spans`.

    The part is read once, and the stretches that are searched are read again.

    Args:
        uri: a file with video, not a still picture; a local path or any fsspec URL.
        part: ``(start_ms, end_ms)``.
        window_ms: the desired length of a window.
        opener: opens the file's bytes.

    Raises:
        MediaError: whatever `favor.media.container.opening.open_container` raises, also while the file is read.
        OSError: if the file cannot be found or read.
    """
    with opening.open_container(uri, opener) as container:
        film = Film(container, uri, opener)
        film.packets.seek(part[0])
        search = functools.partial(search_cuts, uri, opener)
        yield from windows.scene_spans(part, window_ms, looks(film), search)


class Film:
    """The video of an open file.

    Args:
        container: the open file.
        uri: its name.
        opener: opens it again.

    Attributes:
        coded: the presentation times, in ms, of all pictures decoded or skipped so far.
    """

    def __init__(self, container: InputContainer, uri: str, opener: Opener) -> None:
        video, _ = opening.usable_streams(container, uri)
        assert video
        video.codec_context.thread_count = 1
        self.stream: VideoStream = video
        self.clock = Clock([video], opening.time_zero(container))
        self.packets = PacketSource(container, uri, opener, [video], self.clock)
        self._times_stored = opening.has_presentation_times(container)
        self.pictures = PictureDecoder(video, self.clock, self._times_stored, strict=False)
        self.coded: set[int] = set()

    def time_ms(self, packet: Packet) -> int | None:
        """Returns when a packet's picture is shown, or None if it has no time."""
        time = packet.dts if packet.pts is None else packet.pts
        if time is None or not packet.size:
            return None
        return self._milliseconds(self.clock.time(packet.stream_index, time))

    def frames(self, packet: Packet | None, action: Action = Action.DECODE) -> list[tuple[int, VideoFrame]]:
        """Decodes a packet, or drains the decoder if it is None; returns times in ms, and frames."""
        frames = []
        time = self.time_ms(packet) if packet else None
        if time is not None:
            self.coded.add(time)
        with contextlib.suppress(opening.BrokenPacketError):
            shown = self.pictures.decode(packet, self._possible(action)) if packet else self.pictures.drain()
            frames = [(self._milliseconds(time), frame) for time, frame in shown if time is not None]
        return frames

    def _possible(self, action: Action) -> Action:
        """Skips no pictures if their times are known only from their order."""
        return action if self._times_stored else Action.DECODE

    def restart(self) -> None:
        """Resets the decoder."""
        self.stream.codec_context.flush_buffers()
        self.pictures.restart()

    def _milliseconds(self, time: int) -> int:
        """Rounds down, so that the picture is the first of a window that starts in that millisecond."""
        return time * 1000 // self.clock.second


class Comparison:
    """A comparison of each picture with the previous one.

    Args:
        score: the smallest change for which pictures count as different.
    """

    def __init__(self, score: float) -> None:
        from scenedetect import ContentDetector

        self._detector = ContentDetector(threshold=score, min_scene_len=0)
        self._reformatter = VideoReformatter()

    def differs(self, time: int, frame: VideoFrame) -> bool:
        """Returns whether a frame, shown at ``time`` in ms, differs from the previous one; False for the first."""
        from scenedetect import FrameTimecode

        image = self._reformatter.reformat(
            frame, COMPARED_PIXELS, COMPARED_PIXELS, "bgr24", interpolation="AREA"
        ).to_ndarray()
        return bool(self._detector.process_frame(FrameTimecode(max(time, 0), 1000.0), image))


def looks(film: Film) -> Iterator[Look]:
    """Yields the times of keyframes in ms, and whether each differs from the previous one."""
    comparison = Comparison(LOOK_SCORE)
    due = None
    for packet in film.packets:
        time = film.time_ms(packet)
        if time is None or not packet.is_keyframe or (due is not None and time < due):
            continue
        for shown, frame in film.frames(packet) + film.frames(None):
            due = shown + LOOK_MS
            yield shown, comparison.differs(shown, frame)
        film.restart()


def search_cuts(uri: str, opener: Opener, start_ms: int, end_ms: int) -> list[int]:
    """Returns when scenes begin after ``start_ms``, the time of a keyframe, up to and including ``end_ms``.

    Pictures that no other refers to are skipped at first, which halves the time. They are compared only where the
    pictures on either side of them differ.
    """
    found, gaps = _search(uri, opener, start_ms, end_ms, [])
    if not gaps:
        return found
    last = gaps[-1][1]
    return _search(uri, opener, start_ms, last, gaps)[0] + [time for time in found if time > last]


def _search(uri: str, opener: Opener, start_ms: int, end_ms: int, whole: list[Span]) -> tuple[list[int], list[Span]]:
    """Returns when scenes begin, and the gaps where this is uncertain because pictures were skipped.

    Args:
        uri: the film.
        opener: opens its bytes.
        start_ms: the time of a keyframe, where the search starts.
        end_ms: the time up to which to search.
        whole: the spans in which no picture is skipped.
    """
    sure, likely = Comparison(CUT_SCORE), Comparison(LOOK_SCORE)
    with opening.open_container(uri, opener) as container:
        film = Film(container, uri, opener)
        stretch = _stretch(film, start_ms, end_ms, whole)
        compared = [(time, sure.differs(time, frame), likely.differs(time, frame)) for time, frame in stretch]
        coded = sorted(film.coded)
    found, gaps = [], []
    for (before, *_), (time, is_cut, may_be_cut) in pairwise(compared):
        if may_be_cut and bisect_right(coded, before) < bisect_left(coded, time):
            gaps.append((before, time))
        elif is_cut:
            found.append(time)
    return found, gaps


def _stretch(film: Film, start_ms: int, end_ms: int, whole: list[Span]) -> Iterator[tuple[int, VideoFrame]]:
    """Yields the frames of a stretch with their times in ms; nothing before it is decoded."""
    film.packets.seek(start_ms)
    begun = False
    for packet in film.packets:
        time = film.time_ms(packet)
        begun = begun or (time is not None and packet.is_keyframe and time >= start_ms)
        needed = time is None or any(first < time < last for first, last in whole)
        action = Action.DECODE if needed else Action.REFERENCE
        for shown, frame in film.frames(packet, action) if begun and packet.size else ():
            if start_ms <= shown <= end_ms:
                yield shown, frame
            if shown >= end_ms:
                return
    yield from ((shown, frame) for shown, frame in film.frames(None) if start_ms <= shown <= end_ms)
