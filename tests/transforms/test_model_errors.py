import weakref

import pytest
import torch

from favor.errors import MediaError
from transforms.metrics import Tally
from transforms.model_errors import (
    ACCELERATOR_ERROR,
    BrokenModelError,
    ModelFault,
    ModelWatch,
    attempt,
    is_out_of_memory,
)


def raising(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("x"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("shapes differ"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_recognised(error, expected):
    assert is_out_of_memory(error) is expected


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("odd"), "model_error"),
        (RuntimeError("shapes differ"), "model_error"),
        (ZeroDivisionError("odd"), "model_error"),
        (OSError("gone"), "model_error"),
        (IndexError("index out of range in self"), "model_error"),
        (KeyError("x"), "model_error"),
        (AssertionError("incorrect audio shape"), "model_error"),
        (MemoryError(), "out_of_memory"),
        (MediaError("too_long", "too long"), "too_long"),
    ],
)
def test_what_a_model_raises_is_kept_as_text(error, code):
    fault = attempt(raising(error))
    assert fault.code == code
    assert fault.kind == type(error).__name__
    assert fault.place.startswith(f"{__file__}:")
    assert fault.message


@pytest.mark.parametrize("error", [TypeError("x"), AttributeError("x")])
def test_a_mistake_in_the_code_is_not_kept(error):
    with pytest.raises(type(error)):
        attempt(raising(error))


STICKY = [
    RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be reported later"),
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: unspecified launch failure"),
]
if ACCELERATOR_ERROR:
    STICKY.append(ACCELERATOR_ERROR("a planted failure"))


@pytest.mark.parametrize("error", STICKY)
def test_an_error_after_which_every_call_fails_stops_the_run_in_one_line(error):
    with pytest.raises(BrokenModelError) as stopped:
        attempt(raising(error))
    (line,) = str(stopped.value).splitlines()
    assert line.startswith(f"{type(error).__name__} at {__file__}:")
    assert str(error).splitlines()[0] in line
    assert "The same command goes on where it stopped" in line


def test_nothing_that_a_failed_try_held_is_alive_afterwards():
    alive = []

    def compute(depth):
        tensor = torch.zeros(8)
        alive.append(weakref.ref(tensor))
        if depth:
            compute(depth - 1)
        try:
            raise ValueError("the cause")
        except ValueError as error:
            tensor.cause = error  # a cycle, as frames and exceptions easily make one
            raise torch.OutOfMemoryError("CUDA out of memory, a planted failure") from error

    fault = attempt(lambda: compute(3))
    assert fault.is_out_of_memory
    assert alive
    assert not [tensor for tensor in alive if tensor() is not None]


def fault(kind="ValueError", place="model.py:7"):
    return ModelFault("model_error", kind, "a planted failure", place, sticky=False)


def test_a_model_that_fails_alike_on_three_files_is_to_blame():
    watch = ModelWatch(Tally())
    for uri in ("/1.mp4", "/2.mp4", "/2.mp4"):
        watch.note_failure(uri, fault())
        watch.check()
    watch.note_failure("/3.mp4", fault())
    with pytest.raises(BrokenModelError, match=r"ValueError at model\.py:7: a planted failure; .* 3 files"):
        watch.check()


def test_the_way_in_which_most_files_have_failed_is_reported():
    watch = ModelWatch(Tally())
    for uri in ("/1.mp4", "/2.mp4", "/3.mp4"):
        watch.note_failure(uri, fault())
    watch.note_failure("/4.mp4", fault(kind="RuntimeError", place="odd.py:1"))
    with pytest.raises(BrokenModelError, match=r"^ValueError at model\.py:7: .* 3 files"):
        watch.check()


def test_a_model_that_fails_differently_each_time_is_not():
    watch = ModelWatch(Tally())
    for number in range(9):
        watch.note_failure(f"/{number}.mp4", fault(place=f"model.py:{number}"))
    watch.note_failure("/a.mp4", fault(kind="RuntimeError"))
    watch.check()


def test_a_model_that_has_answered_is_not():
    watch = ModelWatch(Tally())
    watch.note_answer()
    for number in range(9):
        watch.note_failure(f"/{number}.mp4", fault())
    watch.check()


def test_a_model_that_has_answered_in_an_earlier_run_is_not():
    tally = Tally()
    watch = ModelWatch(tally)
    for number in range(9):
        watch.note_failure(f"/{number}.mp4", fault())
    tally.add("windows_skipped", 3)
    watch.check()
    tally.add("windows_failed_before", 3)
    with pytest.raises(BrokenModelError):
        watch.check()
