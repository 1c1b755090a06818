"""The packets of an open file from any time on, in the file's order."""

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from favor.media.containers import packet_end

RUN_UP = Fraction(1)  # s read before the time that is asked for: sound codecs take some packets to settle
SEEK_MARGINS = (RUN_UP, Fraction(10), Fraction(60))  # s before that time at which to look for a keyframe


class PacketSource:
    """Packets of the chosen streams; iterating goes on where the last iteration stopped.

    Args:
        container: the open file.
        streams: the chosen ones, the picture first.
        zero: the file's time zero on the streams' clock, in seconds.

    Attributes:
        reached: seconds from time zero; the end of the furthest packet so far, and after a seek at least its target.
    """

    def __init__(self, container: InputContainer, streams: list[Stream], zero: Fraction) -> None:
        self._container = container
        self._streams = streams
        self._zero = zero
        self._packets: Iterator[Packet] = container.demux(streams)
        self.reached = Fraction(0)

    def __iter__(self) -> Iterator[Packet]:
        for packet in self._packets:
            end = packet_end(packet)
            if end is not None:
                self.reached = max(self.reached, end - self._zero)
            yield packet

    def seek(self, start: Fraction) -> bool:
        """Goes to a keyframe from which the picture at ``start`` can be decoded, and the sound with some run-up.

        Returns:
            Whether the place has changed: not for a time near the file's start, nor in a format that cannot seek.
            Reading on gets there in both cases, provided that nothing later has been read yet.
        """
        moved = False
        for margin in (*SEEK_MARGINS, start):
            target = max(start - margin, Fraction(0))
            if start <= RUN_UP or not self._jump(target):
                break
            moved = True
            if self._decodable_at(start):
                break
        return moved

    def _jump(self, target: Fraction) -> bool:
        stream = self._streams[0]
        try:
            self._container.seek(math.floor((target + self._zero) / Fraction(stream.time_base or 1)), stream=stream)
        except av.FFmpegError:
            return False
        self._packets = self._container.demux(self._streams)
        self.reached = target
        return True

    def _decodable_at(self, start: Fraction) -> bool:
        """Whether a keyframe comes before ``start``, or the file's end: MPEG-TS seeks to packets of any kind."""
        head: list[Packet] = []
        decodable = True
        for packet in self._packets:
            head.append(packet)
            if packet.pts is None:
                continue
            decodable = packet.pts * packet.time_base - self._zero <= start
            if not decodable or (packet.is_keyframe and packet.stream_index == self._streams[0].index):
                break
        self._packets = chain(head, self._packets)
        return decodable
