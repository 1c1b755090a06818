import numpy as np
import pytest

from favor.media.decode import read_clip
from favor.media.needs import ClipNeeds
from favor.media.reading.picking import NativePicker
from favor.media.sampling import second_spans


def shown(clip):
    """When each chosen frame was shown in the file, read back from its blue, which grows by 20 a second."""
    return [round(float(frame[..., 2].mean()) / 20, 1) for frame in clip.frames]


def slow_reference(times, seconds):
    """The rule of the release, said again: first and last frame of each second, the last second shifted back."""
    starts = [min(second, max(seconds - 1, 0)) for second in range(int(np.ceil(seconds)))]
    for start in starts:
        inside = [time for time in times if start <= time < min(start + 1, seconds)]
        yield from (inside[0], inside[-1])


@pytest.mark.parametrize("seconds", [3.0, 3.5, 0.6])
def test_the_release_takes_the_first_and_the_last_frame_of_each_second(write_clip, tmp_path, seconds):
    path = write_clip(tmp_path / "film.mp4", seconds, audio=None, video_options={"crf": "1"})
    clip = read_clip(str(path), needs=ClipNeeds(frame_rule="released"))
    expected = list(slow_reference([index / 10 for index in range(round(seconds * 10))], seconds))
    assert shown(clip) == pytest.approx(expected, abs=0.11)
    np.testing.assert_array_equal(clip.frame_times, np.arange(len(expected)) / 2)


def test_the_rule_works_inside_a_file_too(write_clip, tmp_path):
    path = write_clip(tmp_path / "film.mp4", 6, audio=None, video_options={"crf": "1"})
    clip = read_clip(str(path), 2.0, 4.0, needs=ClipNeeds(frame_rule="released"))
    assert shown(clip) == pytest.approx([2.0, 2.9, 3.0, 3.9], abs=0.11)


def test_a_second_without_a_frame_repeats_the_one_before(write_clip, tmp_path):
    times = [0, 0.5, 3.0, 3.5]
    path = write_clip(tmp_path / "gap.mp4", audio=None, frame_times=times, video_options={"crf": "1"})
    clip = read_clip(str(path), end=3.6, needs=ClipNeeds(frame_rule="released"))
    assert shown(clip)[:6] == pytest.approx([0, 0.5, 0.5, 0.5, 0.5, 0.5], abs=0.11)


def test_the_last_second_ends_with_the_window():
    assert second_spans(2500, 1000) == [(0, 1000), (1000, 2000), (1500, 2500)]
    assert second_spans(400, 1000) == [(0, 400)]
    assert second_spans(1000, 1000) == [(0, 1000)]


def test_frames_that_a_damaged_file_shows_too_late_are_left_out_at_the_native_rate():
    picker = NativePicker(0, 1000, 1000, lambda frame: np.full((2, 2, 3), frame, np.uint8), max_frames=None)
    for number, time in enumerate([-100, 0, 400, 200, 400, 900]):
        picker.offer(time, number)
    images, times = picker.frames()
    assert times.tolist() == [0, 0.4, 0.4, 0.9]
    assert images[:, 0, 0, 0].tolist() == [1, 2, 4, 5]
