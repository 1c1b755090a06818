"""What a model needs of a clip: which frames, of which size, and which sound."""

import dataclasses
import math
from fractions import Fraction
from typing import Literal

from favor.errors import ConfigError
from favor.media.clip import DEFAULT_FRAMES_PER_SECOND, SAMPLE_RATE

FrameRule = Literal["even", "released"]


@dataclasses.dataclass(frozen=True)
class Square:
    """Frames as wide as high, whatever the aspect of the picture.

    Attributes:
        size: pixels of an edge.
    """

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"size must be positive; got {self.size}")

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """Returns width and height of the frames of a picture that is shown in ``width`` x ``height`` square pixels."""
        return self.size, self.size


@dataclasses.dataclass(frozen=True)
class Fit:
    """Frames that keep the aspect of the picture, as far as the multiple lets them, and are not enlarged beyond it.

    The arithmetic is that of Qwen's processors, so that they leave such frames as they are.

    Attributes:
        multiple: both edges are multiples of this many pixels.
        max_pixels: the largest area.
    """

    multiple: int
    max_pixels: int

    def __post_init__(self) -> None:
        if not 0 < self.multiple**2 <= self.max_pixels:
            what = f"got multiple {self.multiple} and max_pixels {self.max_pixels}"
            raise ConfigError(f"multiple must be positive and its square at most max_pixels; {what}")

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """Returns width and height of the frames of a picture that is shown in ``width`` x ``height`` square pixels."""
        across, down = (max(1, round(edge / self.multiple)) for edge in (width, height))
        most = self.max_pixels // self.multiple**2
        if across * down > most:
            shrink = math.sqrt(self.max_pixels / (width * height)) / self.multiple
            across, down = (max(1, math.floor(edge * shrink)) for edge in (width, height))
            across = max(1, min(across, most // down))  # of a strip, one edge has grown to the multiple
            down = min(down, most // across)
        return across * self.multiple, down * self.multiple


FrameSize = Square | Fit


@dataclasses.dataclass(frozen=True)
class ClipNeeds:
    """What of a window is decoded for a model.

    Attributes:
        frames_per_second: how many frames are taken; None for all that the file has.
        frame_rule: which they are: ``even``, the first at or after each step of time, or ``released``, the first and
            the last of each second, as FAVOR's released code does at two frames a second (spec, fact 7).
        frame_size: of the frames; None for the picture's own size, upright and in square pixels.
        max_frames: the most of a window; where there would be more, they are taken at wider, equal steps.
        sees: whether the model looks at frames at all.
        hears: whether it listens.
        sample_rate: of the sound in Hz.
        max_sound_ms: the longest sound that the model hears at once, margins included; None for any.
        sound_margin_ms: how much sound is decoded before and behind the window too.

    Raises:
        ConfigError: if a number is not positive, or the fields contradict one another.
    """

    frames_per_second: Fraction | None = Fraction(DEFAULT_FRAMES_PER_SECOND)
    frame_rule: FrameRule = "even"
    frame_size: FrameSize | None = None
    max_frames: int | None = None
    sees: bool = True
    hears: bool = True
    sample_rate: int = SAMPLE_RATE
    max_sound_ms: int | None = None
    sound_margin_ms: int = 0

    def __post_init__(self) -> None:
        for name in ("frames_per_second", "max_frames", "sample_rate", "max_sound_ms"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"{name} must be positive; got {value}")
        if self.sound_margin_ms < 0:
            raise ConfigError(f"sound_margin_ms must not be negative; got {self.sound_margin_ms}")
        if self.max_sound_ms is not None and self.max_sound_ms <= 2 * self.sound_margin_ms:
            what = f"got max_sound_ms {self.max_sound_ms} and sound_margin_ms {self.sound_margin_ms}"
            raise ConfigError(f"two margins must leave some of the longest sound to the window; {what}")
        if not (self.sees or self.hears):
            raise ConfigError("a model must see or hear; set sees or hears")
        if self.frame_rule == "released" and (self.frames_per_second != 2 or self.max_frames is not None):
            what = f"got {self.frames_per_second} and max_frames {self.max_frames}"
            raise ConfigError(f"the rule 'released' takes 2 frames a second of any window; {what}")

    @property
    def longest_window_ms(self) -> int | None:
        """The longest window whose sound, with its margins, the model hears at once; None for any."""
        if not self.hears or self.max_sound_ms is None:
            return None
        return self.max_sound_ms - 2 * self.sound_margin_ms


DEFAULT_NEEDS = ClipNeeds()
