from fractions import Fraction

import pytest

from favor.media.sampling import SCENES, Windowing, slot_count, slots_due, spans


def test_windows_tile_the_file_and_the_last_is_shorter():
    assert spans(70_001, 30_000) == [(0, 30_000), (30_000, 60_000), (60_000, 70_001)]


def test_a_file_of_whole_windows_has_no_rest():
    assert spans(60_000, 30_000) == [(0, 30_000), (30_000, 60_000)]


def test_nothing_has_no_windows():
    assert spans(0, 30_000) == []


@pytest.mark.parametrize(("duration", "window"), [(-1, 30_000), (10, 0)])
def test_impossible_windows_are_refused(duration, window):
    with pytest.raises(ValueError, match=f"got {duration} and {window}"):
        spans(duration, window)


@pytest.mark.parametrize(("duration", "slots"), [(1, 1), (500, 1), (501, 2), (10_200, 21), (30_000, 60)])
def test_a_slot_begins_every_half_second(duration, slots):
    assert slot_count(duration, 1000, Fraction(2)) == slots


SECOND, RATE = 24_000, Fraction(2)


def chosen(times, duration_ms):
    """The frame that each slot shows, of times in ticks of 1/24000 s."""
    shown = []
    for time in times:
        shown += [time] * slots_due(time, SECOND, RATE, len(shown), slot_count(duration_ms, 1000, RATE))
    return shown


def test_each_slot_shows_the_first_frame_at_or_after_it():
    times = [frame * 800 for frame in range(60)]
    assert chosen(times, 2000) == [0, 12_000, 24_000, 36_000]


def test_frames_that_miss_the_slots_are_shown_late_never_early():
    times = [frame * 1001 for frame in range(48)]
    late = [time - slot * 12_000 for slot, time in enumerate(chosen(times, 2000))]
    assert all(0 <= delay < 1001 for delay in late)


def test_a_rare_frame_fills_the_slots_that_wait_for_it():
    assert chosen([0, 31_200, 33_600], 3000) == [0, 31_200, 31_200]


def test_frames_before_the_window_fill_nothing():
    assert chosen([-8000, 8000], 1000) == [8000]


def test_a_window_that_ends_at_a_scene_may_be_half_as_long_again():
    assert Windowing(10_000).longest_ms == 10_000
    assert Windowing(10_000, SCENES).longest_ms == 15_000
