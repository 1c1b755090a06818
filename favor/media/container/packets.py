"""Reading the packets of an open file from any time on, in file order."""

import functools
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from typing import Generic, TypeVar

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from favor.media.clock import Clock
from favor.media.container.joins import JoinedClock, is_joined
from favor.media.container.opening import RAW_FORMATS, Opener

RUN_UP_MS = 1000  # read before the requested time, because audio codecs need some packets to settle
FAR_MS = 60_000  # beyond this distance, the picture has ended or is static, and the sound in between is not read
MP4 = "mov,mp4,m4a,3gp,3g2,mj2"  # the format in which seeking by one stream positions all of them correctly
SEEK_MARGINS_MS = (RUN_UP_MS, 10_000, 60_000)  # how long before the requested time to look for a keyframe

Time = TypeVar("Time", int, Fraction)

ALONE = 60  # s; a packet's time further than this from all others is wrong


class ReadPosition(Generic[Time]):
    """How far a file has been read.

    Args:
        start: the time at which reading starts, from time zero on.
        second: the length of a second, in the same unit.

    Attributes:
        reached: the end of the second-furthest packet, from time zero on, since a single packet's time may be wrong.
        furthest: the end of the furthest packet.
    """

    def __init__(self, start: Time, second: Time) -> None:
        self.reached: Time = start
        self.furthest: Time = start
        self._alone: Time = ALONE * second

    @property
    def believed(self) -> Time:
        """The end of the furthest packet, ignoring one that is far from all others."""
        return self.furthest if self.furthest - self.reached <= self._alone else self.reached

    def pass_by(self, end: Time) -> None:
        """Records the end of a packet, from time zero on."""
        self.reached = max(self.reached, min(end, self.furthest))
        self.furthest = max(end, self.furthest)


class PacketSource:
    """The packets of selected streams; iteration continues where the last iteration stopped.

    Args:
        container: the open file.
        uri: its name.
        opener: opens it again.
        streams: the selected streams, video first.
        clock: the file's clock.
    """

    def __init__(
        self, container: InputContainer, uri: str, opener: Opener, streams: list[Stream], clock: Clock
    ) -> None:
        self._container = container
        self._uri = uri
        self._opener = opener
        self._streams = streams
        self._clock = clock
        self._packets: Iterator[Packet] = JoinedClock()(container.demux(streams))
        self._landed = 0  # the position of the last seek, in ticks

    def __iter__(self) -> Iterator[Packet]:
        return self._packets

    def seek(self, start_ms: int) -> bool:
        """Seeks to a keyframe from which the picture at ``start_ms`` can be decoded, and the sound with some run-up.

        Returns:
            Whether the position has changed: not for a time near the file's start, nor in a format that cannot seek,
            nor in a file whose timestamps restart, because there a time is ambiguous. In either case, reading on
            reaches the time, provided that nothing later has been read yet.
        """
        moved = False
        for margin in (*SEEK_MARGINS_MS, start_ms):
            if start_ms <= RUN_UP_MS or self._joined or not self._jump(start_ms - margin, self._streams[0]):
                break
            moved = True
            if self._decodable_at(self._clock.milliseconds(start_ms)):
                break
        far = self._landed < self._clock.milliseconds(start_ms - FAR_MS)
        if moved and far and self._container.format.name == MP4:
            self._jump(start_ms - RUN_UP_MS, self._streams[-1])
        return moved

    @functools.cached_property
    def _joined(self) -> bool:
        return is_joined(self._container, self._uri, self._opener)

    def _jump(self, target_ms: int, stream: Stream) -> bool:
        if self._container.format.name in RAW_FORMATS:
            return False  # libavformat would seek to an arbitrary position
        target = self._clock.timestamp(stream.index, self._clock.milliseconds(max(target_ms, 0)))
        try:
            self._container.seek(target, stream=stream)
        except av.FFmpegError:
            return False
        self._packets = JoinedClock()(self._container.demux(self._streams))
        return True

    def _decodable_at(self, start: int) -> bool:
        """Returns whether a keyframe, or the file's end, comes before ``start``: MPEG-TS seeks to any packet."""
        head: list[Packet] = []
        decodable = True
        for packet in self._packets:
            head.append(packet)
            if packet.pts is None:
                continue
            self._landed = self._clock.time(packet.stream_index, packet.pts)
            decodable = self._landed <= start
            if not decodable or (packet.is_keyframe and packet.stream_index == self._streams[0].index):
                break
        self._packets = chain(head, self._packets)
        return decodable
