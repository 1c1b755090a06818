import numpy as np
import pytest

from favor.media.clip import Clip

FRAMES = np.zeros((4, 2, 2, 3), np.uint8)


def test_frames_come_twice_a_second_unless_their_times_are_given():
    np.testing.assert_array_equal(Clip(FRAMES).frame_times, [0, 0.5, 1, 1.5])
    np.testing.assert_array_equal(Clip(FRAMES, frame_times=np.arange(4.0)).frame_times, np.arange(4))


def test_a_window_is_as_long_as_its_sound_without_the_margins():
    assert Clip(audio=np.zeros(24_000, np.float32)).seconds == 1.5
    assert Clip(audio=np.zeros(24_000, np.float32), sample_rate=8000, audio_start=-0.5).seconds == 2
    assert Clip(FRAMES).seconds == 2


def test_a_window_without_sound_lasts_until_another_frame_would_be_shown():
    assert Clip(FRAMES, frame_times=np.arange(4) / 25).seconds == pytest.approx(4 / 25)
    assert Clip(FRAMES, frame_times=np.zeros(4)).seconds == 0.5
    assert Clip(FRAMES[0]).seconds == 0.5


def test_the_memory_of_a_clip_is_that_of_its_arrays():
    assert Clip(FRAMES, np.zeros(10, np.float32)).nbytes == 48 + 40


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "got neither"),
        ({"audio": np.zeros(3)}, r"audio must be \(n,\) float32; got \(3,\) float64"),
        ({"frames": FRAMES.astype(np.float32)}, r"frames must be .*; got \(4, 2, 2, 3\) float32"),
        ({"frames": FRAMES, "frame_times": np.arange(4.0)[::-1]}, "never fall"),
        ({"frames": FRAMES, "frame_times": np.arange(3.0)}, r"must be \(4,\)"),
    ],
)
def test_impossible_clips_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Clip(**values)
