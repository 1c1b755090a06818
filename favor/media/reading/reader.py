"""One pass over the sound and picture of an open file, filling windows as it goes."""

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

MISSING_MS = 1000  # missing at a file's end that are damage; less is rounding in its header
WindowBuffers = Iterable[WindowBuffer]


class Reader:
    """Reads an open file forward and cuts it into clips.

    Args:
        container: the open file.
        uri: its name.
        opener: opens it once more.
        needs: as in `favor.media.decode.decode_windows`.
        audio_track: likewise.
        planned: whether to leave out pictures that no window needs.

    Raises:
        MediaError: ``no_streams`` if the file has neither picture nor sound, ``empty_window`` if it has only what is
            not needed.
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
            stream.codec_context.thread_count = 1  # work is spread over processes; threads cost 15 % more CPU
        self._decoded = frozenset(stream.index for stream in decoded)
        streams: list[Stream] = [stream for stream in (video, audio) if stream]
        if container.format.name == MP4:  # its index leads past the rest; elsewhere that tells where time begins anew
            streams = decoded
        self._clock = Clock(streams, opening.time_zero(container), needs.sample_rate)
        self._declared = duration.declared_duration(container)
        self._still = opening.is_still(container)
        self._packets = PacketSource(container, uri, opener, streams, self._clock)
        self._placer = SoundPlacer(self._clock.second, needs.sample_rate)
        self._standing: tuple[int, VideoFrame] | None = None
        self._plan: SkipPlan[Packet] | None = None
        if self._video:
            times_stored = opening.has_presentation_times(container)
            self._planned = planned and times_stored and not self._still and is_plannable(self._video)
            self._display = Display(Fraction(1) if self._still else opening.pixel_aspect(self._video))
            self._pictures = PictureDecoder(self._video, self._clock, times_stored, strict=self._planned)

    def clips(self, run: list[Span]) -> Iterator[Clip]:
        """Yields the clips of neighbouring spans; later calls must ask for later spans.

        Raises:
            MediaError: ``truncated``, ``damaged`` or ``empty_window``; see `favor.media.decode.decode_windows`.
            UnplannableError: if the file must be read again without leaving anything out.
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
        self._stand(None, windows)
        for window in windows:
            self._check_reached(window, progress.furthest)
            yield self._clip(window)

    def _go_to(self, run: list[Span]) -> ReadPosition[int]:
        ticks, first = self._clock.milliseconds, max(run[0][0] - self._needs.sound_margin_ms, 0)
        sought = self._packets.seek(first)
        if sought:
            self._placer, self._standing = SoundPlacer(self._clock.second, self._needs.sample_rate), None
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
        """Yields the packets in the file's order, each with what is to be done with it."""
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
        """Decodes a packet into the windows; one that is damaged is counted, and decoding goes on."""
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
            return  # a picture without a time has no place
        if self._plan:
            self._plan.returned(time)
        self._stand(time, windows)
        self._standing = (time, frame)
        for window in windows:
            if window.start > time:
                break
            if window.picture:
                window.picture.offer(time, frame)

    def _stand(self, until: Instant | None, windows: WindowBuffers) -> None:
        """Shows the last picture in the windows that start while it is on display.

        Args:
            windows: those still open.
            until: when the next picture is shown; None after the last one, which lasts as long as the file says.
        """
        if self._standing is None:
            return
        time, frame = self._standing
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
            return  # the header promises what has never been there
        raise MediaError(
            "truncated",
            f"{self._uri}: nothing after {furthest / self._clock.second:.3f} s, but its header promises "
            f"{float(self._declared):.3f} s, so {window} is incomplete; copy or download the file again",
        )

    def _clip(self, window: WindowBuffer) -> Clip:
        self._stand(min(window.end, self._settled), [window])
        if self._plan and any(time < window.end for time in self._plan.awaited):
            raise UnplannableError("the decoder has not returned all pictures that it was expected to")
        return window.clip(self._uri, self._still)
