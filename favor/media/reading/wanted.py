"""Deciding which pictures of a stream its windows need, from the pictures' times alone."""

import functools
from collections import deque
from collections.abc import Callable, Sequence
from fractions import Fraction

from favor.media import sampling
from favor.media.clock import Instant
from favor.media.needs import ClipNeeds

Rule = Callable[[Instant, int, Instant, int, int], bool]  # times: previous, own and next picture; window start and end


class Wanted:
    """A test of whether any window takes a picture, called for each picture in order of time.

    Args:
        spans: half-open ``(start, end)`` of the windows in ticks, ascending.
        needs: which frames of a window are chosen.
        second: ticks per second.
    """

    def __init__(self, spans: Sequence[tuple[int, int]], needs: ClipNeeds, second: int) -> None:
        self._spans = deque(spans)
        self._rule = _rule(needs, second)

    def __call__(self, before: Instant, time: int, after: Instant) -> bool:
        """Returns whether a picture is taken, given when it and its neighbours begin.

        The result can only change from False to True as ``after`` grows.

        Args:
            before: when the previous picture begins; must not decrease between calls.
            time: when this picture begins.
            after: when the next picture begins.
        """
        while self._spans and before >= self._spans[0][1]:
            self._spans.popleft()
        for start, end in self._spans:
            if start >= after:
                return False
            if self._rule(before, time, after, start, end):
                return True
        return False


def _rule(needs: ClipNeeds, second: int) -> Rule:
    """Returns the rule by which frames are chosen."""
    if needs.frame_rule == "released":
        return functools.partial(_wanted_released, second)
    if needs.frames_per_second is None:
        return _wanted_native
    rate = functools.partial(_slot_rate, needs.frames_per_second, needs.max_frames, second)
    return functools.partial(_wanted_even, second, rate)


def _wanted_native(before: Instant, time: int, after: Instant, start: int, end: int) -> bool:
    """Applies the rule "even" at the file's own rate: all pictures in the window, else the one on display."""
    return after >= end if time < start else time < end


def _wanted_even(
    second: int, rate: Callable[[int], Fraction], before: Instant, time: int, after: Instant, start: int, end: int
) -> bool:
    """Applies the rule "even": the first picture at or after each step, else the one on display."""
    if time < start or time >= end or before < start:
        return _wanted_native(before, time, after, start, end)
    slots_a_second = rate(end - start)
    return _slot(before, start, second, slots_a_second) < _slot(time, start, second, slots_a_second)


def _slot(moment: Instant, start: int, second: int, rate: Fraction) -> int:
    return sampling.slot_at(int(moment) - start, second, rate)


def _wanted_released(second: int, before: Instant, time: int, after: Instant, start: int, end: int) -> bool:
    """Applies the rule "released": the first and the last picture of each second, else the one on display."""
    seconds = _second_spans(end - start, second)
    if time < start:
        return after - start >= seconds[0][1]
    near = (*seconds[(time - start) // second :][:1], seconds[-1])  # the last second may overlap the one before
    return any(
        first <= time - start < last and (before - start < first or after - start >= last) for first, last in near
    )


# These are called for each picture, but windows have few different lengths.
_second_spans = functools.lru_cache(sampling.second_spans)
_slot_rate = functools.lru_cache(sampling.slot_rate)
