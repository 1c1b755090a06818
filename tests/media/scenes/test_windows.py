import pytest

from favor.media.scenes.windows import LONGEST_STRETCH_MS, scene_spans

EVERY_SECOND = [(time, True) for time in range(0, 60_000, 1000)]


def tiling(duration, window, cuts, looks=EVERY_SECOND):
    """The windows of a film with these cuts, and the stretches that were searched."""
    searched = []

    def search(start, end):
        searched.append((start, end))
        return [cut for cut in cuts if start < cut <= end]

    return list(scene_spans((0, duration), window, looks, search)), searched


@pytest.mark.parametrize(
    ("cuts", "end"),
    [
        ([], 10_000),
        ([9_300, 11_000], 9_300),
        ([8_000, 11_000], 11_000),
        ([9_500, 10_500], 9_500),  # as near: the earlier one
        ([10_000], 10_000),
        ([5_000], 5_000),
        ([4_999], 10_000),
        ([15_000], 15_000),
        ([15_001], 10_000),
    ],
)
def test_a_window_ends_at_the_nearest_cut_within_bounds(cuts, end):
    spans, _ = tiling(40_000, 10_000, cuts)
    assert spans[0] == (0, end)


def test_the_next_window_counts_from_where_the_last_one_ended():
    spans, _ = tiling(40_000, 10_000, [12_000, 20_000, 23_500])
    assert spans == [(0, 12_000), (12_000, 23_500), (23_500, 33_500), (33_500, 40_000)]


def test_the_last_window_ends_with_the_film():
    assert tiling(14_000, 10_000, [9_000])[0] == [(0, 9_000), (9_000, 14_000)]
    assert tiling(14_000, 10_000, [])[0] == [(0, 10_000), (10_000, 14_000)]


@pytest.mark.parametrize("duration", [0, 1, 10_000])
def test_a_short_film_is_one_window(duration):
    assert tiling(duration, 10_000, [1])[0] == [(0, duration)] * bool(duration)


def test_windows_tile_the_film_without_looks_too():
    assert tiling(25_001, 10_000, [3], looks=[])[0] == [(0, 10_000), (10_000, 20_000), (20_000, 25_001)]


def test_no_more_is_searched_than_is_needed():
    _, searched = tiling(16_000, 10_000, [8_500, 15_500])
    assert searched == [(9_000, 10_000), (10_000, 11_000), (8_000, 9_000), (11_000, 12_000)]


def test_only_stretches_in_which_the_picture_changes_are_searched():
    looks = [(0, False), (8_000, True), (9_000, False), (12_000, True), (13_000, False)]
    _, searched = tiling(16_000, 10_000, [], looks)
    assert searched == [(9_000, 12_000), (0, 8_000), (13_000, 16_000)]


def test_very_long_stretches_are_not_searched():
    end = LONGEST_STRETCH_MS
    assert tiling(end, 10_000, [9_000], [(0, False)])[0][0] == (0, 9_000)
    assert tiling(end + 1, 10_000, [9_000], [(0, False)])[0][0] == (0, 10_000)


def test_no_look_is_taken_before_it_is_needed():
    looks = iter(EVERY_SECOND)
    spans = scene_spans((0, 60_000), 10_000, looks, lambda start, end: [])
    assert next(spans) == (0, 10_000)
    assert next(looks) == (16_000, True)


def test_a_part_is_cut_by_itself():
    spans = scene_spans((9_000, 25_000), 10_000, EVERY_SECOND, lambda start, end: [end] if end == 17_000 else [])
    assert list(spans) == [(9_000, 17_000), (17_000, 25_000)]
