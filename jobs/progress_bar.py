"""A bar on the terminal for work that is counted in bytes."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from favor.importing.progress import Progress


class Bar(Progress):
    """Shows each stage as a bar of its own, on a terminal only."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the last bar."""
        if self._bar is not None:
            self._bar.close()

    def start(self, what: str, total: int) -> None:
        """Begins a bar."""
        self.__exit__(None, None, None)
        self._bar = tqdm(total=total, desc=what, unit="B", unit_scale=True, disable=None)

    def advance(self, count: int) -> None:
        """Moves the bar on by so many bytes."""
        self._bar.update(count)
