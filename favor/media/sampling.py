"""The arithmetic of windows and frame slots; no file is touched here."""

import dataclasses
from fractions import Fraction
from typing import Literal

Split = Literal["fixed", "scenes"]
FIXED: Split = "fixed"
SCENES: Split = "scenes"


@dataclasses.dataclass(frozen=True)
class Windowing:
    """How files are cut into windows.

    Attributes:
        window_ms: the length of a window.
        split: where windows end: "fixed", at multiples of their length, or "scenes", at the scene boundary nearest to
            it where there is a film.
        audio_track: which of a file's audio streams is heard, counted from 0; None is the default one.
    """

    window_ms: int = 30_000
    split: Split = FIXED
    audio_track: int | None = None

    @property
    def longest_ms(self) -> int:
        """The longest that a window can be; one that ends at a scene may be half as long again."""
        return self.window_ms if self.split == FIXED else self.window_ms * 3 // 2


def spans(duration_ms: int, window_ms: int) -> list[tuple[int, int]]:
    """Tiles a file with half-open windows.

    Args:
        duration_ms: how long the file is.
        window_ms: how long each window is.

    Returns:
        ``(start_ms, end_ms)`` of each window; they tile ``[0, duration_ms)`` exactly, the last one may be shorter.

    Raises:
        ValueError: if the duration is negative or the window is not positive.
    """
    if duration_ms < 0 or window_ms <= 0:
        raise ValueError(f"need duration_ms >= 0 and window_ms > 0; got {duration_ms} and {window_ms}")
    return [(start, min(start + window_ms, duration_ms)) for start in range(0, duration_ms, window_ms)]


def second_spans(duration: int, second: int) -> list[tuple[int, int]]:
    """Returns the seconds of a window for the release's rule; the last one is shifted back to end with the window.

    Args:
        duration: how long the window is, in ticks of any clock.
        second: ticks in a second.

    Returns:
        Half-open ``(start, end)`` in ticks from the window's start.
    """
    starts = (min(start, max(duration - second, 0)) for start in range(0, duration, second))
    return [(start, min(start + second, duration)) for start in starts]


def slot_rate(rate: Fraction, max_frames: int | None, second: int, duration: int) -> Fraction:
    """Returns how many slots a second a window has: ``rate``, or fewer if it would have more than ``max_frames``.

    Args:
        rate: slots a second.
        max_frames: the most slots of a window; None for any number.
        second: ticks of any clock in a second.
        duration: how long the window is, in such ticks.
    """
    if max_frames is None or slot_count(duration, second, rate) <= max_frames:
        return rate
    return Fraction(max_frames * second, duration)


def slot_count(duration: int, second: int, rate: Fraction) -> int:
    """Returns how many frame slots a window has: slot ``k`` is at ``k / rate`` s and lies before the window's end.

    Args:
        duration: how long the window is, in ticks of any clock.
        second: ticks in a second.
        rate: slots a second.
    """
    return -(-duration * rate.numerator // (second * rate.denominator))


def slot_at(time: int, second: int, rate: Fraction) -> int:
    """Returns the last slot that lies at or before a time.

    Args:
        time: in ticks from the start of the window.
        second: ticks in a second.
        rate: slots a second.
    """
    return time * rate.numerator // (second * rate.denominator)


def slots_due(time: int, second: int, rate: Fraction, filled: int, slots: int) -> int:
    """Returns how many slots a frame fills: those not filled yet that lie at or before it.

    A slot shows the first frame at or after the slot's time. Offer the frames of a window in the order of their
    times and each of them fills the slots that have been waiting for it: none at high frame rates mostly, several
    where frames are rarer than slots.

    Args:
        time: when the frame is presented, in ticks from the start of its window.
        second: ticks in a second.
        rate: slots a second.
        filled: how many slots earlier frames have filled.
        slots: how many slots the window has.
    """
    if time < 0:
        return 0
    return max(0, min(slots, slot_at(time, second, rate) + 1) - filled)
