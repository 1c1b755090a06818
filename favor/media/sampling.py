"""The arithmetic of windows and frame slots, without access to files."""

import dataclasses
from fractions import Fraction
from typing import Literal

Split = Literal["fixed", "scenes"]
FIXED: Split = "fixed"
SCENES: Split = "scenes"


@dataclasses.dataclass(frozen=True)
class Windowing:
    """How files are split into windows.

    Attributes:
        window_ms: the length of a window.
        split: where windows end: "fixed", at multiples of their length, or "scenes", at the scene boundary nearest to
            that length, for files with video.
        audio_track: the index of the audio stream to decode, from 0; None for the default stream.
    """

    window_ms: int = 30_000
    split: Split = FIXED
    audio_track: int | None = None

    @property
    def longest_ms(self) -> int:
        """The maximum length of a window; one that ends at a scene boundary may be half as long again."""
        return self.window_ms if self.split == FIXED else self.window_ms * 3 // 2


def spans(duration_ms: int, window_ms: int) -> list[tuple[int, int]]:
    """Splits a file into half-open windows.

    Args:
        duration_ms: the length of the file.
        window_ms: the length of each window.

    Returns:
        ``(start_ms, end_ms)`` of each window; they tile ``[0, duration_ms)`` exactly, and the last may be shorter.

    Raises:
        ValueError: if the duration is negative or the window is not positive.
    """
    if duration_ms < 0 or window_ms <= 0:
        raise ValueError(f"need duration_ms >= 0 and window_ms > 0; got {duration_ms} and {window_ms}")
    return [(start, min(start + window_ms, duration_ms)) for start in range(0, duration_ms, window_ms)]


def second_spans(duration: int, second: int) -> list[tuple[int, int]]:
    """Splits a window into seconds for the "released" rule; the last one is shifted back to end with the window.

    Args:
        duration: the length of the window, in ticks of any clock.
        second: ticks per second.

    Returns:
        Half-open ``(start, end)`` of each second, in ticks from the window's start.
    """
    starts = (min(start, max(duration - second, 0)) for start in range(0, duration, second))
    return [(start, min(start + second, duration)) for start in starts]


def slot_rate(rate: Fraction, max_frames: int | None, second: int, duration: int) -> Fraction:
    """Returns the slots per second of a window: ``rate``, or fewer if it would have more than ``max_frames`` slots.

    Args:
        rate: slots per second.
        max_frames: the most slots in a window; None for any number.
        second: ticks per second, of any clock.
        duration: the length of the window, in ticks.
    """
    if max_frames is None or slot_count(duration, second, rate) <= max_frames:
        return rate
    return Fraction(max_frames * second, duration)


def slot_count(duration: int, second: int, rate: Fraction) -> int:
    """Returns the number of frame slots in a window: slot ``k`` is at ``k / rate`` s, before the window's end.

    Args:
        duration: the length of the window, in ticks of any clock.
        second: ticks per second.
        rate: slots per second.
    """
    return -(-duration * rate.numerator // (second * rate.denominator))


def slot_at(time: int, second: int, rate: Fraction) -> int:
    """Returns the last slot at or before a time.

    Args:
        time: the time, in ticks from the start of the window.
        second: ticks per second.
        rate: slots per second.
    """
    return time * rate.numerator // (second * rate.denominator)


def slots_due(time: int, second: int, rate: Fraction, filled: int, slots: int) -> int:
    """Returns how many slots a frame fills: the unfilled ones at or before its time.

    A slot takes the first frame at or after the slot's time. The frames of a window must be passed in order of time;
    each fills the slots before it that are still empty: mostly none at high frame rates, several where frames are
    rarer than slots.

    Args:
        time: when the frame is presented, in ticks from the start of its window.
        second: ticks per second.
        rate: slots per second.
        filled: how many slots earlier frames have filled.
        slots: how many slots the window has.
    """
    if time < 0:
        return 0
    return max(0, min(slots, slot_at(time, second, rate) + 1) - filled)
