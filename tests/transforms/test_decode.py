import threading
import time

import pytest

from favor.media.corpus.files import MediaFile, WindowKey
from transforms.decode import DecodeAhead
from transforms.elements import Job, Segment


def segment(name, windows):
    media = MediaFile(name, 1, "v")
    return Segment(media, tuple(Job(WindowKey(media.media_id, i, i + 1), ()) for i in range(windows)))


def names(segment):
    return [f"{segment.media.uri}{job.key.start_ms}" for job in segment.jobs]


def test_windows_come_in_order_and_all_of_them():
    ahead = DecodeAhead(names, ahead=3)
    taken = []
    for part in (segment("a", 4), segment("b", 1), segment("c", 2)):
        ahead.submit(part)
        taken += ahead.take(leave=3)
    taken += ahead.take(leave=0)
    assert taken == ["a0", "a1", "a2", "a3", "b0", "c0", "c1"]
    ahead.close()


def test_no_more_windows_wait_than_were_allowed():
    decoded = []

    def decode(segment):
        for name in names(segment):
            decoded.append(name)
            yield name

    ahead = DecodeAhead(decode, ahead=2)
    ahead.submit(segment("a", 50))
    deadline = time.monotonic() + 60
    while len(decoded) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)  # for one too many
    assert len(decoded) == 3  # two in the queue, one waiting to get in
    ahead.close()


def test_a_mistake_in_the_code_is_raised_where_it_stops_the_run():
    def decode(segment):
        raise TypeError("a mistake")

    ahead = DecodeAhead(decode, ahead=2)
    ahead.submit(segment("a", 1))
    with pytest.raises(TypeError, match="a mistake"):
        list(ahead.take(leave=0))


def test_a_closed_decoder_ends_its_thread():
    before = set(threading.enumerate())
    ahead = DecodeAhead(names, ahead=1)
    ahead.submit(segment("a", 50))
    [thread] = [thread for thread in set(threading.enumerate()) - before if thread.name == "decode-ahead"]
    ahead.close()
    thread.join(60)
    assert not thread.is_alive()
