"""Files in which time begins anew, such as recordings joined byte by byte: their packets, on one clock that goes on."""

import math
from collections.abc import Iterable, Iterator

import av
from av.container import InputContainer
from av.packet import Packet

from favor.media.container import opening
from favor.media.container.completeness import holds_one_segment
from favor.media.container.opening import Opener

BACK = 1.0  # s; decoding times never go back, and less is an error of a few packets
FORWARD = 12 * 3600.0  # s, about half of what the clock of MPEG-TS counts; a pause may be as long as it likes below
MATROSKA = "matroska,webm"
JOINABLE = frozenset({"flac", "mpeg", "mpegts", "nut", "ogg", MATROSKA})  # formats that are read on behind a join


class JoinedClock:
    """Moves the packets behind each join, so that time goes on where it was.

    A join shows as a jump in a stream's times that its next packet confirms. All streams move by the same span, each
    from its own first packet behind the join on: around it their packets may be mixed.

    Attributes:
        joins: how many there were up to now.
    """

    def __init__(self) -> None:
        self._offsets = [0.0]  # s, before the first join and behind each
        self._parts: dict[int, int] = {}  # of each stream: how many joins it has passed
        self._last: dict[int, float] = {}  # of each stream: the time of its last packet, moved
        self._held: dict[int, tuple[Packet, float]] = {}  # of each stream: a packet whose jump is not confirmed yet
        self._units: dict[int, float] = {}  # of each stream: s
        self._now = 0.0  # the last packet's time, moved
        self._end = -math.inf  # the furthest packet's end, moved

    @property
    def joins(self) -> int:
        """How many joins there were up to now."""
        return len(self._offsets) - 1

    def __call__(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        """Yields the packets, those behind a join with other times."""
        for packet in packets:
            index = packet.stream_index
            if not packet.size:  # the end of the stream
                yield from self._let_go(index, stray=True)
                yield packet
            elif packet.dts is None:  # only times of decoding always grow
                yield self._moved(packet, index)
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
            yield from self._let_go(index, stray=not jumps)
        self._now = self._last[index] = time + self._offset(index)
        yield self._moved(packet, index)

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
        """Takes a stream over the joins that others have shown, where that brings it nearer to them."""
        later = range(self._parts.get(index, 0), len(self._offsets))
        self._parts[index] = min(later, key=lambda part: abs(time + self._offsets[part] - self._now))

    def _join(self, index: int) -> Iterator[Packet]:
        """Begins a part with the packet of a stream that is held, and yields those of others, which wait for that."""
        self._offsets.append(self._end - self._held[index][1])
        self._parts[index] = self.joins
        self._now = self._end
        for other in self._held.keys() - {index}:
            self._enter_part(other, self._held[other][1])
            yield from self._let_go(other, stray=False)

    def _let_go(self, index: int, stray: bool) -> Iterator[Packet]:
        """Yields the packet of a stream that is held; time goes on without one that errs alone."""
        if index in self._held:
            packet, time = self._held.pop(index)
            if not stray:
                self._now = self._last[index] = time + self._offset(index)
            yield self._moved(packet, index, stray)

    def _moved(self, packet: Packet, index: int, stray: bool = False) -> Packet:
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
    """Returns whether time begins anew within a file, by reading it all where its format allows for that.

    Args:
        container: the open file; it stays where it is.
        uri: its name.
        opener: opens it once more.
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
