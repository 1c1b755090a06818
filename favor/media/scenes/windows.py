"""Cutting a film into windows where its scenes change: the arithmetic; no file is touched here."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from favor.media.clock import Span

LONGEST_STRETCH_MS = 60_000  # between two looks; longer ones are not searched, as that would be decoding the film

Look = tuple[int, bool]  # when, in ms, and whether the picture differs from that of the look before
Search = Callable[[int, int], list[int]]  # the stretch between two looks -> when scenes begin in it, its end included


def scene_spans(part: Span, window_ms: int, looks: Iterable[Look], search: Search) -> Iterator[Span]:
    """Tiles a part of a film with windows that end where a scene does.

    A window ends at the scene boundary nearest to ``window_ms`` after its start, of those at least half and at most one
    and a half ``window_ms`` after it. Where there is none, it is ``window_ms`` long. The last one ends with the part.

    Args:
        part: ``(start_ms, end_ms)``.
        window_ms: how long a window is to be, at least 2.
        looks: single pictures, in the order of their times; no more are taken than the windows up to now need.
        search: finds the scenes that begin in a stretch in which the picture changes; asked about each stretch that may
            hold the nearest boundary, and more than once about those that two windows reach.

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
    """Returns the scene boundary nearest to a time, the earlier one of two; the time itself if none is in reach.

    Args:
        target: the time, in ms.
        reach: how far from it a boundary may be.
        stretches: where boundaries may be; the nearer ones are searched first, and no more than are needed.
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
    """The stretches between neighbouring looks in which the picture changes, read as far as they are asked for."""

    def __init__(self, end_ms: int, looks: Iterable[Look]) -> None:
        self._looks = iter(looks)
        self._end = end_ms
        self._last: int | None = None  # the time of the last look
        self._stretches: deque[Span] = deque()

    def within(self, start: int, end: int) -> list[Span]:
        """Returns those that touch ``[start, end]``; later calls must not go back."""
        while self._last is None or self._last < min(end, self._end):
            time, changed = next(self._looks, (self._end, True))  # what comes after the last look is not known
            if changed and self._last is not None and time - self._last <= LONGEST_STRETCH_MS:
                self._stretches.append((self._last, time))
            self._last = time
        while self._stretches and self._stretches[0][1] < start:
            self._stretches.popleft()
        return [stretch for stretch in self._stretches if stretch[0] <= end]
