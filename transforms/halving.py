"""Finding the culprit of a batch that fails, and the largest batch that fits in memory."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import torch

from transforms.failures import ELEMENT_ERRORS

_Item = TypeVar("_Item")
_Output = TypeVar("_Output")

# What one odd window can make a model do; anything else is a mistake in the code and stops the run.
MODEL_ERRORS: tuple[type[Exception], ...] = (*ELEMENT_ERRORS, RuntimeError, ValueError, ArithmeticError)
OUT_OF_MEMORY_SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory")


@dataclasses.dataclass(frozen=True)
class Failed(Generic[_Item]):
    """An item that fails even alone."""

    item: _Item
    error: Exception


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory has run out, on whichever device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in OUT_OF_MEMORY_SIGNS)


class Halving(Generic[_Item, _Output]):
    """Works through batches; one that fails is halved until the culprit is alone.

    A batch for which memory runs out is halved too, and no later one is larger than what has fitted.

    Args:
        work: returns one output for each item of a batch.
        limit: the largest batch to begin with.

    Attributes:
        limit: the largest batch that is still tried.
    """

    def __init__(self, work: Callable[[Sequence[_Item]], Sequence[_Output]], limit: int) -> None:
        self.limit = limit
        self._work = work

    def __call__(self, items: Sequence[_Item]) -> Iterator[_Output | Failed[_Item]]:
        """Yields an output, or ``Failed``, for each item in order."""
        waiting = list(items)
        size = self.limit
        while waiting:
            size = min(size, self.limit, len(waiting))
            batch = waiting[:size]
            try:
                outputs: Sequence[_Output | Failed[_Item]] = self._work(batch)
            except MODEL_ERRORS as error:
                if is_out_of_memory(error):
                    self.limit = max(1, min(self.limit, size // 2))
                if size > 1:
                    size //= 2
                    continue
                outputs = [Failed(batch[0], error)]
            yield from outputs
            del waiting[:size]
            size = self.limit
