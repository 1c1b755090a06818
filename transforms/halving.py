"""Finding the item that makes a batch fail, and the largest batch that fits in memory."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from transforms.model_errors import ModelFault, attempt

_Item = TypeVar("_Item")
_Output = TypeVar("_Output")


@dataclasses.dataclass(frozen=True)
class Failed(Generic[_Item]):
    """An item that fails even in a batch of its own."""

    item: _Item
    fault: ModelFault


class Halving(Generic[_Item, _Output]):
    """Processes items in batches; a batch that fails is halved until the culprit is isolated.

    A batch that runs out of memory is halved too, and later batches are no larger than what fitted, unless one of its
    items runs out of memory even alone: then that item was too large, not the batch.

    Args:
        work: returns one output for each item of a batch.
        limit: the initial limit on the size of a batch.

    Attributes:
        limit: the present limit on the size of a batch.
    """

    def __init__(self, work: Callable[[Sequence[_Item]], Sequence[_Output]], limit: int) -> None:
        self.limit = limit
        self._work = work

    def __call__(self, items: Sequence[_Item]) -> Iterator[_Output | Failed[_Item]]:
        """Yields an output, or ``Failed``, for each item in order.

        Raises:
            BrokenModelError: if the model can no longer be used.
        """
        done = 0
        while done < len(items):
            batch = items[done : done + self.limit]
            yield from self._halve(batch)
            done += len(batch)

    def _halve(self, items: Sequence[_Item]) -> Iterator[_Output | Failed[_Item]]:
        """Processes one batch, in parts if it fails."""
        limit_before = self.limit
        waiting = list(items)
        size = len(waiting)
        while waiting:
            size = min(size, self.limit, len(waiting))
            outputs = attempt(functools.partial(self._work, waiting[:size]))
            if not isinstance(outputs, ModelFault):
                yield from outputs
            elif size > 1:
                size //= 2
                if outputs.is_out_of_memory:
                    self.limit = size
                continue
            else:
                if outputs.is_out_of_memory:
                    self.limit = limit_before
                yield Failed(waiting[0], outputs)
            del waiting[:size]
            size = self.limit
