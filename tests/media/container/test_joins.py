"""Recordings joined byte by byte: the second one comes behind the first, with all that it holds."""

from itertools import pairwise

import av
import numpy as np
import pytest

from favor.media.container.joins import JoinedClock, is_joined
from favor.media.container.opening import open_stored
from favor.media.corpus.files import MediaFile
from favor.media.decode import decode_windows
from favor.media.needs import ClipNeeds, Square
from favor.media.probe import probe
from favor.media.sampling import spans

SMALL = ClipNeeds(frame_size=Square(32))
MPEG2 = {"video": "mpeg2video", "audio": "mp2", "frame_rate": 25}
VP8 = {"video": "libvpx", "audio": "libopus"}
FORMATS = {  # not NUT: libavformat reads the index between two parts as packets
    "joined.ts": {},
    "joined.m2ts": {"container_options": {"mpegts_m2ts_mode": "1"}},
    "joined.mpg": MPEG2,
    "joined.mkv": {},
    "joined.webm": {**VP8, "container_options": {"live": "1"}},
    "joined.avi": {"video": "mpeg4", "audio": "pcm_s16le"},
    "joined.ogg": {"video": None, "audio": "libopus"},
    "joined.mp3": {"video": None, "audio": "libmp3lame"},
}
SHORT, LONG = {"seconds": 2.0}, {"seconds": 3.0}
ORDERS = {
    "short_long": (SHORT, LONG),
    "long_short": (LONG, SHORT),
    "alike": (SHORT, SHORT),
    "three": (SHORT, LONG, SHORT),
}
SEAM = 0.2  # s between two parts at most: the encoders' delay, and streams that do not end together


@pytest.fixture
def joined(flash, tmp_path):
    """Writes parts with a flash and a beep at their 1.0 s, and joins their bytes."""

    def joined(name, parts, **options):
        content = b"".join(flash(f"part_{name}", **options, **part).read_bytes() for part in parts)
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return joined


def begins(values, times):
    """When something begins that is not there else."""
    there = np.concatenate([[False], np.asarray(values)])
    return times[there[1:] & ~there[:-1]]


def check(path, parts):
    starts = np.cumsum([0, *(part["seconds"] for part in parts)])
    seams = SEAM * np.arange(len(parts))
    duration = probe(MediaFile(path, 1, "v")).duration_ms
    assert starts[-1] - 0.1 <= duration / 1000 <= starts[-1] + seams[-1] + 0.1
    windows = spans(duration, 1500)
    clips = list(decode_windows(path, windows, SMALL))
    beeps = heard(clips)
    assert len(beeps) == len(parts)
    assert ((starts[:-1] + 0.9 <= beeps) & (beeps <= starts[:-1] + 1.1 + seams)).all()
    if clips[0].frames is not None:
        flashes = seen(path, duration)
        np.testing.assert_allclose(flashes, beeps, atol=0.11)
    last = clips[-1]
    [sought] = decode_windows(path, windows[-1:], SMALL)
    np.testing.assert_array_equal(sought.audio, last.audio)
    if last.frames is not None:
        np.testing.assert_array_equal(sought.frames, last.frames)


def heard(clips):
    sound = np.concatenate([clip.audio for clip in clips])
    loud = np.abs(sound[: len(sound) // 800 * 800]).reshape(-1, 800).max(axis=1) > 0.1
    return begins(loud, np.arange(len(loud)) * 0.05)


def seen(path, duration):
    """When white pictures begin, to 50 ms: one window for each."""
    windows = spans(duration // 50 * 50, 50)
    white = [clip.frames is not None and clip.frames[0].mean() > 128 for clip in decode_windows(path, windows, SMALL)]
    return begins(white, np.array([start for start, _ in windows]) / 1000)


@pytest.mark.parametrize("needs", [ClipNeeds(sees=False), ClipNeeds(SMALL.frames_per_second, hears=False)])
def test_one_stream_alone_is_where_it_is_with_the_other(joined, needs):
    """A part's sound ends before its picture, and the next part begins behind both."""
    parts = [{"seconds": 2.0, "sound_seconds": 1.4}, {"seconds": 2.0, "sound_seconds": 1.2}, {"seconds": 2.0}]
    path, windows = joined("joined.ts", parts, **MPEG2), [(0, 1500), (1500, 3000), (3000, 6000)]
    both, alone = (list(decode_windows(path, windows, some)) for some in (ClipNeeds(), needs))
    for clip, part in zip(both, alone, strict=True):
        if needs.hears:
            np.testing.assert_array_equal(part.audio, clip.audio)
        else:
            np.testing.assert_array_equal(part.frame_times, clip.frame_times)
            np.testing.assert_array_equal(part.frames, clip.frames)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_that_can_be_joined(joined, name):
    parts = ORDERS["long_short"]
    check(joined(name, parts, **FORMATS[name]), parts)


@pytest.mark.parametrize("order", ORDERS)
def test_every_order(joined, order):
    check(joined("joined.ts", ORDERS[order], **MPEG2), ORDERS[order])


@pytest.mark.parametrize("starts", [(30.0, 0.0), (100.0, 0.0), (0.0, 80_000.0)])
def test_clocks_that_jump_far(joined, starts):
    """libav takes what lies more than a minute before the first time for what comes 26.5 h later."""
    parts = [{"seconds": 2.0, "start": start} for start in starts]
    check(joined("joined.ts", parts, **MPEG2), parts)


def test_sound_that_ends_early_is_joined_where_the_picture_is(joined):
    parts = [{"seconds": 2.0, "sound_seconds": 1.4}, {"seconds": 2.0}]
    check(joined("joined.ts", parts, **MPEG2), parts)


def test_a_pause_is_kept(joined):
    path = joined("paused.ts", [SHORT, {"seconds": 2.0, "start": 60.0}], **MPEG2)
    assert probe(MediaFile(path, 1, "v")).duration_ms == pytest.approx(62_000, abs=200)
    [clip] = decode_windows(path, [(60_000, 62_000)], SMALL)
    assert (clip.frames.mean(axis=(1, 2, 3)) > 128).tolist()[:3] == [False, False, True]


def times(packets):
    return [packet.dts for packet in packets if packet.dts is not None]


@pytest.mark.parametrize("seconds", [-1.5, 50_000])
def test_a_packet_that_errs_alone_moves_no_other(write_clip, tmp_path, seconds):
    path = write_clip(tmp_path / "whole.mkv", 4, video="mpeg4", audio=None)
    with av.open(path) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    wrong = packets[len(packets) // 2]
    wrong.dts += int(seconds / wrong.time_base)
    before = times(packets)
    clock = JoinedClock()
    assert times(clock(packets)) == before
    assert not clock.joins


def test_order_and_number_of_packets_stay(joined):
    path = joined("joined.ts", ORDERS["three"], **MPEG2)
    with av.open(path) as container:
        plain = sum(packet.size > 0 for packet in container.demux())
    with av.open(path) as container:
        packets = [packet for packet in JoinedClock()(container.demux()) if packet.size]
    assert len(packets) == plain
    for index in (0, 1):
        mine = times(packet for packet in packets if packet.stream_index == index)
        assert all(before < after for before, after in pairwise(mine))


@pytest.mark.parametrize(("name", "parts"), [("one.mkv", 1), ("two.mkv", 2), ("one.ts", 1), ("two.ts", 2)])
def test_joined_files_are_told(joined, name, parts):
    path = joined(name, [SHORT] * parts, **MPEG2)
    with av.open(path) as container:
        assert is_joined(container, path, open_stored) is (parts == 2)
