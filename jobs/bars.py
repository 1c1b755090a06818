"""Progress bars on the terminal for importing and training."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tqdm import tqdm

from favor.importing.writing import ByteProgress

if TYPE_CHECKING:
    from favor.training.checkpoints import Position


class ByteBar(ByteProgress):
    """A bar for each stage of an import, shown only on a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the last bar."""
        if self._bar is not None:
            self._bar.close()

    def start(self, what: str, total: int) -> None:
        """Starts a new bar."""
        self.__exit__(None, None, None)
        self._bar = tqdm(total=total, desc=what, unit="B", unit_scale=True, disable=None)

    def advance(self, count: int) -> None:
        """Advances the bar by a number of bytes."""
        self._bar.update(count)


class TrainingBar:
    """A bar of steps, loss and examples per second, shown only on a terminal."""

    def __init__(self) -> None:
        self._bar = tqdm(unit="step", disable=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the bar."""
        self._bar.close()

    def __call__(self, position: Position, values: dict[str, Any], total: int) -> None:
        """Moves the bar to a position.

        Args:
            position: position in the training.
            values: values of a record; without a loss, the bar does not change.
            total: number of steps of all stages.
        """
        if "loss" not in values:
            return
        self._bar.total, self._bar.n = total, position.total
        self._bar.set_description(values["stage"])
        self._bar.set_postfix_str(f"loss {values['loss']:.3f}, {values['examples_per_second']:.0f} examples/s")
