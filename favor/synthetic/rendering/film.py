"""Media files of scenes: H.264 and AAC in mp4, AAC alone, or a PNG."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image

from favor.media.clip import SAMPLE_RATE
from favor.synthetic.rendering.picture import draw
from favor.synthetic.rendering.sound import render_sound
from favor.synthetic.scene import Scene

Pictures = Iterable[NDArray[np.uint8]]

FRAME_RATE = 24  # even, so that a frame is shown at every half second
PICTURE_PIXELS = 256  # height and width of a picture
VIDEO_OPTIONS = {"crf": "20", "preset": "veryfast", "threads": "1", "g": "48", "flags": "+bitexact"}
AUDIO_BIT_RATE = 64_000


def suffix(scene: Scene) -> str:
    """Returns the file suffix for a scene."""
    if scene.picture == "none":
        return ".m4a"
    return ".png" if scene.picture == "image" and not scene.audible else ".mp4"


def write_scene(path: Path, scene: Scene, turn: int = 0) -> None:
    """Writes a scene as a media file of the type given by `suffix`.

    A still image with sound becomes a video of identical frames.

    Args:
        path: output file.
        scene: the scene to write.
        turn: number of quarter turns, counter-clockwise, by which a video is stored rotated; its display matrix
            undoes the rotation.

    Raises:
        OSError: if the file cannot be written.
    """
    if path.suffix == ".png":
        Image.fromarray(draw(scene, 0.0, PICTURE_PIXELS)).save(path)
        return
    pictures: Pictures | None = None
    if scene.picture == "video":
        pictures = (draw(scene, index / FRAME_RATE, PICTURE_PIXELS) for index in range(_frame_count(scene)))
    elif scene.picture == "image":
        pictures = [draw(scene, 0.0, PICTURE_PIXELS)] * _frame_count(scene)
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(path, "w", format="mp4", options=options) as container:
        packets = [] if pictures is None else list(_encoded_pictures(container, pictures, turn))
        if scene.audible:
            packets += _encoded_sound(container, render_sound(scene))
        container.mux(packets)


def _frame_count(scene: Scene) -> int:
    return -(-round(scene.seconds * 1000) * FRAME_RATE // 1000)


def _encoded_pictures(container: OutputContainer, pictures: Pictures, turn: int) -> Iterator[Packet]:
    stream = container.add_stream("libx264", rate=FRAME_RATE, options=VIDEO_OPTIONS)
    stream.pix_fmt = "yuv420p"
    stream.height = stream.width = PICTURE_PIXELS
    if turn:
        stream.set_display_rotation(-90 * turn % 360)
    for index, picture in enumerate(pictures):
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(np.rot90(picture, turn)), "rgb24")
        frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _encoded_sound(container: OutputContainer, sound: NDArray[np.float32]) -> Iterator[Packet]:
    stream = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono", options={"flags": "+bitexact"})
    stream.bit_rate = AUDIO_BIT_RATE
    frame = AudioFrame.from_ndarray(sound[None], "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
    yield from stream.encode(frame)
    yield from stream.encode(None)
