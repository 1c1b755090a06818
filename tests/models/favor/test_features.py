import numpy as np
import pytest

from favor.models.favor.features import frame_slots


@pytest.mark.parametrize(
    ("times", "distinct", "slots"),
    [
        ([0.0, 0.5, 1.0, 1.5], [0, 1, 2, 3], [0, 1, 2, 3]),
        ([0.0, 0.96, 1.0, 1.96], [0, 1, 2, 3], [0, 1, 2, 3]),  # the release: first and last of each second
        ([0.0, 0.1, 0.2, 0.5, 0.6, 1.0], [0, 3, 5], [0, 1, 2]),  # more frames than are shown
        ([0.0, 2.0], [0, 1], [0, 1, 1, 1, 1]),  # fewer
        ([0.0, 0.4999999, 1.0], [0, 1, 2], [0, 1, 2]),  # rounded times
        ([0.0], [0], [0]),
    ],
)
def test_each_half_second_shows_the_first_frame_at_or_after_its_start(times, distinct, slots):
    found, shown = frame_slots(np.array(times))
    assert found.tolist() == distinct
    assert shown.tolist() == slots
