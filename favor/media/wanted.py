"""Which pictures of a stream its windows need, told from the times at which pictures begin; no file is touched here."""

import functools
from collections import deque
from collections.abc import Callable, Sequence
from fractions import Fraction

from favor.media import sampling
from favor.media.clip import FRAMES_PER_SECOND

Instant = Fraction | float  # seconds; infinite before the first picture of a file and after the last one
Span = tuple[int, int]  # [start_ms, end_ms)
Rule = Callable[[Instant, Fraction, Instant, int, int], bool]


class Wanted:
    """Says of each picture, in the order of their times, whether any window takes it.

    Args:
        spans: the windows, ascending.
        rule: the name of a rule for choosing frames, a key of ``RULES``.
    """

    def __init__(self, spans: Sequence[Span], rule: str) -> None:
        self._spans = deque(spans)
        self._rule = RULES[rule]

    def __call__(self, before: Instant, time: Fraction, after: Instant) -> bool:
        """Whether the picture that begins at ``time`` is taken, given when its neighbours begin.

        The answer can only change from no to yes as ``after`` grows.

        Args:
            before: when the picture before it begins; later calls must not go back behind it.
            time: when this one begins.
            after: when the next one begins.
        """
        while self._spans and before * 1000 >= self._spans[0][1]:
            self._spans.popleft()
        for start_ms, end_ms in self._spans:
            if start_ms >= after * 1000:
                return False
            if self._rule(before, time, after, start_ms, end_ms):
                return True
        return False


def wanted_even(before: Instant, time: Fraction, after: Instant, start_ms: int, end_ms: int) -> bool:
    """The rule "even": the first picture at or after each half second, else the one on display."""
    start, end = Fraction(start_ms, 1000), Fraction(end_ms, 1000)
    if time < start:
        return after >= end
    return time < end and (before < start or _slot(before - start) < _slot(time - start))


def wanted_released(before: Instant, time: Fraction, after: Instant, start_ms: int, end_ms: int) -> bool:
    """The rule "released": the first and the last picture of each second, else the one on display."""
    start = Fraction(start_ms, 1000)
    seconds = _second_spans(end_ms - start_ms)
    if time < start:
        return after - start >= seconds[0][1]
    near = (*seconds[int(time - start) :][:1], seconds[-1])  # the last second may overlap the one before
    return any(
        first <= time - start < last and (before - start < first or after - start >= last) for first, last in near
    )


def _slot(time: Instant) -> int:
    return int(time * FRAMES_PER_SECOND // 1)


@functools.lru_cache
def _second_spans(duration_ms: int) -> list[tuple[Fraction, Fraction]]:
    return sampling.second_spans(duration_ms)


RULES: dict[str, Rule] = {"even": wanted_even, "released": wanted_released}
