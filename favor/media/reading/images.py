"""Choosing and scaling the frames of a window."""

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
    """Names side data that PyAV has no name for, such as EXIF; without one it could read none of a frame's."""
    member = object.__new__(kind)
    member._name_, member._value_ = f"UNNAMED_{number}", number
    return member


Type._missing_ = classmethod(_unnamed)  # type: ignore[assignment, method-assign]


def display_matrix(frame: VideoFrame) -> NDArray[np.int32]:
    """Returns how the file wants a frame shown: (2, 2), the identity where it does not say.

    Row ``[a, b]`` says where a step to the right in the coded picture leads on the screen, ``[c, d]`` where a step
    down leads; both in screen coordinates, x to the right and y down.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return np.eye(2, dtype=np.int32)
    return np.frombuffer(bytes(cast(Buffer, matrix)), np.int32).reshape(3, 3)[:2, :2]


def upright(image: Image, matrix: NDArray[np.int32]) -> Image:
    """Returns an image as it is meant to be seen, turned by quarters and mirrored as the display matrix says.

    Args:
        image: (H, W, 3) as coded.
        matrix: (2, 2) of `display_matrix`; other angles are taken to the nearest quarter.
    """
    (a, b), (c, d) = matrix
    if abs(b) > abs(a):
        image, a, d = image.swapaxes(0, 1), c, b
    return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def clockwise_degrees(matrix: NDArray[np.int32]) -> int:
    """Returns the turn that brings a picture upright: 0, 90, 180 or 270 degrees clockwise, mirroring left aside."""
    (a, b), (_, d) = matrix
    if abs(b) > abs(a):
        return 90 if b > 0 else 270
    return 180 if d < 0 else 0


class Display:
    """How the pictures of one stream are shown: in which shape, and turned and mirrored in which way.

    Args:
        pixel_aspect: how wide a coded pixel is for its height.
    """

    def __init__(self, pixel_aspect: Fraction = Fraction(1)) -> None:
        self._pixel_aspect = pixel_aspect
        self._matrix: NDArray[np.int32] | None = None

    def matrix(self, frame: VideoFrame) -> NDArray[np.int32]:
        """Returns the stream's display matrix, which any of its frames tells."""
        if self._matrix is None:  # read once: PyAV keeps a frame whose side data was read until cycles are collected
            self._matrix = display_matrix(frame)
        return self._matrix

    def coded_size(self, frame: VideoFrame, size: FrameSize | None) -> tuple[int, int]:
        """Returns the width and height to which a frame is scaled before it is turned.

        Args:
            frame: as decoded.
            size: of the upright image; None for the frame's own in square pixels, with as many rows as it is coded in.
        """
        width, height = max(1, round(frame.width * self._pixel_aspect)), frame.height
        if size is None:
            return width, height
        if clockwise_degrees(self.matrix(frame)) in (90, 270):
            height, width = size.fitted(height, width)
            return width, height
        return size.fitted(width, height)


class FrameScaler:
    """Turns the decoded frames of a window into upright RGB images, all of the size of the first.

    Each is scaled in one step. The fields of an interlaced frame blend when it is scaled down. The matrix and range of
    colours are honoured. HDR keeps its curve and looks pale, for libswscale needs seconds in each pass to undo it.

    Args:
        size: of the images; None for that of the picture.
        display: how the pictures of the stream are shown.
    """

    def __init__(self, size: FrameSize | None, display: Display) -> None:
        self._rule = size
        self._display = display
        self._size: tuple[int, int] | None = None
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> Image:
        """Returns (H, W, 3) uint8."""
        self._size = self._size or self._display.coded_size(frame, self._rule)
        scaled = self._reformatter.reformat(frame, *self._size, "rgb24", interpolation="BICUBIC")
        return upright(scaled.to_ndarray().astype(np.uint8, copy=False), self._display.matrix(frame))
