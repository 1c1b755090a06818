"""The packets of an open file from any time on, in the file's order."""

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from favor.media.containers import RAW_FORMATS

RUN_UP = Fraction(1)  # s read before the time that is asked for: sound codecs take some packets to settle
FAR = Fraction(60)  # s before the time asked for: the picture has ended or stands, and the sound need not be read
MP4 = "mov,mp4,m4a,3gp,3g2,mj2"  # the format that starts each stream where it should after seeking by any of them
SEEK_MARGINS = (RUN_UP, Fraction(10), Fraction(60))  # s before that time at which to look for a keyframe


ALONE = Fraction(60)  # s from all other packets, beyond which a packet's time is wrong


class Progress:
    """How far reading has got.

    Attributes:
        reached: seconds from time zero; the end of the furthest packet but one, since a single packet may err wildly.
        furthest: the same of the furthest packet.
    """

    def __init__(self, start: Fraction = Fraction(0)) -> None:
        self.reached = self.furthest = start

    @property
    def believed(self) -> Fraction:
        """The end of the furthest packet, unless it lies alone far from all others."""
        return self.furthest if self.furthest - self.reached <= ALONE else self.reached

    def pass_by(self, end: Fraction) -> None:
        """Notes the end of a packet, in seconds from time zero."""
        self.reached = max(self.reached, min(end, self.furthest))
        self.furthest = max(end, self.furthest)


class PacketSource:
    """Packets of the chosen streams; iterating goes on where the last iteration stopped.

    Args:
        container: the open file.
        streams: the chosen ones, the picture first.
        zero: the file's time zero on the streams' clock, in seconds.
    """

    def __init__(self, container: InputContainer, streams: list[Stream], zero: Fraction) -> None:
        self._container = container
        self._streams = streams
        self._zero = zero
        self._packets: Iterator[Packet] = container.demux(streams)
        self._landed = Fraction(0)  # where the last seek has led

    def __iter__(self) -> Iterator[Packet]:
        return self._packets

    def seek(self, start: Fraction) -> bool:
        """Goes to a keyframe from which the picture at ``start`` can be decoded, and the sound with some run-up.

        Returns:
            Whether the place has changed: not for a time near the file's start, nor in a format that cannot seek.
            Reading on gets there in both cases, provided that nothing later has been read yet.
        """
        moved = False
        for margin in (*SEEK_MARGINS, start):
            target = max(start - margin, Fraction(0))
            if start <= RUN_UP or not self._jump(target, self._streams[0]):
                break
            moved = True
            if self._decodable_at(start):
                break
        if moved and self._landed < start - FAR and self._container.format.name == MP4:
            self._jump(max(start - RUN_UP, Fraction(0)), self._streams[-1])
        return moved

    def _jump(self, target: Fraction, stream: Stream) -> bool:
        if self._container.format.name in RAW_FORMATS:
            return False  # libavformat would go somewhere
        try:
            self._container.seek(math.floor((target + self._zero) / Fraction(stream.time_base or 1)), stream=stream)
        except av.FFmpegError:
            return False
        self._packets = self._container.demux(self._streams)
        return True

    def _decodable_at(self, start: Fraction) -> bool:
        """Whether a keyframe comes before ``start``, or the file's end: MPEG-TS seeks to packets of any kind."""
        head: list[Packet] = []
        decodable = True
        for packet in self._packets:
            head.append(packet)
            if packet.pts is None:
                continue
            self._landed = packet.pts * packet.time_base - self._zero
            decodable = self._landed <= start
            if not decodable or (packet.is_keyframe and packet.stream_index == self._streams[0].index):
                break
        self._packets = chain(head, self._packets)
        return decodable
