"""Deciding which coded pictures must be decoded, so that the wanted ones come out as if all had been.

A picture need not be decoded if no wanted one refers to it, and pictures refer to others back to the last point where
decoding can begin. Packets come in decoding order, which is not the order of display; a packet's decoding time says
that no later packet is shown before it, and so how far the order of display is known.
"""

import dataclasses
import enum
import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from favor.media.clock import Instant

_Item = TypeVar("_Item")

MOST_HELD = 600  # pictures waiting for a decision; beyond it they are decoded undecided


class UnplannableError(Exception):
    """The stream is not what its packets promise: only decoding all of it gives the right pictures."""


class Action(enum.Enum):
    """What to do with a packet."""

    DECODE = "DEFAULT"
    REFERENCE = "NONREF"  # decode it only if other pictures refer to it
    DROP = "ALL"


@dataclasses.dataclass
class PictureGroup:
    """The pictures from one point where decoding can begin up to the next.

    Attributes:
        time: when its first picture in decoding order is shown.
        clean: whether pictures that are decoded after it and shown before it cannot be decoded: nothing precedes it.
        leads: whether any of these is wanted.
    """

    time: int
    clean: bool
    leads: bool = False


@dataclasses.dataclass(order=True)
class Picture:
    """A coded picture; the order is that of display.

    Attributes:
        time: when it is shown, in ticks.
        number: its place in decoding order.
        entry: whether decoding can begin here.
        group: the pictures that it belongs to.
        wanted: whether a window takes it; None as long as that is open.
    """

    time: int
    number: int
    entry: bool = dataclasses.field(compare=False)
    group: PictureGroup = dataclasses.field(compare=False)
    wanted: bool | None = dataclasses.field(default=None, compare=False)

    @property
    def leading(self) -> bool:
        """Whether it is shown before the first picture of its group."""
        return self.time < self.group.time


