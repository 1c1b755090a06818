"""What a model needs of a clip: which frames, of which size, and which sound."""

import dataclasses
import math
from fractions import Fraction
from typing import Literal

from favor.media.clip import SAMPLE_RATE

FrameRule = Literal["even", "released"]


@dataclasses.dataclass(frozen=True)
class Square:
    """Frames of as many pixels across as down, whatever the aspect of the picture.

    Attributes:
        size: pixels of an edge.
    """

    size: int

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """Returns width and height of the frames of a picture that is shown in ``width`` x ``height`` square pixels."""
        return self.size, self.size


@dataclasses.dataclass(frozen=True)
class Fit:
    """Frames that keep the aspect of the picture and are never enlarged, but to the next multiple.

    Attributes:
        multiple: both edges are multiples of this many pixels.
        max_pixels: the largest area.
    """

    multiple: int
    max_pixels: int

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """Returns width and height of the frames of a picture that is shown in ``width`` x ``height`` square pixels."""
        scale = min(1.0, math.sqrt(self.max_pixels / (width * height)))
        edges = [max(self.multiple, round(edge * scale / self.multiple) * self.multiple) for edge in (width, height)]
        while edges[0] * edges[1] > self.max_pixels and max(edges) > self.multiple:
            longer = edges.index(max(edges))
            edges[longer] -= self.multiple
        return edges[0], edges[1]


FrameSize = Square | Fit


@dataclasses.dataclass(frozen=True)
class ClipNeeds:
    """What of a window is decoded for a model.

    Attributes:
        frames_per_second: how many frames are taken; None for all that the file has.
        frame_rule: which they are: ``even``, the first at or after each step of time, or ``released``, the first and the
            last of each second, as FAVOR's released code does at two frames a second (spec, fact 7).
        frame_size: of the frames; None for the picture's own size, upright and with square pixels.
        max_frames: the most of a window; where there would be more, they are taken at wider, equal steps.
        sees: whether the model looks at frames at all.
        hears: whether it listens.
        sample_rate: of the sound in Hz.
        max_sound_ms: the longest sound that the model hears at once; None for any.
        sound_margin_ms: how much sound is decoded before and behind the window too.
    """

    frames_per_second: Fraction | None = Fraction(2)
    frame_rule: FrameRule = "even"
    frame_size: FrameSize | None = None
    max_frames: int | None = None
    sees: bool = True
    hears: bool = True
    sample_rate: int = SAMPLE_RATE
    max_sound_ms: int | None = None
    sound_margin_ms: int = 0

    def __post_init__(self) -> None:
        if not (self.sees or self.hears):
            raise ValueError("a model must see or hear; set sees or hears")
        if self.frame_rule == "released" and self.frames_per_second != 2:
            raise ValueError(f"the rule 'released' takes 2 frames a second; got {self.frames_per_second}")
