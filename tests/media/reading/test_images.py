import numpy as np
import pytest
from av.video.frame import VideoFrame

from favor.media.corpus.files import MediaFile
from favor.media.decode import read_clip
from favor.media.probe import probe
from favor.media.reading.images import FrameScaler, clockwise_degrees, upright

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


EXIF = {  # what each orientation does to the stored picture, by the standard
    1: lambda image: image,
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image, 2).swapaxes(0, 1),
    8: lambda image: np.rot90(image, 1),
}


def with_exif(content, orientation):
    """Puts an EXIF segment into a JPEG."""
    tiff = b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1" + bytes([0, orientation]) + b"\0\0\0\0\0\0"
    segment = b"\xff\xe1" + (len(tiff) + 8).to_bytes(2) + b"Exif\0\0" + tiff
    return content[:2] + segment + content[2:]


@pytest.mark.parametrize("orientation", EXIF)
def test_photographs_are_shown_as_their_exif_data_say(write_clip, tmp_path, orientation):
    path = write_clip(tmp_path / "photograph.jpg", 0.1, video="mjpeg", audio=None, picture=corner)
    path.write_bytes(with_exif(path.read_bytes(), orientation))
    expected = EXIF[orientation](CORNER)
    frame = read_clip(str(path)).frames[0]
    assert frame.shape == expected.shape
    assert np.abs(frame.astype(int) - expected).mean() < 10
    info = probe(MediaFile(str(path), 1, "v"))
    assert (info.height, info.width) == expected.shape[:2]


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
