"""Choosing and scaling the frames of a window."""

from typing import Any, cast

import numpy as np
from av.buffer import Buffer
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

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


class FrameScaler:
    """Turns decoded frames into upright RGB images of one size.

    Coded pixels are taken as they are: squares of the model's size forget the aspect of pixels anyway, and the fields
    of an interlaced frame blend when it is scaled down. The matrix and range of colours are honoured. HDR keeps its
    curve and looks pale, for libswscale needs seconds in each pass to undo it.

    Args:
        size: images become (size, size, 3), whatever their aspect; None keeps the size of the first of them.
    """

    def __init__(self, size: int | None) -> None:
        self._size = size and (size, size)
        self._matrix: NDArray[np.int32] | None = None
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> Image:
        """Returns (H, W, 3) uint8."""
        if self._matrix is None:  # read once: PyAV keeps a frame whose side data was read until cycles are collected
            self._matrix = display_matrix(frame)
        self._size = self._size or (frame.width, frame.height)
        scaled = self._reformatter.reformat(frame, *self._size, "rgb24", interpolation="BICUBIC")
        return upright(scaled.to_ndarray().astype(np.uint8, copy=False), self._matrix)
