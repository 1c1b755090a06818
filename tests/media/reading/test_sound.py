from fractions import Fraction

import numpy as np
import pytest
from av.audio.frame import AudioFrame

from favor.media.reading.sound import SoundPlacer, SoundTrack

SECOND = 44_100 * 160  # ticks: of 48 kHz and of 44.1 kHz


def sound(samples, rate=48_000, layout="mono", format="fltp"):
    frame = AudioFrame.from_ndarray(np.atleast_2d(samples), format, layout)
    frame.sample_rate = rate
    return frame


def placed(pieces, end_ms):
    """A track of a window from 0 on, filled from pieces ``(seconds, frame)``."""
    track, placer = SoundTrack(0, end_ms), SoundPlacer(SECOND)
    for time, frame in pieces:
        for position, samples in placer.feed(time if time is None else int(time * SECOND), frame):
            track.place(position, samples)
    for position, samples in placer.flush():
        track.place(position, samples)
    return track


def ones(seconds, rate=48_000):
    return np.full(round(seconds * rate), 0.5, np.float32)


def test_a_gap_in_the_timestamps_is_silence():
    track = placed([(Fraction(0), sound(ones(0.2))), (Fraction(1, 2), sound(ones(0.2)))], 1000)
    loud = np.flatnonzero(track.samples > 0.25)
    assert len(loud) == pytest.approx(6400, abs=10)
    assert not track.samples[3300:7900].any()


def test_rounding_of_timestamps_leaves_no_gap():
    pieces = [(Fraction(i * 20 + i % 2, 1000), sound(ones(0.02))) for i in range(20)]
    assert np.all(placed(pieces, 390).samples[20:] > 0.4)


def test_sound_without_timestamps_follows_on():
    track = placed([(Fraction(0), sound(ones(0.1))), (None, sound(ones(0.1)))], 200)
    assert np.all(track.samples > 0.4)


def test_a_change_of_the_sample_rate_starts_anew():
    track = placed([(Fraction(0), sound(ones(0.1))), (Fraction(1, 10), sound(ones(0.1, 44_100), 44_100))], 200)
    assert np.mean(track.samples > 0.4) > 0.99


def test_16_khz_mono_passes():
    wave = np.linspace(-0.5, 0.5, 1600, dtype=np.float32)
    np.testing.assert_allclose(placed([(Fraction(0), sound(wave, 16_000))], 100).samples, wave, atol=1e-4)


def test_equal_channels_are_not_louder_together():
    track = placed([(Fraction(0), sound(np.tile(ones(0.5), (6, 1)), layout="5.1"))], 500)
    assert track.samples.max() == pytest.approx(0.5, abs=0.06)


def test_sound_is_the_same_wherever_decoding_began():
    times = np.arange(44_100) / 44_100
    wave = (0.4 * np.sin(2 * np.pi * 3000 * times)).astype(np.float32)
    whole = placed([(Fraction(0), sound(wave, 44_100))], 1000).samples
    rest = placed([(Fraction(10_000, 44_100), sound(wave[10_000:], 44_100))], 1000).samples
    np.testing.assert_allclose(rest[4000:15_900], whole[4000:15_900], atol=1e-4)


def test_sound_outside_of_the_window_is_not_heard():
    track = SoundTrack(1000, 2000)
    track.place(0, np.ones(16_000, np.float32))
    assert not track.heard
    assert not track.full
    track.place(32_000, np.ones(10, np.float32))
    assert not track.heard
    assert track.full


def test_a_track_takes_the_part_that_belongs_to_it():
    track = SoundTrack(1000, 1010)
    track.place(15_990, np.arange(300, dtype=np.float32))
    np.testing.assert_array_equal(track.samples, np.arange(10, 170))


def test_a_margin_is_filled_but_not_heard():
    track = SoundTrack(1000, 2000, sample_rate=16_000, margin_ms=250)
    assert track.start == 12_000
    track.place(12_000, np.ones(4000, np.float32))
    track.place(32_000, np.ones(1000, np.float32))
    assert (track.heard, track.full) == (False, False)
    track.place(16_000, np.full(10, 0.5, np.float32))
    track.place(33_000, np.ones(9000, np.float32))
    assert (track.heard, track.full) == (True, True)
    assert len(track.samples) == 24_000
    assert track.samples.sum() == 4000 + 5 + 4000


def test_a_margin_before_the_start_of_the_file_is_silence():
    track = SoundTrack(0, 10, margin_ms=10)
    track.place(0, np.ones(1000, np.float32))
    np.testing.assert_array_equal(track.samples, np.repeat([0, 1, 1], 160))


def test_tracks_of_any_rate_meet_without_a_seam():
    tracks = [SoundTrack(start, start + 7, sample_rate=44_100) for start in range(0, 700, 7)]
    ends = [track.start + len(track.samples) for track in tracks]
    assert ends == [*(track.start for track in tracks[1:]), 700 * 44_100 // 1000]
