"""Files whose timestamps restart, such as byte-wise concatenated recordings: their packets on one continuous clock."""

import math
from collections.abc import Iterable, Iterator

import av
from av.container import InputContainer
from av.packet import Packet

from favor.media.container import opening
from favor.media.container.completeness import holds_one_segment
from favor.media.container.opening import Opener

BACK = 1.0  # s; decoding times never decrease, and a smaller step back is an error in a few packets
FORWARD = 12 * 3600.0  # s, about half of the range of MPEG-TS' clock; a shorter step forward is a pause
MATROSKA = "matroska,webm"
JOINABLE = frozenset({"flac", "mpeg", "mpegts", "nut", "ogg", MATROSKA})  # formats that can be read past a join


class JoinedClock:
    """Shifts the times of the packets after each join, so that time continues.

    A join is detected as a jump in a stream's times that its next packet confirms. All streams are shifted by the same
    amount, each from its own first packet after the join on, since packets from both sides may be interleaved there.
    """

    def __init__(self) -> None:
        self._offsets = [0.0]  # s, before the first join and after each
        self._parts: dict[int, int] = {}  # per stream: how many joins it has passed
        self._last: dict[int, float] = {}  # per stream: the shifted time of its last packet
        self._held: dict[int, tuple[Packet, float]] = {}  # per stream: a packet whose jump is not confirmed yet
        self._units: dict[int, float] = {}  # per stream: its time base, in s
        self._now = 0.0  # the last packet's shifted time
        self._end = -math.inf  # the furthest packet's shifted end

    @property
    def joins(self) -> int:
        """The number of joins so far."""
        return len(self._offsets) - 1

    def __call__(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        """Yields the packets, with shifted times after each join."""
        for packet in packets:
            index = packet.stream_index
            if not packet.size:  # the end of the stream
                yield from self._release(index, stray=True)
                yield packet
            elif packet.dts is None:  # only decoding times always increase
                yield self._shifted(packet, index)
            else:
                yield from self._pass(packet, index, packet.dts * self._unit(packet, index))

    def _pass(self, packet: Packet, index: int, time: float) -> Iterator[Packet]:
        if self._parts.get(index) != self.joins:
            self._enter_part(index, time)
        jumps = self._jumps(index, time + self._offset(index))
        if jumps and index not in self._held:
            self._held[index] = packet, time
            return
        if index in self._held:
            if jumps and -BACK <= time - self._held[index][1] <= FORWARD:
                yield from self._join(index)
            yield from self._release(index, stray=not jumps)
        self._now = self._last[index] = time + self._offset(index)
        yield self._shifted(packet, index)

    def _unit(self, packet: Packet, index: int) -> float:
        if index not in self._units:
            self._units[index] = float(packet.time_base)
        return self._units[index]

    def _offset(self, index: int) -> float:
        return self._offsets[self._parts.get(index, 0)]

    def _jumps(self, index: int, time: float) -> bool:
        last = self._last.get(index)
        return last is not None and (time < last - BACK or time > max(last, self._now) + FORWARD)

    def _enter_part(self, index: int, time: float) -> None:
        """Moves a stream past the joins detected in other streams, if that brings its time closer to theirs."""
        later = range(self._parts.get(index, 0), len(self._offsets))
        self._parts[index] = min(later, key=lambda part: abs(time + self._offsets[part] - self._now))

    def _join(self, index: int) -> Iterator[Packet]:
        """Starts a part with a stream's held packet, and yields the packets held for other streams."""
        self._offsets.append(self._end - self._held[index][1])
        self._parts[index] = self.joins
        self._now = self._end
        for other in self._held.keys() - {index}:
            self._enter_part(other, self._held[other][1])
            yield from self._release(other, stray=False)

    def _release(self, index: int, stray: bool) -> Iterator[Packet]:
        """Yields a stream's held packet; a stray one, whose jump was not confirmed, does not advance the clock."""
        if index in self._held:
            packet, time = self._held.pop(index)
            if not stray:
                self._now = self._last[index] = time + self._offset(index)
            yield self._shifted(packet, index, stray)

    def _shifted(self, packet: Packet, index: int, stray: bool = False) -> Packet:
        unit, offset = self._unit(packet, index), self._offset(index)
        pts, dts = packet.pts, packet.dts
        if offset:
            units = round(offset / unit)
            packet.pts = None if pts is None else pts + units
            packet.dts = None if dts is None else dts + units
        start = dts if pts is None else pts
        if start is not None and not stray:
            self._end = max(self._end, (start + (packet.duration or 0)) * unit + offset)
        return packet


def is_joined(container: InputContainer, uri: str, opener: Opener) -> bool:
    """Returns whether timestamps restart within a file, by reading all of it if its format allows joins.

    Args:
        container: the open file, whose position is not changed.
        uri: its name.
        opener: opens it again.
    """
    if container.format.name not in JOINABLE:
        return False
    with opening.open_bytes(uri, opener) as file:
        if container.format.name == MATROSKA and holds_one_segment(file):
            return False
    clock = JoinedClock()
    with opening.open_container(uri, opener) as other:
        try:
            return any(clock.joins for _ in clock(other.demux(opening.films(other))))
        except av.FFmpegError:
            return bool(clock.joins)
