"""What a model raises: about one odd window, about memory, or because it is broken, which stops the run."""

import collections
import dataclasses
import threading
import traceback
from collections.abc import Callable
from typing import Self, TypeVar

import torch

from favor.errors import FavorError, MediaError
from transforms.metrics import Tally

# What one odd window can make a model raise; anything else is a mistake in the code and stops the run.
MODEL_ERRORS: tuple[type[Exception], ...] = (
    MediaError,
    OSError,
    MemoryError,
    RuntimeError,
    ValueError,
    ArithmeticError,
)
OUT_OF_MEMORY_SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory", "cublas_status_alloc_failed")
# After one of these every later call to the GPU fails in this process.
STICKY_SIGNS = ("cuda error:", "hip error:", "device-side assert", "illegal memory access", "launch failure")
ACCELERATOR_ERROR: type[Exception] | None = getattr(torch, "AcceleratorError", None)  # of torch 2.8 and later
MODEL_ERROR, OUT_OF_MEMORY = "model_error", "out_of_memory"  # codes of failures
FILES_TO_STOP = 3  # the windows of so many files fail alike before the model, not they, is to blame
_Output = TypeVar("_Output")


class BrokenModelError(FavorError):
    """A model that cannot answer anything; it stops the run."""


@dataclasses.dataclass(frozen=True)
class ModelFault:
    """What is kept of an exception that a model has raised: text, so that no frame and no tensor stays alive.

    Attributes:
        code: for the failure.
        kind: the exception's type.
        message: what it says.
        place: the file and the line that raised it.
        sticky: whether every later call in this process fails too.
    """

    code: str
    kind: str
    message: str
    place: str
    sticky: bool

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Describes an exception and releases what its frames hold."""
        innermost = traceback.extract_tb(error.__traceback__)[-1]
        fault = cls(
            code=_code(error),
            kind=type(error).__name__,
            message=str(error) or type(error).__name__,
            place=f"{innermost.filename}:{innermost.lineno}",
            sticky=_is_sticky(error),
        )
        _release(error)
        return fault

    @property
    def is_out_of_memory(self) -> bool:
        """Whether memory has run out."""
        return self.code == OUT_OF_MEMORY

    def stop(self, remedy: str) -> BrokenModelError:
        """Returns the error that stops the run, in one line."""
        return BrokenModelError(f"{self.kind} at {self.place}: {self.message.splitlines()[0]}; {remedy}")


def attempt(work: Callable[[], _Output]) -> _Output | ModelFault:
    """Lets a model work; returns what comes of it, or what it has raised.

    Raises:
        BrokenModelError: if the model cannot be used in this process any more.
    """
    try:
        return work()
    except MODEL_ERRORS as error:
        fault = ModelFault.of(error)
    if fault.sticky:
        raise fault.stop(
            "no later call to the device can succeed. The same command goes on where it stopped; if it comes back, "
            "CUDA_LAUNCH_BLOCKING=1 shows the line that is to blame"
        )
    return fault


class ModelWatch:
    """Notices a model that fails on everything; threads may share it.

    Args:
        tally: the run's.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._answered = False
        self._failed: dict[tuple[str, str], set[str]] = collections.defaultdict(set)
        self._lock = threading.Lock()

    @property
    def has_answered(self) -> bool:
        """Whether the model has answered something, in this run or an earlier one: then what fails is a window."""
        counts = self._tally.snapshot()
        return self._answered or counts.get("windows_skipped", 0) > counts.get("windows_failed_before", 0)

    def note_answer(self) -> None:
        """Notes that the model has answered something."""
        self._answered = True

    def note_failure(self, uri: str, fault: ModelFault) -> None:
        """Notes that a window of a file has failed, alone."""
        with self._lock:
            if not self._answered:
                self._failed[fault.kind, fault.place].add(uri)
                self._last = fault

    def check(self) -> None:
        """Makes sure that the model is not to blame; called when a batch is done.

        Raises:
            BrokenModelError: if windows of several files have failed alike and none was answered.
        """
        with self._lock:
            most = max(map(len, self._failed.values()), default=0)
        if most >= FILES_TO_STOP and not self.has_answered:
            raise self._last.stop(
                f"the model has failed alike on windows of {most} files and answered none. When it is mended, the same "
                "command goes on where it stopped"
            )


def _code(error: Exception) -> str:
    if isinstance(error, MediaError):
        return error.code
    return OUT_OF_MEMORY if is_out_of_memory(error) else MODEL_ERROR


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory has run out, on whichever device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in OUT_OF_MEMORY_SIGNS)


def _is_sticky(error: Exception) -> bool:
    if is_out_of_memory(error) or not isinstance(error, RuntimeError):
        return False
    named = ACCELERATOR_ERROR is not None and isinstance(error, ACCELERATOR_ERROR)
    return named or any(sign in str(error).lower() for sign in STICKY_SIGNS)


def _release(error: BaseException | None) -> None:
    """Clears the frames of an exception and of those that led to it: they hold tensors."""
    if error is not None and error.__traceback__ is not None:
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
        _release(error.__cause__)
        _release(error.__context__)
