import pytest
import torch

from transforms.halving import Failed, Halving


class Work:
    """Doubles numbers; some numbers, and batches above a size, make it fail."""

    def __init__(self, poison=(), memory=100, error=None):
        self.poison, self.memory, self.sizes = set(poison), memory, []
        self.error = error or ValueError("poison")

    def __call__(self, items):
        self.sizes.append(len(items))
        if len(items) > self.memory:
            raise torch.OutOfMemoryError("CUDA out of memory")
        if self.poison & set(items):
            raise self.error
        return [2 * item for item in items]


def test_a_poisoned_batch_of_sixteen_has_fifteen_results_and_one_failure():
    outputs = list(Halving(Work(poison=[11]), 16)(range(16)))
    assert [output for output in outputs if not isinstance(output, Failed)] == [2 * i for i in range(16) if i != 11]
    assert outputs[11].item == 11
    assert outputs[11].fault.message == "poison"


@pytest.mark.parametrize("poison", [[0], [15], [0, 1], [3, 12], list(range(16))])
def test_every_culprit_is_found_and_the_order_is_kept(poison):
    outputs = list(Halving(Work(poison), 16)(range(16)))
    assert [i for i, output in enumerate(outputs) if isinstance(output, Failed)] == poison
    assert [output for output in outputs if not isinstance(output, Failed)] == [
        2 * i for i in range(16) if i not in poison
    ]


def test_the_size_that_fits_in_memory_is_remembered():
    work = Work(memory=5)
    halving = Halving(work, 16)
    assert list(halving(range(16))) == [2 * i for i in range(16)]
    assert halving.limit == 4
    work.sizes.clear()
    assert list(halving(range(10))) == [2 * i for i in range(10)]
    assert work.sizes == [4, 4, 2]


def test_a_poisoned_item_does_not_make_later_batches_smaller():
    work = Work(poison=[1])
    halving = Halving(work, 8)
    list(halving(range(8)))
    assert halving.limit == 8


@pytest.mark.parametrize("place", [0, 5, 7])
def test_an_item_that_never_fits_does_not_make_later_batches_smaller(place):
    work = Work(poison=[place], error=torch.OutOfMemoryError("CUDA out of memory"))
    halving = Halving(work, 8)
    assert [i for i, output in enumerate(halving(range(8))) if isinstance(output, Failed)] == [place]
    assert halving.limit == 8
    work.sizes.clear()
    list(halving(range(10, 26)))
    assert work.sizes == [8, 8]


def test_an_item_that_never_fits_does_not_undo_what_other_batches_have_shown():
    halving = Halving(Work(poison=[20], memory=5, error=torch.OutOfMemoryError("CUDA out of memory")), 16)
    outputs = list(halving(range(32)))
    assert [i for i, output in enumerate(outputs) if isinstance(output, Failed)] == [20]
    assert halving.limit == 4


def test_an_item_that_never_fits_fails_alone():
    outputs = list(Halving(Work(memory=0), 4)(range(2)))
    assert all(output.fault.is_out_of_memory for output in outputs)


@pytest.mark.parametrize("error", [TypeError("x"), AttributeError("x")])
def test_a_mistake_in_the_code_stops_the_run(error):
    with pytest.raises(type(error)):
        list(Halving(Work([1], error=error), 4)(range(4)))
