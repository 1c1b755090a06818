import pickle
import time

import pytest

from transforms.metrics import Tally, timed, timed_items


def test_a_block_that_raises_is_timed_too():
    tally = Tally()

    def read():
        with timed("read", tally.add):
            time.sleep(0.01)
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        read()
    assert tally.snapshot()["read_us"] >= 10_000


def test_only_the_making_of_items_is_timed():
    tally, taken = Tally(), []

    def made():
        for number in range(3):
            time.sleep(0.01)
            yield number

    start = time.perf_counter_ns()
    for item in timed_items("make", made(), tally.add):
        time.sleep(0.05)
        taken.append(item)
    elapsed_us = (time.perf_counter_ns() - start) / 1000
    assert taken == [0, 1, 2]
    assert 30_000 <= tally.snapshot()["make_us"] <= elapsed_us - 150_000


def test_what_was_drained_is_counted_once():
    tally, other = Tally(), Tally()
    tally.add("windows", 2)
    tally.drain_into(other)
    tally.drain_into(other)
    assert other.snapshot() == {"windows": 2}
    assert tally.snapshot() == {}


def test_a_copy_in_another_process_starts_from_zero():
    tally = Tally()
    tally.add("windows", 2)
    assert pickle.loads(pickle.dumps(tally)).snapshot() == {}
