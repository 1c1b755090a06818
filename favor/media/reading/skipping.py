"""Deciding which coded pictures must be decoded, so that the wanted ones are the same as if all had been decoded.

A picture need not be decoded if no wanted one refers to it, and pictures refer to others no further back than the last
point where decoding can begin. Packets are in decoding order, which is not display order; a packet's decoding time
guarantees that no later packet is shown before it, and thus determines how far the display order is known.
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

MOST_HELD = 600  # the most pictures waiting for a decision; beyond it they are decoded without one


class UnplannableError(Exception):
    """A stream whose packets contradict their timestamps or flags, so that all of it must be decoded."""


class Action(enum.Enum):
    """An action to take on a packet."""

    DECODE = "DEFAULT"
    REFERENCE = "NONREF"  # decode it only if other pictures refer to it
    DROP = "ALL"


@dataclasses.dataclass
class PictureGroup:
    """The pictures from one point where decoding can begin up to the next.

    Attributes:
        time: when its first picture in decoding order is shown.
        clean: whether its leading pictures, decoded after the first and shown before it, cannot be decoded because no
            group precedes it.
        leads: whether any leading picture is wanted.
    """

    time: int
    clean: bool
    leads: bool = False


@dataclasses.dataclass(order=True)
class Picture:
    """A coded picture; pictures compare by display order.

    Attributes:
        time: when it is shown, in ticks.
        number: its position in decoding order.
        entry: whether decoding can begin here.
        group: the group that it belongs to.
        wanted: whether a window takes it; None while undecided.
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
    """A queue of packets that releases each when the action to take on it is known.

    Args:
        wanted: returns whether a picture is taken, from the times of the picture before, itself and the one after.
        end: when the last window ends, in ticks.
        sought: whether the packets start inside the file, so that pictures may refer to others that were not read.

    Attributes:
        awaited: the times of wanted pictures that the decoder has not returned yet.
    """

    def __init__(self, wanted: Callable[[Instant, int, Instant], bool], end: int, sought: bool) -> None:
        self.awaited: set[int] = set()
        self._wanted = wanted
        self._end = end
        self._sought = sought
        self._queue: deque[tuple[_Item, Picture | None]] = deque()
        self._held: deque[Picture] = deque()  # the pictures in the queue
        self._open: list[Picture] = []  # a heap of undecided pictures
        self._group: PictureGroup | None = None
        self._number = 0
        self._needed = -1  # pictures up to this number may be referred to by a wanted one
        self._horizon: Instant = -math.inf  # no later packet is shown before this time
        self._before: Instant = -math.inf  # the time of the last decided picture
        self._beyond: Instant = math.inf  # the time of the first picture after the last window

    @property
    def over(self) -> bool:
        """Whether no packet added from now on can be wanted."""
        return self._horizon >= self._end

    @property
    def settled(self) -> Instant:
        """The time before which all wanted pictures have been returned; the next picture is shown at or after it."""
        if self._horizon == math.inf:
            return -math.inf
        return min(self._decided, *self.awaited) if self.awaited else self._decided

    @property
    def exhausted(self) -> bool:
        """Whether no packet is wanted, neither in the queue nor added from now on."""
        return self.over and not any(picture.wanted for picture in self._held)

    @property
    def _decided(self) -> Instant:
        """The time before which all pictures are known and decided."""
        return min(self._open[0].time, self._horizon) if self._open else self._horizon

    def add(self, item: _Item) -> None:
        """Adds a packet of another stream, which keeps its position in the queue."""
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
            decoding_time: when it is decoded, in ticks; no later packet is shown before this time.
            entry: whether pictures shown after it refer to nothing before it.
            keyframe: whether this is so if decoding begins here.
            shown: whether the decoder returns it; False if an edit list hides it.

        Raises:
            UnplannableError: if its time contradicts earlier packets' decoding times, or equals another picture's.
        """
        if entry or (self._group is None and (keyframe or not self._sought)):
            self._group = PictureGroup(time, clean=self._sought and self._group is None)
        if self._group is None or (self._group.clean and time < self._group.time):
            return  # it refers to pictures before the seek position
        picture = Picture(time, self._number, entry, self._group)
        self._number += 1
        self._queue.append((item, picture))
        self._held.append(picture)
        self._enter(picture, shown)
        if decoding_time is not None:
            self._horizon = max(self._horizon, decoding_time)
        self._decide()

    def finish(self) -> None:
        """Ends the queue: no more packets will be added."""
        self._horizon = math.inf
        self._decide()

    def ready(self) -> Iterator[tuple[_Item, Action]]:
        """Yields packets in order, each with the action to take, up to the first that is undecided."""
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
        """Records that the decoder has returned the picture shown at ``time``."""
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
        """Decides, in display order, which pictures are wanted, as far as this is certain."""
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
        """Returns the action to take on the packet at the front of the queue; None if it is not known yet."""
        if front.leading and not front.wanted:
            if not self._leads_known(front.group):
                return self._undecided(front)
            if not front.group.leads:
                return Action.DROP
        if front.number > self._needed:
            needed = self._needed_from(front)
            if needed is None:
                return self._undecided(front)
            if not needed:
                return Action.DROP
        if front.wanted is None:
            return self._undecided(front)
        return Action.DECODE if front.wanted else Action.REFERENCE

    def _undecided(self, front: Picture) -> Action | None:
        """Returns None, to wait for more packets, or an action that is always safe if too many are waiting."""
        if len(self._held) < MOST_HELD:
            return None
        return Action.REFERENCE if front.wanted is False else Action.DECODE

    def _needed_from(self, front: Picture) -> bool | None:
        """Returns whether the front picture, or one that may refer to it, is wanted; None if undecided."""
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
