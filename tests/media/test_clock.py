from fractions import Fraction

import av
import pytest

from favor.media.clock import Clock


@pytest.fixture
def container(write_clip, tmp_path):
    path = write_clip(tmp_path / "film.mp4", 2, frame_rate=Fraction(24_000, 1001), sample_rate=44_100)
    with av.open(str(path)) as container:
        yield container


def test_every_packet_begins_at_a_whole_tick(container):
    zero = Fraction(1, 7)
    clock = Clock(container.streams, zero)
    for packet in container.demux():
        if packet.size:
            time = clock.time(packet.stream_index, packet.pts)
            assert Fraction(time, clock.second) == packet.pts * packet.time_base - zero
            assert clock.timestamp(packet.stream_index, time) == packet.pts
            assert clock.timestamp(packet.stream_index, time - 1) == packet.pts - 1
            assert Fraction(clock.length(packet.stream_index, 3), clock.second) == 3 * packet.time_base


def test_milliseconds_and_samples_are_whole_ticks_too(container):
    clock = Clock(container.streams, Fraction(0))
    assert clock.milliseconds(1500) * 2 == clock.second * 3
    assert clock.second % 16_000 == 0
