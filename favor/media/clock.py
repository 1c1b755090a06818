"""The clock of a file: whole ticks from its time zero that represent packets, milliseconds and samples exactly."""

import math
from collections.abc import Iterable
from fractions import Fraction

from av.stream import Stream

from favor.media.clip import SAMPLE_RATE


class Clock:
    """The clock of a file, which converts its streams' timestamps to whole ticks.

    Ticks are integers because arithmetic with fractions takes longer than decoding small pictures.

    Args:
        streams: the streams that are read.
        zero: the file's time zero on the streams' clocks, in seconds.
        sample_rate: the sample rate of the decoded sound, in Hz.

    Attributes:
        second: ticks per second; a multiple of 1000 and of the sample rate.
    """

    def __init__(self, streams: Iterable[Stream], zero: Fraction, sample_rate: int = SAMPLE_RATE) -> None:
        bases = {stream.index: Fraction(stream.time_base or 1) for stream in streams}
        self.second = math.lcm(1000, sample_rate, zero.denominator, *(base.denominator for base in bases.values()))
        self._zero = int(zero * self.second)
        self._units = {index: int(base * self.second) for index, base in bases.items()}

    def time(self, stream_index: int, timestamp: int) -> int:
        """Converts a timestamp of a stream to ticks."""
        return timestamp * self._units[stream_index] - self._zero

    def length(self, stream_index: int, duration: int) -> int:
        """Converts a duration in a stream's time base to ticks."""
        return duration * self._units[stream_index]

    def timestamp(self, stream_index: int, time: int) -> int:
        """Returns the last timestamp of a stream that is not after ``time``."""
        return (time + self._zero) // self._units[stream_index]

    def milliseconds(self, count: int) -> int:
        """Converts milliseconds to ticks."""
        return count * (self.second // 1000)


Instant = int | float  # ticks; infinite before the first picture of a file and after the last one


Span = tuple[int, int]  # [start_ms, end_ms)
