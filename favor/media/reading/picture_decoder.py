"""Decoding the video packets of a file into frames with presentation times."""

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
    """A decoder of the packets of one video stream.

    Args:
        stream: the video stream.
        clock: the file's clock.
        times_stored: whether the container stores presentation times. If not, the packets' decoding times are assigned
            to frames in the order in which the decoder returns them.
        strict: whether damage raises ``UnplannableError``; otherwise damaged packets raise ``BrokenPacketError`` and
            damaged frames are returned.
    """

    def __init__(self, stream: VideoStream, clock: Clock, times_stored: bool, strict: bool) -> None:
        self._stream = stream
        self._clock = clock
        self._strict = strict
        self._skips = tells_references(stream)
        self._discard = Action.DECODE
        self._slots: list[int] | None = None if times_stored else []  # a heap of times not assigned to frames yet
        self._next_slot = Fraction(0)
        self._latest: int | None = None  # when the last frame is shown
        self.drained = False

    def restart(self) -> None:
        """Resets the decoder's state, before packets from another position in the file."""
        self.drained, self._latest = False, None
        if self._slots:
            self._slots.clear()

    def decode(self, packet: Packet, action: Action) -> Iterator[Shown]:
        """Decodes a packet and yields the frames that it completes, in presentation order.

        Raises:
            BrokenPacketError: if the packet cannot be decoded.
            UnplannableError: if the packet or a frame is damaged and this decoder is ``strict``.
        """
        if self.drained or action is Action.DROP:
            return
        if self._skips and action is not self._discard:
            self._stream.codec_context.skip_frame = action.value
            self._discard = action
        self._add_slot(packet)
        try:
            frames = opening.decode_packet(packet)
        except opening.BrokenPacketError as error:
            if self._strict:
                raise UnplannableError("a packet cannot be decoded") from error
            raise
        yield from self._shown(frames)

    def drain(self) -> Iterator[Shown]:
        """Yields the frames that the decoder still holds; it accepts no more packets until a restart."""
        self.drained = True
        yield from self._shown(self._stream.codec_context.decode(None))

    def _shown(self, frames: list[VideoFrame]) -> Iterator[Shown]:
        for frame in frames:
            if self._strict and frame.is_corrupt:
                raise UnplannableError("a picture is damaged")
            yield self._time(frame), frame

    def _add_slot(self, packet: Packet) -> None:
        """Stores the time of a packet for a frame, if frames have no times."""
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
        elif self._latest is not None:  # in MPEG-PS, several small pictures may share one timestamp
            self._latest += round(self._clock.second / opening.frame_rate(self._stream))
        return self._latest
