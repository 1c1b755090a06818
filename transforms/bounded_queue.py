"""A queue between two threads that is bounded by what its items weigh, not by their number."""

import threading
from collections import deque
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class BoundedQueue(Generic[_Item]):
    """Hands items from one thread to another, in order; one always passes, however heavy it is.

    Args:
        most_bytes: what all items that wait may weigh together, unless it is only one.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._items: deque[tuple[_Item, int]] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def waiting_bytes(self) -> int:
        """What the items that wait weigh together."""
        with self._changed:
            return self._bytes

    def put(self, item: _Item, weight: int) -> None:
        """Adds an item as soon as it fits; drops it if the queue is closed before."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._fits(weight))
            if self._closed:
                return
            self._items.append((item, weight))
            self._bytes += weight
            self._changed.notify_all()

    def get(self) -> _Item:
        """Takes the first item as soon as there is one."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._items))
            item, weight = self._items.popleft()
            self._bytes -= weight
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Ends the waiting of whoever wants to put something; nothing more is added."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fits(self, weight: int) -> bool:
        return not self._items or self._bytes + weight <= self._most_bytes
