"""Decoding the picture of a file: coded packets become frames with the times at which they are shown."""

import heapq
from collections.abc import Iterator
from fractions import Fraction

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from favor.media.clock import Clock
from favor.media.container import opening
from favor.media.reading.keyframes import tells_references
from favor.media.reading.skipping import Action, UnplannableError

Shown = tuple[int | None, VideoFrame]  # ticks from the file's time zero, and the frame


class PictureDecoder:
    """Decodes the packets of one stream in their order.

    Args:
        stream: the picture.
        clock: the file's.
        times_stored: whether the container says when pictures are shown. Where it does not, pictures are shown at the
            times at which packets are decoded, in the decoder's order.
        strict: whether damage is ``UnplannableError``, rather than left out.
    """

    def __init__(self, stream: VideoStream, clock: Clock, times_stored: bool, strict: bool) -> None:
        self._stream = stream
        self._clock = clock
        self._strict = strict
        self._skips = tells_references(stream)
        self._discard = Action.DECODE
        self._slots: list[int] | None = None if times_stored else []  # a heap of times not taken by frames yet
        self._next_slot = Fraction(0)
        self._latest: int | None = None  # when the last frame is shown
        self.drained = False

    def restart(self) -> None:
        """Forgets what was decoded, for packets from another place in the file."""
        self.drained, self._latest = False, None
        if self._slots:
            self._slots.clear()

    def decode(self, packet: Packet, action: Action) -> Iterator[Shown]:
        """Yields the frames that a packet completes, in the order in which they are shown.

        Raises:
            BrokenPacketError: if the packet is damaged.
            UnplannableError: the same, if this is ``strict``.
        """
        if self.drained or action is Action.DROP:
            return
        if self._skips and action is not self._discard:
            self._stream.codec_context.skip_frame = action.value
            self._discard = action
        self._book(packet)
        try:
            frames = opening.decode_packet(packet)
        except opening.BrokenPacketError as error:
            if self._strict:
                raise UnplannableError("a packet cannot be decoded") from error
            raise
        yield from self._shown(frames)

    def drain(self) -> Iterator[Shown]:
        """Yields the frames that the decoder still holds back; it takes no more before a restart."""
        self.drained = True
        yield from self._shown(self._stream.codec_context.decode(None))

    def _shown(self, frames: list[VideoFrame]) -> Iterator[Shown]:
        for frame in frames:
            if self._strict and frame.is_corrupt:
                raise UnplannableError("a picture is damaged")
            yield self._time(frame), frame

    def _book(self, packet: Packet) -> None:
        """Keeps the time of a packet for a frame, where frames have none."""
        if self._slots is None or not packet.size:
            return
        if packet.dts is not None:
            self._next_slot = Fraction(self._clock.time(packet.stream_index, packet.dts))
        heapq.heappush(self._slots, round(self._next_slot))
        self._next_slot += self._clock.second / opening.frame_rate(self._stream)

    def _time(self, frame: VideoFrame) -> int | None:
        if self._slots is not None:
            return heapq.heappop(self._slots) if self._slots else None
        if frame.pts is not None:
            self._latest = self._clock.time(self._stream.index, frame.pts)
        elif self._latest is not None:  # MPEG-PS may pack many small pictures behind one time
            self._latest += round(self._clock.second / opening.frame_rate(self._stream))
        return self._latest
