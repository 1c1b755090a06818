"""Which pictures of a stream its windows need, told from the times at which pictures begin; no file is touched here."""

import functools
from collections import deque
from collections.abc import Callable, Sequence

from favor.media import sampling
from favor.media.clip import DEFAULT_FRAMES_PER_SECOND
from favor.media.clock import Instant

Rule = Callable[[Instant, int, Instant, int, int, int], bool]


class Wanted:
    """Says of each picture, in the order of their times, whether any window takes it.

    Args:
        spans: half-open ``(start, end)`` of the windows in ticks, ascending.
        rule: the name of a rule for choosing frames, a key of ``RULES``.
        second: ticks in a second.
    """

    def __init__(self, spans: Sequence[tuple[int, int]], rule: str, second: int) -> None:
        self._spans = deque(spans)
        self._rule = RULES[rule]
        self._second = second

    def __call__(self, before: Instant, time: int, after: Instant) -> bool:
        """Whether the picture that begins at ``time`` is taken, given when its neighbours begin.

        The answer can only change from no to yes as ``after`` grows.

        Args:
            before: when the picture before it begins; later calls must not go back behind it.
            time: when this one begins.
            after: when the next one begins.
        """
        while self._spans and before >= self._spans[0][1]:
            self._spans.popleft()
        for start, end in self._spans:
            if start >= after:
                return False
            if self._rule(before, time, after, start, end, self._second):
                return True
        return False


def wanted_even(before: Instant, time: int, after: Instant, start: int, end: int, second: int) -> bool:
    """The rule "even": the first picture at or after each half second, else the one on display."""
    if time < start:
        return after >= end
    if time >= end or before < start:
        return time < end
    slot_before, slot = ((moment - start) * DEFAULT_FRAMES_PER_SECOND // second for moment in (before, time))
    return slot_before < slot


def wanted_released(before: Instant, time: int, after: Instant, start: int, end: int, second: int) -> bool:
    """The rule "released": the first and the last picture of each second, else the one on display."""
    seconds = _second_spans(end - start, second)
    if time < start:
        return after - start >= seconds[0][1]
    near = (*seconds[(time - start) // second :][:1], seconds[-1])  # the last second may overlap the one before
    return any(
        first <= time - start < last and (before - start < first or after - start >= last) for first, last in near
    )


@functools.lru_cache
def _second_spans(duration: int, second: int) -> list[tuple[int, int]]:
    return sampling.second_spans(duration, second)


RULES: dict[str, Rule] = {"even": wanted_even, "released": wanted_released}
