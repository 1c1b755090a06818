"""Reading the sound and picture of an open file in one pass and collecting them into windows."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import cast

from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from favor.errors import MediaError
from favor.media.clip import Clip
from favor.media.clock import Clock, Instant, Span
from favor.media.container import duration, opening
from favor.media.container.opening import Opener
from favor.media.container.packets import MP4, RUN_UP_MS, PacketSource, ReadPosition
from favor.media.needs import ClipNeeds
from favor.media.reading.images import Display, FrameScaler
from favor.media.reading.keyframes import EntryPoints, is_plannable
from favor.media.reading.picking import make_picker
from favor.media.reading.picture_decoder import PictureDecoder
from favor.media.reading.skipping import Action, SkipPlan, UnplannableError
from favor.media.reading.sound import Samples, SoundPlacer, SoundTrack
from favor.media.reading.wanted import Wanted
from favor.media.reading.window import WindowBuffer

MISSING_MS = 1000  # the shortest missing part at a file's end that counts as damage; less is rounding in its header
WindowBuffers = Iterable[WindowBuffer]


class Reader:
    """A forward reader of an open file, which splits it into clips.

    Args:
        container: the open file.
        uri: its name.
        opener: opens it again.
        needs: which frames, at what size, and which sound to decode.
        audio_track: the index of the audio stream to decode, from 0; None for the default stream.
        planned: whether to skip pictures that no window needs.

    Raises:
        MediaError: whatever `favor.media.container.opening.usable_streams` raises, and ``empty_window`` if the file
            has nothing that is needed.
    """

    def __init__(
        self,
        container: InputContainer,
        uri: str,
        opener: Opener,
        needs: ClipNeeds,
        audio_track: int | None = None,
        planned: bool = True,
    ) -> None:
        self._uri = uri
        self._opener = opener
        self._needs = needs
        video, audio = opening.usable_streams(container, uri, audio_track)
        self._video, self._audio = video if needs.sees else None, audio if needs.hears else None
        decoded: list[Stream] = [stream for stream in (self._video, self._audio) if stream]
        if not decoded:
            raise MediaError("empty_window", f"{uri}: no {'picture' if needs.sees else 'sound'} in the whole file")
        for stream in decoded:
            stream.codec_context.thread_count = 1  # processes work in parallel; threads cost 15 % more CPU
        self._decoded = frozenset(stream.index for stream in decoded)
        streams: list[Stream] = [stream for stream in (video, audio) if stream]
        if container.format.name == MP4:  # its index skips other streams; elsewhere they show where timestamps restart
            streams = decoded
        self._clock = Clock(streams, opening.time_zero(container), needs.sample_rate)
        self._declared = duration.declared_duration(container)
        self._still = opening.is_still(container)
        self._packets = PacketSource(container, uri, opener, streams, self._clock)
        self._placer = SoundPlacer(self._clock.second, needs.sample_rate)
        self._last_picture: tuple[int, VideoFrame] | None = None
        self._plan: SkipPlan[Packet] | None = None
        if self._video:
            times_stored = opening.has_presentation_times(container)
            self._planned = planned and times_stored and not self._still and is_plannable(self._video)
            self._display = Display(Fraction(1) if self._still else opening.pixel_aspect(self._video))
            self._pictures = PictureDecoder(self._video, self._clock, times_stored, strict=self._planned)

    def clips(self, run: list[Span]) -> Iterator[Clip]:
        """Yields the clips of consecutive spans; later calls must request later spans.

        Raises:
            MediaError: ``truncated``, ``damaged`` or ``empty_window``; see `favor.media.decode.decode_windows`.
            UnplannableError: if the file must be read again without skipping anything.
        """
        progress = self._go_to(run)
        windows = deque(self._window(span) for span in run)
        for packet, action in self._actions():
            self._take(packet, action, progress, windows)
            while windows and windows[0].complete(progress.reached, self._settled):
                yield self._clip(windows.popleft())
            if not windows:
                return
        self._place(self._placer.flush(), windows)
        self._extend_last_picture(None, windows)
        for window in windows:
            self._check_reached(window, progress.furthest)
            yield self._clip(window)

    def _go_to(self, run: list[Span]) -> ReadPosition[int]:
        ticks, first = self._clock.milliseconds, max(run[0][0] - self._needs.sound_margin_ms, 0)
        sought = self._packets.seek(first)
        if sought:
            self._placer, self._last_picture = SoundPlacer(self._clock.second, self._needs.sample_rate), None
        if self._video:
            if sought:
                self._pictures.restart()
            elif self._plan:
                raise UnplannableError("the file cannot be sought, so nothing may be left out before the next window")
            if self._planned:
                spans = [(ticks(start), ticks(end)) for start, end in run]
                self._plan = SkipPlan(Wanted(spans, self._needs, self._clock.second), spans[-1][1], sought)
        return ReadPosition(ticks(max(first - RUN_UP_MS, 0)) if sought else 0, self._clock.second)

    @property
    def _settled(self) -> Instant:
        return self._plan.settled if self._plan else -math.inf

    def _window(self, span: Span) -> WindowBuffer:
        needs, picture, sound = self._needs, None, None
        if self._video:
            start, end = map(self._clock.milliseconds, span)
            scale = FrameScaler(needs.frame_size, self._display)
            picture = make_picker(needs, start, end, self._clock.second, scale)
        if self._audio:
            sound = SoundTrack(*span, needs.sample_rate, needs.sound_margin_ms)
        return WindowBuffer(span, self._clock, picture, sound)

    def _actions(self) -> Iterator[tuple[Packet, Action]]:
        """Yields the packets in the file's order, each with the action to take."""
        if self._plan is None or self._video is None:
            yield from ((packet, Action.DECODE) for packet in self._packets)
            return
        entry, index, clock = EntryPoints(self._video), self._video.index, self._clock
        for packet in self._packets:
            if packet.stream_index != index or not packet.size:
                self._plan.add(packet)
            elif packet.pts is None or packet.is_corrupt:
                raise UnplannableError("a packet without a time, or a damaged one")
            else:
                time = clock.time(index, packet.pts)
                decoding_time = None if packet.dts is None else clock.time(index, packet.dts)
                facts = (entry(packet), packet.is_keyframe, not packet.is_discard)
                self._plan.add_picture(packet, time, decoding_time, *facts)
            yield from self._plan.ready()
        self._plan.finish()
        yield from self._plan.ready()

    def _take(self, packet: Packet, action: Action, progress: ReadPosition[int], windows: WindowBuffers) -> None:
        """Decodes a packet into the windows; a damaged one is counted, and decoding continues."""
        start = packet.dts if packet.pts is None else packet.pts
        if start is not None:
            progress.pass_by(self._clock.time(packet.stream_index, start + (packet.duration or 0)))
        if packet.stream_index not in self._decoded:
            return
        is_picture = self._video is not None and packet.stream_index == self._video.index
        try:
            self._decode_picture(packet, action, windows) if is_picture else self._decode_sound(packet, windows)
            broken = False
        except opening.BrokenPacketError:
            broken = True
        if packet.pts is not None and packet.size:
            time = self._clock.time(packet.stream_index, packet.pts)
            for window in windows:
                if window.start > time:
                    break
                window.note("video" if is_picture else "audio", time, broken)

    def _decode_picture(self, packet: Packet, action: Action, windows: WindowBuffers) -> None:
        for time, frame in self._pictures.decode(packet, action):
            self._show(0 if self._still else time, frame, windows)
        if self._plan and self._plan.exhausted and not self._pictures.drained:
            for time, frame in self._pictures.drain():
                self._show(time, frame, windows)

    def _decode_sound(self, packet: Packet, windows: WindowBuffers) -> None:
        for frame in cast(list[AudioFrame], opening.decode_packet(packet)):
            time = None if frame.pts is None else self._clock.time(packet.stream_index, frame.pts)
            self._place(self._placer.feed(time, frame), windows)

    def _show(self, time: int | None, frame: VideoFrame, windows: WindowBuffers) -> None:
        if time is None:
            return  # a picture without a time belongs to no window
        if self._plan:
            self._plan.returned(time)
        self._extend_last_picture(time, windows)
        self._last_picture = (time, frame)
        for window in windows:
            if window.start > time:
                break
            if window.picture:
                window.picture.offer(time, frame)

    def _extend_last_picture(self, until: Instant | None, windows: WindowBuffers) -> None:
        """Offers the last picture to the windows that start while it is on display.

        Args:
            until: when the next picture is shown; None if there is none, so that the file's duration for it applies.
            windows: the windows still being collected.
        """
        if self._last_picture is None:
            return
        time, frame = self._last_picture
        if until is None:
            assert self._video is not None
            until = time + self._clock.length(self._video.index, frame.duration or 0)
        for window in windows:
            if time < window.start < until and window.picture:
                window.picture.offer(time, frame)

    def _place(self, sound: Iterable[tuple[int, Samples]], windows: WindowBuffers) -> None:
        for position, samples in sound:
            for window in windows:
                if window.sound:
                    if window.sound.start >= position + len(samples):
                        break
                    window.sound.place(position, samples)

    def _check_reached(self, window: WindowBuffer, furthest: int) -> None:
        if self._declared is None:
            return
        due = min(window.end, int(self._declared * self._clock.second)) - self._clock.milliseconds(MISSING_MS)
        if window.start < furthest >= due:
            return
        if duration.cut_short(self._uri, self._opener) is False:
            return  # the file is complete, and its header declares too much
        raise MediaError(
            "truncated",
            f"{self._uri}: nothing after {furthest / self._clock.second:.3f} s, but its header promises "
            f"{float(self._declared):.3f} s, so {window} is incomplete; copy or download the file again",
        )

    def _clip(self, window: WindowBuffer) -> Clip:
        self._extend_last_picture(min(window.end, self._settled), [window])
        if self._plan and any(time < window.end for time in self._plan.awaited):
            raise UnplannableError("the decoder has not returned all pictures that it was expected to")
        return window.clip(self._uri, self._still)
