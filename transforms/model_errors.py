"""Classifying what a model raises: an error about one window, out of memory, or a broken model, which stops the run."""

import dataclasses
import threading
import traceback
from collections.abc import Callable
from typing import Self, TypeVar

import torch

from favor.errors import FavorError, MediaError
from transforms.metrics import Tally

# What a single odd window can make a model raise: a prompt too long for a table of positions is an IndexError, and much
# research code checks its input with assert. Any other exception is a bug and stops the run.
MODEL_ERRORS: tuple[type[Exception], ...] = (
    MediaError,
    OSError,
    MemoryError,
    RuntimeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AssertionError,
)
OUT_OF_MEMORY_SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory", "cublas_status_alloc_failed")
# After one of these, every later call to the GPU fails in this process.
STICKY_SIGNS = ("cuda error:", "hip error:", "device-side assert", "illegal memory access", "launch failure")
ACCELERATOR_ERROR: type[Exception] | None = getattr(torch, "AcceleratorError", None)  # torch 2.8 and later
MODEL_ERROR, OUT_OF_MEMORY = "model_error", "out_of_memory"  # failure codes
FILES_TO_STOP = 3  # when windows of this many files have failed in the same way, the model is at fault
_Output = TypeVar("_Output")


class BrokenModelError(FavorError):
    """A model that cannot answer anything; it stops the run."""


@dataclasses.dataclass(frozen=True)
class ModelFault:
    """A description of an exception raised by a model; only text, so that no frame or tensor is kept alive.

    Attributes:
        code: the failure code.
        kind: name of the exception's type.
        message: the exception's message.
        place: the file and line that raised it.
        sticky: whether every later call in this process fails too.
    """

    code: str
    kind: str
    message: str
    place: str
    sticky: bool

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Describes an exception, and releases what its frames hold."""
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
    """Calls a model, and returns its output or a description of what it raised.

    Raises:
        BrokenModelError: if the model can no longer be used in this process.
    """
    try:
        return work()
    except MODEL_ERRORS as error:
        fault = ModelFault.of(error)
    if fault.sticky:
        raise fault.stop(
            "no later call to the device can succeed. The same command goes on where it stopped; if the error comes "
            "back, CUDA_LAUNCH_BLOCKING=1 shows the line at fault"
        )
    return fault


class ModelWatch:
    """Detects a model that fails on everything; safe to share between threads.

    Args:
        tally: the counts of the run.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._answered = False
        self._failed: dict[tuple[str, str], tuple[ModelFault, set[str]]] = {}  # with the files on which it occurred
        self._lock = threading.Lock()

    @property
    def has_answered(self) -> bool:
        """Whether the model has answered something, in this run or an earlier one; if so, windows are at fault."""
        counts = self._tally.snapshot()
        return self._answered or counts.get("windows_skipped", 0) > counts.get("windows_failed_before", 0)

    def note_answer(self) -> None:
        """Records that the model has answered something."""
        self._answered = True

    def note_failure(self, uri: str, fault: ModelFault) -> None:
        """Records that a window of a file has failed in a batch of its own."""
        with self._lock:
            if not self._answered:
                _, uris = self._failed.setdefault((fault.kind, fault.place), (fault, set()))
                uris.add(uri)

    def check(self) -> None:
        """Checks, after each batch, that the model is not at fault.

        Raises:
            BrokenModelError: if windows of several files have failed in the same way and none was answered.
        """
        with self._lock:
            faults = [(len(uris), fault) for fault, uris in self._failed.values() if len(uris) >= FILES_TO_STOP]
        if faults and not self.has_answered:
            files, fault = max(faults, key=lambda failed: failed[0])
            raise fault.stop(
                f"the model has failed in the same way on windows of {files} files and answered none. Once it is "
                "fixed, the same command goes on where it stopped"
            )


def _code(error: Exception) -> str:
    if isinstance(error, MediaError):
        return error.code
    return OUT_OF_MEMORY if is_out_of_memory(error) else MODEL_ERROR


def is_out_of_memory(error: Exception) -> bool:
    """Returns whether an error means that memory has run out, on any device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in OUT_OF_MEMORY_SIGNS)


def _is_sticky(error: Exception) -> bool:
    if is_out_of_memory(error) or not isinstance(error, RuntimeError):
        return False
    named = ACCELERATOR_ERROR is not None and isinstance(error, ACCELERATOR_ERROR)
    return named or any(sign in str(error).lower() for sign in STICKY_SIGNS)


def _release(error: BaseException | None) -> None:
    """Clears the frames of an exception and of its causes, since they hold tensors."""
    if error is not None and error.__traceback__ is not None:
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
        _release(error.__cause__)
        _release(error.__context__)
