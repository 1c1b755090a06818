from fractions import Fraction

import numpy as np
import pytest

from favor.media import decode
from favor.media.container import opening
from favor.media.needs import DEFAULT_NEEDS, ClipNeeds
from favor.media.reading.skipping import Action, SkipPlan, UnplannableError
from favor.media.reading.wanted import Wanted

# coded pictures: (shown, decoded, entry), in tenths of a second
CLOSED = [(0, -2, True), (4, -1, False), (2, 0, False), (1, 1, False), (3, 2, False), (5, 3, True), (9, 4, False),
          (7, 5, False), (6, 6, False), (8, 7, False), (10, 8, True), (11, 9, False)]  # fmt: skip
OPEN = [(0, -2, True), (2, -1, False), (1, 0, False), (5, 1, True), (3, 3, False), (4, 4, False), (6, 6, False)]


def actions(pictures, wanted, end=100, sought=False, **options):
    """What is done with each picture when the times in ``wanted`` are."""
    plan = SkipPlan(lambda before, time, after: time in wanted, end, sought)
    found = {}
    for shown, decoded, entry in pictures:
        plan.add_picture(shown, shown, decoded, entry, **options)
        found |= dict(plan.ready())
    plan.finish()
    found |= dict(plan.ready())
    return {
        name: [shown for shown, action in found.items() if action is kind] for name, kind in Action._member_map_.items()
    }


def test_the_end_of_a_group_is_dropped_behind_the_last_wanted_picture():
    found = actions(CLOSED, {1, 7})
    assert found == {"DECODE": [1, 7], "REFERENCE": [0, 4, 2, 5, 9], "DROP": [3, 6, 8, 10, 11]}


def test_a_wanted_picture_before_a_keyframe_keeps_the_group_before():
    """In an open group pictures shown before its keyframe refer to the group before."""
    assert actions(OPEN, {0, 3})["REFERENCE"] == [2, 1, 5]
    assert actions(OPEN, {0, 5}) == {"DECODE": [0, 5], "REFERENCE": [], "DROP": [2, 1, 3, 4, 6]}


def test_after_a_seek_nothing_before_the_keyframe_counts():
    found = actions(OPEN[3:], {4, 5, 6}, sought=True)
    assert found == {"DECODE": [5, 6], "REFERENCE": [], "DROP": []}


def test_nothing_is_needed_behind_the_last_window():
    assert actions(CLOSED, {0, 9}, end=5)["DECODE"] == [0]


def test_times_that_contradict_their_promise_are_refused():
    with pytest.raises(UnplannableError, match="two pictures"):
        actions([(0, 0, True), (1, 0, False), (1, 1, False), (3, 3, False)], {0})
    with pytest.raises(UnplannableError, match="seemed to be known"):
        actions([(0, 0, True), (5, 5, False), (6, 6, False), (3, 7, False)], {0})


def test_a_long_wait_ends_in_decoding():
    pictures = [(index, -1000, index == 0) for index in range(700)]
    assert actions(pictures, {0}, end=10_000)["DECODE"] != []


@pytest.mark.parametrize("rule", ["even", "released"])
def test_wanted_pictures_are_those_that_the_pickers_take(rule):
    wanted = Wanted([(0, 10), (10, 25)], ClipNeeds(frame_rule=rule), 10)
    times = [0, 1, 2, 6, 9, 10, 11, 16, 17, 23, 30]
    neighbours = zip([-np.inf, *times], times, [*times[1:], np.inf], strict=False)
    taken = [time for before, time, after in neighbours if wanted(before, time, after)]
    assert taken == {"even": [0, 6, 10, 16, 23], "released": [0, 9, 10, 16, 17, 23]}[rule]


def test_a_picture_on_display_is_wanted_if_none_begins():
    assert Wanted([(10, 20)], DEFAULT_NEEDS, 10)(-np.inf, 0, 20)
    assert not Wanted([(10, 20)], DEFAULT_NEEDS, 10)(-np.inf, 0, 15)


CODECS = [
    ("closed.mp4", "libx264", {"g": "24", "bf": "3"}),
    ("open.mp4", "libx264", {"g": "24", "bf": "3", "x264-params": "open-gop=1:keyint=24:min-keyint=24:scenecut=0"}),
    ("open.ts", "libx264", {"g": "24", "bf": "3", "x264-params": "open-gop=1:keyint=24:min-keyint=24:scenecut=0"}),
    ("refresh.mp4", "libx264", {"x264-params": "intra-refresh=1:keyint=20"}),
    ("hevc.mkv", "libx265", {"x265-params": "log-level=none:keyint=24:min-keyint=24:open-gop=1"}),
    ("mpeg2.ts", "mpeg2video", {"g": "12", "bf": "2"}),
    ("mpeg4.mp4", "mpeg4", {"g": "12", "bf": "2"}),
    ("vp9.webm", "libvpx-vp9", {"g": "24", "deadline": "realtime", "cpu-used": "8"}),
    ("av1.mkv", "libsvtav1", {"g": "24", "preset": "12"}),
    ("prores.mov", "prores_ks", {}),
    ("mpeg4.avi", "mpeg4", {"g": "12", "bf": "2"}),
    ("h264.avi", "libx264", {"g": "24", "bf": "2"}),
]


@pytest.mark.parametrize(("name", "codec", "options"), CODECS, ids=[name for name, *_ in CODECS])
def test_pictures_are_the_same_as_those_of_decoding_all(write_clip, tmp_path, grain, name, codec, options):
    path = write_clip(
        tmp_path / name, 14, video=codec, audio=None, frame_rate=24, picture=grain, size=(80, 64), video_options=options
    )
    cuts = [(0, 1300), (1300, 2700), (12_700, 13_500)]
    rates = (2, 1, 4, Fraction(3, 2), None)
    all_needs = [ClipNeeds(frames_per_second=rate and Fraction(rate)) for rate in rates]
    for needs in (*all_needs, ClipNeeds(frame_rule="released"), ClipNeeds(max_frames=1)):
        how = (str(path), cuts, needs, None, opening.open_stored)
        planned, full = (list(decode._decode(*how, planned)) for planned in (True, False))
        for one, other in zip(planned, full, strict=True):
            np.testing.assert_array_equal(one.frames, other.frames)
            np.testing.assert_array_equal(one.frame_times, other.frame_times)
