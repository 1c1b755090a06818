import numpy as np
import pytest
from av.video.frame import VideoFrame

from favor.media.decode import read_clip
from favor.media.picture import FrameScaler, clockwise_degrees, upright

CORNER = np.zeros((48, 64, 3), np.uint8)
CORNER[:24, :16] = 255  # upper left


def corner(time, width, height):
    return CORNER


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_are_turned_and_mirrored_as_the_file_says(write_clip, tmp_path, degrees, mirrored):
    path = write_clip(tmp_path / "turned.mp4", 0.2, audio=None, picture=corner, rotation=degrees, mirrored=mirrored)
    turned = np.rot90(CORNER, -degrees // 90)
    expected = turned[:, ::-1] if mirrored else turned
    frame = read_clip(str(path)).frames[0]
    assert frame.shape == expected.shape
    assert np.abs(frame.astype(int) - expected).mean() < 10


@pytest.mark.parametrize(
    ("matrix", "degrees"),
    [([[1, 0], [0, 1]], 0), ([[0, 1], [-1, 0]], 90), ([[-1, 0], [0, -1]], 180), ([[0, -1], [1, 0]], 270)],
)
def test_turns_are_clockwise(matrix, degrees):
    assert clockwise_degrees(np.array(matrix)) == degrees
    np.testing.assert_array_equal(upright(CORNER, np.array(matrix)), np.rot90(CORNER, -degrees // 90))


def test_frames_become_squares():
    assert FrameScaler(32)(VideoFrame.from_ndarray(CORNER, "rgb24")).shape == (32, 32, 3)


def test_all_frames_get_the_size_of_the_first_if_none_is_asked_for():
    scale = FrameScaler(None)
    assert scale(VideoFrame.from_ndarray(CORNER, "rgb24")).shape == (48, 64, 3)
    assert scale(VideoFrame.from_ndarray(np.tile(CORNER, (2, 2, 1)), "rgb24")).shape == (48, 64, 3)
