"""The arithmetic of windows and frame slots; no file is touched here."""

import dataclasses

from favor.media.clip import DEFAULT_FRAMES_PER_SECOND

FIXED, SCENES = SPLIT_MODES = ("fixed", "scenes")


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How a file is cut into windows, and what the model sees and hears of each.

    Attributes:
        frame_size: the width and height in pixels that the model sees.
        frame_sampling: the rule by which the model wants its frames chosen.
        window_ms: the length of a window.
        audio_track: which of a file's audio streams is heard, counted from 0; None is the default one.
        split: where windows end: "fixed", at multiples of their length, or "scenes", at the scene boundary nearest to
            it where there is a film.
    """

    frame_size: int
    frame_sampling: str
    window_ms: int = 30_000
    audio_track: int | None = None
    split: str = FIXED

    def __str__(self) -> str:
        """What makes two windows of the same span differ, in words, and whether spans may: part of the windows' ids."""
        heard = "" if self.audio_track is None else f", audio track {self.audio_track}"
        cut = "" if self.split == FIXED else f", about {self.window_ms} ms cut at scenes"
        return f"{self.frame_sampling} frames of {self.frame_size} px{heard}{cut}"


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


def slot_count(duration: int, second: int) -> int:
    """Returns how many frame slots a window has: slot ``k`` is at ``k / 2`` s and lies before the window's end.

    Args:
        duration: how long the window is, in ticks of any clock.
        second: ticks in a second.
    """
    return -(-duration * DEFAULT_FRAMES_PER_SECOND // second)


def slots_due(time: int, second: int, filled: int, slots: int) -> int:
    """Returns how many slots a frame fills: those not filled yet that lie at or before it.

    A slot shows the first frame at or after the slot's time. Offer the frames of a window in the order of their
    times and each of them fills the slots that have been waiting for it: none at high frame rates mostly, several
    where frames are rarer than slots.

    Args:
        time: when the frame is presented, in ticks from the start of its window.
        second: ticks in a second.
        filled: how many slots earlier frames have filled.
        slots: how many slots the window has.
    """
    if time < 0:
        return 0
    return max(0, min(slots, time * DEFAULT_FRAMES_PER_SECOND // second + 1) - filled)
