"""One pass over the sound and picture of an open file, filling windows as it goes."""

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction

from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from favor.errors import MediaError
from favor.media import containers
from favor.media.audio import Samples, SoundPlacer, SoundTrack
from favor.media.clip import SAMPLE_RATE, Clip
from favor.media.packets import PacketSource
from favor.media.picking import PICKERS, FramePicker
from favor.media.picture import FrameScaler

Span = tuple[int, int]  # [start_ms, end_ms)

MAX_LAG = Fraction(30)  # s one stream may run ahead of the other: interleaving, and pictures held by the decoder
MISSING = Fraction(1)  # s missing at a file's end that are damage; less is rounding in its header


class Window:
    """The frames and the sound of one span while they are being collected."""

    def __init__(self, span: Span, picture: FramePicker | None, sound: SoundTrack | None) -> None:
        self.start, self.end = (Fraction(ms, 1000) for ms in span)
        self.picture = picture
        self.sound = sound

    def __str__(self) -> str:
        return f"[{float(self.start)}, {float(self.end)}) s"

    def complete(self, reached: Fraction) -> bool:
        """Whether nothing more can come: each stream has passed the end, or one of them by far."""
        return reached >= self.end + MAX_LAG or all(part.full for part in (self.picture, self.sound) if part)

    def clip(self, still: bool) -> Clip | None:
        """Returns what has been collected, or None if there was neither a frame nor sound."""
        frames, frame_times = (self.picture and self.picture.frames()) or (None, None)
        if frames is None and not (self.sound and self.sound.heard):
            return None
        audio = self.sound.samples if self.sound else None
        return Clip(frames=frames, frame_times=frame_times, audio=audio, still=still)


class Reader:
    """Reads an open file forward and cuts it into clips.

    Args:
        container: the open file.
        uri: its name, for errors.
        frame_size: as in `favor.media.decode.decode_windows`.
        frame_sampling: likewise.

    Raises:
        MediaError: ``no_streams`` if the file has neither picture nor sound.
    """

    def __init__(self, container: InputContainer, uri: str, frame_size: int | None, frame_sampling: str) -> None:
        self._uri = uri
        self._picker = PICKERS[frame_sampling]
        self._video, self._audio = containers.usable_streams(container, uri)
        streams: list[Stream] = [stream for stream in (self._video, self._audio) if stream]
        for stream in streams:
            stream.codec_context.thread_count = 1  # work is spread over processes; threads cost 15 % more CPU
        self._zero = containers.time_zero(container)
        self._declared = containers.declared_duration(container)
        self._still = containers.is_still(container)
        self._packets = PacketSource(container, streams, self._zero)
        self._scale = FrameScaler(frame_size)
        self._placer = SoundPlacer()

    def clips(self, run: list[Span]) -> Iterator[Clip]:
        """Yields the clips of neighbouring spans; later calls must ask for later spans.

        Raises:
            MediaError: ``truncated`` or ``empty_window``; see `favor.media.decode.decode_windows`.
        """
        if self._packets.seek(Fraction(run[0][0], 1000)):
            self._placer = SoundPlacer()
        windows = deque(self._window(span) for span in run)
        for packet in self._packets:
            self._decode(packet, windows)
            while windows and windows[0].complete(self._packets.reached):
                yield self._clip(windows.popleft())
            if not windows:
                return
        self._place(self._placer.flush(), windows)
        for window in windows:
            self._check_reached(window)
            yield self._clip(window)

    def _window(self, span: Span) -> Window:
        picture = self._picker(*span, self._scale) if self._video else None
        return Window(span, picture, SoundTrack(*span) if self._audio else None)

    def _decode(self, packet: Packet, windows: Iterable[Window]) -> None:
        for frame in containers.decode_packet(packet):
            time = None if frame.pts is None else frame.pts * frame.time_base - self._zero
            if isinstance(frame, AudioFrame):
                self._place(self._placer.feed(time, frame), windows)
            elif isinstance(frame, VideoFrame):
                self._show(Fraction(0) if self._still else time, frame, windows)

    def _show(self, time: Fraction | None, frame: VideoFrame, windows: Iterable[Window]) -> None:
        if time is None:
            return  # a picture without a time has no place
        last = time + (frame.duration or 0) * (frame.time_base or Fraction(0))
        for window in windows:
            if window.start > time and window.start >= last:
                break
            if window.picture:
                window.picture.offer(time, frame)

    def _place(self, sound: Iterable[tuple[int, Samples]], windows: Iterable[Window]) -> None:
        for position, samples in sound:
            for window in windows:
                if window.start * SAMPLE_RATE >= position + len(samples):
                    break
                if window.sound:
                    window.sound.place(position, samples)

    def _check_reached(self, window: Window) -> None:
        if self._declared is None or self._packets.reached >= min(window.end, self._declared) - MISSING:
            return
        raise MediaError(
            "truncated",
            f"{self._uri}: nothing after {float(self._packets.reached):.3f} s, but its header promises "
            f"{float(self._declared):.3f} s, so {window} is incomplete; copy or download the file again",
        )

    def _clip(self, window: Window) -> Clip:
        clip = window.clip(self._still)
        if clip is None:
            raise MediaError("empty_window", f"{self._uri}: neither picture nor sound in {window}")
        return clip
