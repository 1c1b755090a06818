"""A model's input requirements: which frames, at what size, and which sound."""

import dataclasses
import math
from fractions import Fraction
from typing import Literal, get_args

from favor.errors import ConfigError
from favor.media.clip import DEFAULT_FRAMES_PER_SECOND, SAMPLE_RATE
from favor.structs import read_fraction

FrameRule = Literal["even", "released"]


@dataclasses.dataclass(frozen=True)
class Square:
    """Square frames, whatever the picture's aspect ratio.

    Attributes:
        size: the length of an edge, in pixels.
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
    """Frames that keep the picture's aspect ratio as far as the multiple allows, enlarged only to the nearest multiple.

    Attributes:
        multiple: both edges are multiples of this many pixels.
        max_pixels: the largest area, in pixels.
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
            across = max(1, min(across, most // down))  # a strip's short edge may have been enlarged to the multiple
            down = min(down, most // across)
        return across * self.multiple, down * self.multiple


FrameSize = Square | Fit


@dataclasses.dataclass(frozen=True)
class ClipNeeds:
    """The frames and sound that are decoded from each window for a model.

    Attributes:
        frames_per_second: how many frames are chosen per second; None for every frame in the file.
        frame_rule: how they are chosen: ``even``, the first at or after each time step, or ``released``, the first and
            last of each second, as FAVOR's released code does at two frames a second (spec, fact 7).
        frame_size: the size of the frames; None for the picture's own size, upright and in square pixels.
        max_frames: the most frames per window; if there would be more, they are chosen at longer, equal time steps.
        sees: whether the model takes frames at all.
        hears: whether the model takes sound at all.
        sample_rate: the sample rate of the sound, in Hz.
        max_sound_ms: the longest sound that the model takes, including margins; None for any length.
        sound_margin_ms: how much additional sound is decoded before and after the window.

    Raises:
        ConfigError: if a number is out of range, or the fields contradict one another.
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
        if self.frames_per_second is not None:  # so that equal needs are written alike
            exact = read_fraction(self.frames_per_second, "frames_per_second")
            object.__setattr__(self, "frames_per_second", exact)
            if exact <= 0:
                raise ConfigError(f"frames_per_second must be positive; got {exact}")
        for name in ("max_frames", "sample_rate", "max_sound_ms"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value <= 0):
                raise ConfigError(f"{name} must be positive and whole; got {value}")
        if self.frame_rule not in get_args(FrameRule):
            raise ConfigError(f"there is no frame_rule {self.frame_rule!r}; there are {', '.join(get_args(FrameRule))}")
        if not isinstance(self.frame_size, FrameSize | None):
            raise ConfigError(f"frame_size must be a Square, a Fit or None; got {self.frame_size!r}")
        if self.sound_margin_ms < 0:
            raise ConfigError(f"sound_margin_ms must not be negative; got {self.sound_margin_ms}")
        if self.max_sound_ms is not None and self.max_sound_ms <= 2 * self.sound_margin_ms:
            what = f"got max_sound_ms {self.max_sound_ms} and sound_margin_ms {self.sound_margin_ms}"
            raise ConfigError(f"max_sound_ms must be longer than two margins; {what}")
        if not (self.sees or self.hears):
            raise ConfigError("a model must see or hear; set sees or hears")
        if self.frame_rule == "released" and (self.frames_per_second != 2 or self.max_frames is not None):
            what = f"got {self.frames_per_second} and max_frames {self.max_frames}"
            raise ConfigError(f"the rule 'released' takes 2 frames a second of any window; {what}")

    @property
    def longest_window_ms(self) -> int | None:
        """The longest window whose sound, with its margins, fits the model's input; None for any length."""
        if not self.hears or self.max_sound_ms is None:
            return None
        return self.max_sound_ms - 2 * self.sound_margin_ms


DEFAULT_NEEDS = ClipNeeds()
