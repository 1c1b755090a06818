"""Splitting a film into windows at scene boundaries: the arithmetic, without access to files."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from favor.media.clock import Span

LONGEST_STRETCH_MS = 60_000  # longer stretches are not searched, as that would mean decoding most of the film

Look = tuple[int, bool]  # a picture's time in ms, and whether it differs from that of the previous look
Search = Callable[[int, int], list[int]]  # the stretch between two looks -> when scenes begin in it, including its end


def scene_spans(part: Span, window_ms: int, looks: Iterable[Look], search: Search) -> Iterator[Span]:
    """Splits a part of a film into windows that end at scene boundaries.

    A window ends at the scene boundary nearest to ``window_ms`` after its start, if there is one between half and one
    and a half times ``window_ms`` after it; otherwise it is ``window_ms`` long. The last window ends with the part.

    Args:
        part: ``(start_ms, end_ms)``.
        window_ms: the desired length of a window, at least 2.
        looks: single pictures, in order of time; consumed only as far as the windows so far need.
        search: finds the scenes that begin in a stretch in which the picture changes; called for each stretch that may
            contain the nearest boundary, and more than once for stretches within reach of two windows.

    Yields:
        ``(start_ms, end_ms)`` of each window; they tile the part exactly.
    """
    start, last = part
    changes = _Changes(last, looks)
    reach = window_ms // 2
    while start + window_ms < last:
        target = start + window_ms
        end = nearest(target, reach, changes.within(target - reach, target + reach), search)
        yield start, end
        start = end
    if start < last:
        yield start, last


def nearest(target: int, reach: int, stretches: list[Span], search: Search) -> int:
    """Returns the scene boundary nearest to a time, the earlier one of a tie; the time itself if none is within reach.

    Args:
        target: the time, in ms.
        reach: how far from it a boundary may be, in ms.
        stretches: the stretches that may contain boundaries; searched from the nearest on, only as far as needed.
        search: finds the boundaries in a stretch.
    """
    best: int | None = None

    def distance(stretch: Span) -> int:
        return max(stretch[0] - target, target - stretch[1], 0)

    for stretch in sorted(stretches, key=distance):
        if best is not None and distance(stretch) > abs(best - target):
            break
        known = [] if best is None else [best]
        found = [time for time in search(*stretch) if abs(time - target) <= reach]
        best = min(known + found, key=lambda time: (abs(time - target), time), default=None)
    return target if best is None else best


class _Changes:
    """The stretches between consecutive looks in which the picture changes, read only as far as needed."""

    def __init__(self, end_ms: int, looks: Iterable[Look]) -> None:
        self._looks = iter(looks)
        self._end = end_ms
        self._last: int | None = None  # the time of the last look
        self._stretches: deque[Span] = deque()

    def within(self, start: int, end: int) -> list[Span]:
        """Returns the stretches that touch ``[start, end]``; later calls must not go back."""
        while self._last is None or self._last < min(end, self._end):
            time, changed = next(self._looks, (self._end, True))  # the picture may change after the last look
            if changed and self._last is not None and time - self._last <= LONGEST_STRETCH_MS:
                self._stretches.append((self._last, time))
            self._last = time
        while self._stretches and self._stretches[0][1] < start:
            self._stretches.popleft()
        return [stretch for stretch in self._stretches if stretch[0] <= end]