class SkipPlan(Generic[_Item]):
    """A queue of packets that lets each go when it is known what is to be done with it.

    Args:
        wanted: says whether a picture is taken, from the times of the one before, its own and the one after.
        end: when the last window ends, in ticks.
        sought: whether the packets start somewhere inside the file, so that pictures may refer to what is not there.

    Attributes:
        awaited: the times of wanted pictures that the decoder has not returned yet.
    """

    def __init__(self, wanted: Callable[[Instant, int, Instant], bool], end: int, sought: bool) -> None:
        self.awaited: set[int] = set()
        self._wanted = wanted
        self._end = end
        self._sought = sought
        self._queue: deque[tuple[_Item, Picture | None]] = deque()
        self._held: deque[Picture] = deque()  # those of the queue
        self._open: list[Picture] = []  # a heap of those not decided
        self._group: PictureGroup | None = None
        self._number = 0
        self._needed = -1  # pictures up to this number lead to a wanted one
        self._horizon: Instant = -math.inf  # no later packet is shown before
        self._before: Instant = -math.inf  # the last picture decided
        self._beyond: Instant = math.inf  # the first picture behind the last window

    @property
    def over(self) -> bool:
        """Whether nothing that is still to be added can be wanted."""
        return self._horizon >= self._end

    @property
    def settled(self) -> Instant:
        """The time before which all wanted pictures have been returned, and at or after which another one comes."""
        if self._horizon == math.inf:
            return -math.inf
        return min(self._decided, *self.awaited) if self.awaited else self._decided

    @property
    def exhausted(self) -> bool:
        """Whether no packet to come, nor one in the queue, is wanted."""
        return self.over and not any(picture.wanted for picture in self._held)

    @property
    def _decided(self) -> Instant:
        """The time before which all pictures are known and decided."""
        return min(self._open[0].time, self._horizon) if self._open else self._horizon

    def add(self, item: _Item) -> None:
        """Adds a packet of another stream; it keeps its place."""
        self._queue.append((item, None))

    def add_picture(
        self,
        item: _Item,
        time: int,
        decoding_time: int | None,
        entry: bool,
        keyframe: bool = False,
        shown: bool = True,
    ) -> None:
        """Adds a picture's packet.

        Args:
            item: the packet.
            time: when it is shown, in ticks.
            decoding_time: when it is decoded; no later packet is shown before.
            entry: whether pictures shown after it refer to nothing before it.
            keyframe: whether that is so if decoding begins here.
            shown: whether the decoder returns it; not where an edit list hides it.

        Raises:
            UnplannableError: if its time contradicts what earlier packets promised.
        """
        if entry or (self._group is None and (keyframe or not self._sought)):
            self._group = PictureGroup(time, clean=self._sought and self._group is None)
        if self._group is None or (self._group.clean and time < self._group.time):
            return  # it refers to pictures before the place that was sought
        picture = Picture(time, self._number, entry, self._group)
        self._number += 1
        self._queue.append((item, picture))
        self._held.append(picture)
        self._enter(picture, shown)
        if decoding_time is not None:
            self._horizon = max(self._horizon, decoding_time)
        self._decide()

    def finish(self) -> None:
        """Says that there are no more packets."""
        self._horizon = math.inf
        self._decide()

    def ready(self) -> Iterator[tuple[_Item, Action]]:
        """Yields packets in their order, each with what is to be done with it, until one has to wait."""
        while self._queue:
            item, picture = self._queue[0]
            action = Action.DECODE if picture is None else self._action(picture)
            if action is None:
                return
            self._queue.popleft()
            if picture:
                self._held.popleft()
            yield item, action

    def returned(self, time: int) -> None:
        """Says that the decoder has returned the picture shown at ``time``."""
        self.awaited.discard(time)

    def _enter(self, picture: Picture, shown: bool) -> None:
        if picture.time >= self._end or not shown:
            picture.wanted = False
            self._beyond = min(self._beyond, picture.time) if shown else self._beyond
            return
        if picture.time <= self._before:
            raise UnplannableError("a picture comes after all up to there seemed to be known")
        heapq.heappush(self._open, picture)

    def _decide(self) -> None:
        """Decides what is certain, in the order of display."""
        while self._open and self._open[0].time <= self._horizon:
            picture = heapq.heappop(self._open)
            after = min(self._open[0].time if self._open else math.inf, self._beyond)
            if after == picture.time:
                raise UnplannableError("two pictures at one time")
            wanted = self._wanted(self._before, picture.time, after)
            if wanted and after > self._horizon and not self._wanted(self._before, picture.time, self._horizon):
                heapq.heappush(self._open, picture)
                return
            self._before, picture.wanted = picture.time, wanted
            if wanted:
                self.awaited.add(picture.time)
                picture.group.leads |= picture.leading

    def _leads_known(self, group: PictureGroup) -> bool:
        return self.over or self._decided >= group.time

    def _action(self, front: Picture) -> Action | None:
        """Returns what to do with the packet at the front of the queue; None if that is not known yet."""
        if front.leading and not front.wanted:
            if not self._leads_known(front.group):
                return self._patience(front)
            if not front.group.leads:
                return Action.DROP
        if front.number > self._needed:
            needed = self._needed_from(front)
            if needed is None:
                return self._patience(front)
            if not needed:
                return Action.DROP
        if front.wanted is None:
            return self._patience(front)
        return Action.DECODE if front.wanted else Action.REFERENCE

    def _patience(self, front: Picture) -> Action | None:
        if len(self._held) < MOST_HELD:
            return None
        return Action.REFERENCE if front.wanted is False else Action.DECODE

    def _needed_from(self, front: Picture) -> bool | None:
        """Whether the front picture, or one that may refer to it, is wanted; None if that is open."""
        for picture in self._held:
            if picture.entry and picture is not front:
                if not self._leads_known(picture.group):
                    return None
                if not picture.group.leads:
                    return False
            if picture.wanted:
                self._needed = picture.number
                return True
            if picture.wanted is None:
                return None
        return False if self.over else None
