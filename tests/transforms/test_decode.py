import threading
import time

import numpy as np
import pytest

from favor.media.clip import Clip
from favor.media.corpus.files import MediaFile, WindowKey
from transforms.decode import DecodeAhead
from transforms.elements import Job, Segment, Window
from transforms.metrics import Tally


def segment(name, windows):
    media = MediaFile(name, 1, "v")
    return Segment(media, tuple(Job(WindowKey(media.media_id, i, i + 1), ()) for i in range(windows)))


def names(segment):
    return [f"{segment.media.uri}{job.key.start_ms}" for job in segment.jobs]


def test_windows_come_in_order_and_all_of_them():
    ahead = DecodeAhead(names, most_bytes=3, tally=Tally())
    taken = []
    for part in (segment("a", 4), segment("b", 1), segment("c", 2)):
        ahead.submit(part)
        taken += ahead.take(leave=3)
    taken += ahead.take(leave=0)
    assert taken == ["a0", "a1", "a2", "a3", "b0", "c0", "c1"]
    ahead.close()


def big_windows(segment):
    """Windows of 1 MB each."""
    for job in segment.jobs:
        yield Window(segment.media, job, Clip(frames=np.zeros((1, 500, 700, 3), np.uint8)))


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)  # for one too many


@pytest.mark.parametrize(("most_bytes", "waiting"), [(3_500_000, 3), (4_200_000, 4), (1, 1)])
def test_no_more_bytes_wait_than_were_allowed(most_bytes, waiting):
    decoded = []

    def decode(segment):
        for window in big_windows(segment):
            decoded.append(window)
            yield window

    ahead = DecodeAhead(decode, most_bytes, tally=Tally())
    ahead.submit(segment("a", 20))
    wait_until(lambda: len(decoded) > waiting)
    assert len(decoded) == waiting + 1  # one waits to get in
    taken = []
    for window in ahead.take(leave=0):
        taken.append(window.job.key.start_ms)
        assert ahead.waiting_bytes <= max(most_bytes, window.clip.nbytes)
    assert taken == list(range(20))
    ahead.close()


def test_failures_weigh_nothing_and_keep_their_place():
    def decode(segment):
        for number, window in enumerate(big_windows(segment)):
            yield f"failure {number}" if number % 2 else window

    ahead = DecodeAhead(decode, most_bytes=1, tally=Tally())
    ahead.submit(segment("a", 4))
    taken = list(ahead.take(leave=0))
    assert [item if isinstance(item, str) else item.job.key.start_ms for item in taken] == [
        0,
        "failure 1",
        2,
        "failure 3",
    ]
    ahead.close()


def test_a_mistake_in_the_code_is_raised_where_it_stops_the_run():
    def decode(segment):
        raise TypeError("a mistake")

    ahead = DecodeAhead(decode, most_bytes=2, tally=Tally())
    ahead.submit(segment("a", 1))
    with pytest.raises(TypeError, match="a mistake"):
        list(ahead.take(leave=0))


def test_a_closed_decoder_ends_its_thread():
    before = set(threading.enumerate())
    ahead = DecodeAhead(big_windows, most_bytes=1, tally=Tally())
    ahead.submit(segment("a", 50))
    [thread] = [thread for thread in set(threading.enumerate()) - before if thread.name == "decode-ahead"]
    ahead.close()
    thread.join(60)
    assert not thread.is_alive()
