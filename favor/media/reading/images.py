"""Scaling and orienting the frames of a window."""

from fractions import Fraction
from typing import Any, cast

import numpy as np
from av.buffer import Buffer
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from favor.media.needs import FrameSize

Image = NDArray[np.uint8]


def _unnamed(kind: Any, number: int) -> Any:
    """Names side data unknown to PyAV, such as EXIF; otherwise PyAV could not read any of a frame's side data."""
    member = object.__new__(kind)
    member._name_, member._value_ = f"UNNAMED_{number}", number
    return member


Type._missing_ = classmethod(_unnamed)  # type: ignore[assignment, method-assign]


def display_matrix(frame: VideoFrame) -> NDArray[np.int32]:
    """Returns the display matrix of a frame: (2, 2), by default the identity.

    Row ``[a, b]`` is the direction on the screen of a step to the right in the coded picture, ``[c, d]`` that of a
    step down; both in screen coordinates, x to the right and y down.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return np.eye(2, dtype=np.int32)
    return np.frombuffer(bytes(cast(Buffer, matrix)), np.int32).reshape(3, 3)[:2, :2]


def upright(image: Image, matrix: NDArray[np.int32]) -> Image:
    """Returns an image in its intended orientation, rotated and mirrored by its display matrix.

    Args:
        image: (H, W, 3) as coded.
        matrix: (2, 2) from `display_matrix`; angles are rounded to the nearest quarter turn.
    """
    (a, b), (c, d) = matrix
    if abs(b) > abs(a):
        image, a, d = image.swapaxes(0, 1), c, b
    return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def clockwise_degrees(matrix: NDArray[np.int32]) -> int:
    """Returns the clockwise rotation that makes a picture upright, ignoring mirroring: 0, 90, 180 or 270 degrees."""
    (a, b), (_, d) = matrix
    if abs(b) > abs(a):
        return 90 if b > 0 else 270
    return 180 if d < 0 else 0


class Display:
    """The shape and orientation in which the pictures of one stream are displayed.

    Args:
        pixel_aspect: the ratio of a coded pixel's width to its height.
    """

    def __init__(self, pixel_aspect: Fraction = Fraction(1)) -> None:
        self._pixel_aspect = pixel_aspect
        self._matrix: NDArray[np.int32] | None = None

    def matrix(self, frame: VideoFrame) -> NDArray[np.int32]:
        """Returns the stream's display matrix, read from any of its frames."""
        if self._matrix is None:  # read once, because reading side data keeps a frame alive until cycles are collected
            self._matrix = display_matrix(frame)
        return self._matrix

    def coded_size(self, frame: VideoFrame, size: FrameSize | None) -> tuple[int, int]:
        """Returns the width and height to which a frame is scaled before it is rotated.

        Args:
            frame: a decoded frame.
            size: the size of the upright image; None for the frame's own in square pixels, with as many rows as coded.
        """
        width, height = max(1, round(frame.width * self._pixel_aspect)), frame.height
        if size is None:
            return width, height
        if clockwise_degrees(self.matrix(frame)) in (90, 270):
            height, width = size.fitted(height, width)
            return width, height
        return size.fitted(width, height)


class FrameScaler:
    """Converts the decoded frames of a window to upright RGB images, all of the first one's size.

    Each is scaled in one step. The fields of an interlaced frame blend when it is scaled down. The colour matrix and
    range are respected. HDR keeps its transfer curve and looks pale, because libswscale takes seconds per pass to undo
    it.

    Args:
        size: the size of the images; None for the picture's own.
        display: how the pictures of the stream are displayed.
    """

    def __init__(self, size: FrameSize | None, display: Display) -> None:
        self._rule = size
        self._display = display
        self._size: tuple[int, int] | None = None
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> Image:
        """Returns the image, (H, W, 3) uint8."""
        self._size = self._size or self._display.coded_size(frame, self._rule)
        scaled = self._reformatter.reformat(frame, *self._size, "rgb24", interpolation="BICUBIC")
        return upright(scaled.to_ndarray().astype(np.uint8, copy=False), self._display.matrix(frame))
