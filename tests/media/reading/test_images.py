from fractions import Fraction

import numpy as np
import pytest
from av.video.frame import VideoFrame

from favor.media.corpus.files import MediaFile
from favor.media.decode import decode_windows, read_clip
from favor.media.needs import DEFAULT_NEEDS, ClipNeeds, Fit, Square
from favor.media.probe import probe
from favor.media.reading.images import Display, FrameScaler, clockwise_degrees, upright

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
    assert FrameScaler(Square(32), Display())(VideoFrame.from_ndarray(CORNER, "rgb24")).shape == (32, 32, 3)


def test_all_frames_get_the_size_of_the_first_if_none_is_asked_for():
    scale = FrameScaler(None, Display())
    assert scale(VideoFrame.from_ndarray(CORNER, "rgb24")).shape == (48, 64, 3)
    assert scale(VideoFrame.from_ndarray(np.tile(CORNER, (2, 2, 1)), "rgb24")).shape == (48, 64, 3)


def quarters(image):
    """Where the bright corner is: the mean of each quarter, row by row."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    parts = (image[:height, :width], image[:height, width:], image[height:, :width], image[height:, width:])
    return [part.mean() > 30 for part in parts]


SHAPES = [  # width, height, aspect of a pixel, degrees, size -> width and height of the frames
    ((720, 576), Fraction(16, 11), 0, None, (1047, 576)),
    ((720, 576), Fraction(16, 11), 90, None, (576, 1047)),
    ((720, 480), Fraction(8, 9), 0, None, (640, 480)),
    ((720, 576), Fraction(16, 11), 0, Fit(28, 10**6), (1036, 588)),
    ((720, 576), Fraction(16, 11), 0, Fit(28, 150_000), (504, 280)),
    ((720, 576), Fraction(16, 11), 90, Fit(28, 150_000), (280, 504)),
    ((320, 180), Fraction(1), 270, Fit(32, 20_000), (96, 160)),
    ((720, 576), Fraction(16, 11), 90, Square(64), (64, 64)),
    ((64, 48), Fraction(1, 100), 0, None, (64, 48)),  # a header that cannot be true
]


@pytest.mark.parametrize(("coded", "aspect", "degrees", "size", "expected"), SHAPES)
def test_pictures_fit_upright_and_in_square_pixels(write_clip, tmp_path, coded, aspect, degrees, size, expected):
    def picture(time, width, height):
        return np.kron(CORNER[::24, ::16, :1] > 0, np.full((height // 2, width // 4, 3), 255)).astype(np.uint8)

    path = write_clip(
        tmp_path / "odd.mp4", 0.2, audio=None, picture=picture, size=coded, aspect=aspect, rotation=degrees
    )
    frame = read_clip(str(path), needs=ClipNeeds(frame_size=size)).frames[0]
    assert frame.shape[1::-1] == expected
    corner = {0: 0, 90: 1, 270: 2}[degrees]
    assert quarters(frame) == [number == corner for number in range(4)]


def test_a_window_has_one_size_even_where_the_picture_changes_its_own(write_clip, tmp_path):
    parts = [
        write_clip(tmp_path / f"{width}.ts", 1, audio=None, size=(width, 48), start=start, video_options={"bf": "0"})
        for width, start in ((64, 0.0), (96, 1.0))
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    for cuts in ([(0, 1000), (1000, 2000)], [(1000, 2000)], [(0, 2000)], [(500, 1500), (1500, 2000)]):
        widths = [clip.frames.shape[2] for clip in decode_windows(str(path), cuts, DEFAULT_NEEDS)]
        assert widths == [64 if start < 1000 else 96 for start, _ in cuts]
