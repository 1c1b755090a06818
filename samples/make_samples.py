"""Makes the sample clips: small films that are known to the last detail, free of anybody's rights.

    shapes.mp4   a red disc crosses a blue field; the tone is low in its first half, high in its second
    speech.mp4   a synthetic voice reads two sentences beside a bar that shows its loudness
    silent.mp4   a yellow square goes round; the file has no sound
    rotated.mp4  the sun rises over a meadow to a rising tone; coded on its side, with a matrix that turns it upright

The voice is ``slt`` of flite (Debian: ``apt-get install flite``). Run ``python samples/make_samples.py`` from anywhere;
the same versions of PyAV and flite make the same bytes.
"""

import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Samples = NDArray[np.float32]

FOLDER = Path(__file__).parent
WIDTH, HEIGHT = 320, 240
FRAME_RATE = 25
SAMPLE_RATE = 16_000
VIDEO_OPTIONS = {"crf": "26", "preset": "slow", "threads": "1", "g": "50", "flags": "+bitexact"}
TEXT = "Two boats lie in the harbour, a red one and a white one. Tomorrow morning they will sail to the island."

RED, YELLOW, WHITE = (220, 40, 40), (240, 210, 40), (250, 250, 250)
NAVY, GREY, SKY, MEADOW = (30, 50, 120), (70, 75, 80), (140, 190, 240), (60, 140, 60)
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]


def field(colour: tuple[int, int, int]) -> Image:
    """Returns a (240, 320, 3) picture of one colour."""
    return np.full((HEIGHT, WIDTH, 3), colour, np.uint8)


def paint(image: Image, where: NDArray[np.bool_], colour: tuple[int, int, int]) -> Image:
    """Colours the pixels where the (240, 320) mask holds."""
    image[where] = colour
    return image


def disc(x: float, y: float, radius: float) -> NDArray[np.bool_]:
    """Returns the (240, 320) mask of a disc."""
    return (COLUMNS - x) ** 2 + (ROWS - y) ** 2 < radius**2


def shapes(time: float) -> Image:
    """A red disc goes from left to right in six seconds."""
    return paint(field(NAVY), disc(40 + 40 * time, 120, 30), RED)


def square(time: float) -> Image:
    """A yellow square goes round the middle every two seconds."""
    x, y = 160 + 70 * np.cos(np.pi * time), 120 + 70 * np.sin(np.pi * time)
    return paint(field(GREY), np.maximum(abs(COLUMNS - x), abs(ROWS - y)) < 25, YELLOW)


def sunrise(time: float) -> Image:
    """The sun rises behind a meadow; wider than high, upright."""
    sky = paint(field(SKY), disc(160, 200 - 30 * time, 35), YELLOW)
    return paint(sky, ROWS > 170, MEADOW)


def loudness_bar(sound: Samples) -> Callable[[float], Image]:
    """Returns pictures of a white bar that is as high as the sound is loud."""

    def picture(time: float) -> Image:
        first = round(time * SAMPLE_RATE)
        level = np.sqrt(np.mean(sound[first : first + SAMPLE_RATE // FRAME_RATE] ** 2))
        height = min(800 * level, 200)
        return paint(field(NAVY), (abs(COLUMNS - 160) < 30) & (ROWS < 220) & (height > 215 - ROWS), WHITE)

    return picture


def tones(seconds: float, low: float, high: float) -> Samples:
    """Returns (n,) samples: one pitch for the first half, another for the second, without a click between them."""
    pitch = np.repeat([low, high], round(seconds * SAMPLE_RATE / 2))
    return (0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE)).astype(np.float32)


def rising_tone(seconds: float, low: float, high: float) -> Samples:
    """Returns (n,) samples of a pitch that rises evenly."""
    pitch = np.linspace(low, high, round(seconds * SAMPLE_RATE))
    return (0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE)).astype(np.float32)


def speech(text: str) -> Samples:
    """Returns (n,) samples of flite's voice slt reading a text."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", file.name], check=True)
        with wave.open(file.name) as recording:
            pcm = np.frombuffer(recording.readframes(recording.getnframes()), np.int16)
    return np.pad(pcm / np.float32(32_768), SAMPLE_RATE // 4).astype(np.float32)


def write(name: str, seconds: float, picture: Callable[[float], Image], sound: Samples | None, turn: int = 0) -> None:
    """Writes one clip.

    Args:
        name: of the file.
        seconds: how long the picture is.
        picture: what is seen at a time, upright.
        sound: (n,) mono samples, or None for a file without sound.
        turn: quarters that the coded picture is turned by, counter-clockwise; the display matrix turns it back.
    """
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(FOLDER / name, "w", options=options) as container:
        packets = list(encoded_picture(container, seconds, picture, turn))
        if sound is not None:
            packets += encoded_sound(container, sound)
        container.mux(packets)


def encoded_picture(
    container: OutputContainer, seconds: float, picture: Callable[[float], Image], turn: int
) -> Iterator[Packet]:
    """Yields the packets of an H.264 stream."""
    stream = container.add_stream("libx264", rate=FRAME_RATE, options=VIDEO_OPTIONS)
    stream.width, stream.height = (HEIGHT, WIDTH) if turn % 2 else (WIDTH, HEIGHT)
    stream.pix_fmt = "yuv420p"
    if turn:
        stream.set_display_rotation(-90 * turn % 360)
    for index in range(round(seconds * FRAME_RATE)):
        coded = np.ascontiguousarray(np.rot90(picture(index / FRAME_RATE), turn))
        frame = VideoFrame.from_ndarray(coded, "rgb24")
        frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def encoded_sound(container: OutputContainer, sound: Samples) -> Iterator[Packet]:
    """Yields the packets of an AAC stream."""
    stream = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono", options={"flags": "+bitexact"})
    stream.bit_rate = 64_000
    frame = AudioFrame.from_ndarray(sound[None], "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
    yield from stream.encode(frame)
    yield from stream.encode(None)


def main() -> None:
    """Writes all samples beside this script."""
    voice = speech(TEXT)
    write("shapes.mp4", 6, shapes, tones(6, 330, 660))
    write("speech.mp4", len(voice) / SAMPLE_RATE, loudness_bar(voice), voice)
    write("silent.mp4", 4, square, None)
    write("rotated.mp4", 5, sunrise, rising_tone(5, 220, 880), turn=1)


if __name__ == "__main__":
    main()
