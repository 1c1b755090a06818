"""Choosing the frames of a window by one of two rules."""

import math
from fractions import Fraction
from typing import Protocol

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from favor.media import sampling
from favor.media.needs import ClipNeeds
from favor.media.reading.images import FrameScaler, Image

Frames = tuple[Image, NDArray[np.float64]]  # (T, H, W, 3) and (T,) seconds from the window's start


class FramePicker(Protocol):
    """A collector of one window's frames from all that are on display in it, offered in order of time.

    A window in which no frame begins gets the frame that is still on display when it starts, such as at the end of a
    file a few milliseconds past a whole number of windows, or during a slide shown for minutes.

    Attributes:
        full: whether no later frame can belong to the window.
    """

    full: bool

    def offer(self, time: int, frame: VideoFrame) -> None:
        """Offers a frame that is presented at ``time``; it is converted only if it is chosen."""

    def frames(self) -> Frames | None:
        """Returns the chosen frames, or None if there are none."""


class EvenPicker:
    """The rule "even": the first frame at or after each time step.

    Args:
        start: when the window begins, in ticks.
        end: when it ends, in ticks.
        second: ticks per second.
        scale: converts a frame to an image.
        rate: time steps per second.
    """

    def __init__(self, start: int, end: int, second: int, scale: FrameScaler, rate: Fraction) -> None:
        self.full = False
        self._start, self._end, self._second, self._rate = start, end, second, rate
        self._slots = sampling.slot_count(end - start, second, rate)
        self._collected = _Collected(second, scale)

    def offer(self, time: int, frame: VideoFrame) -> None:
        """Puts a frame in the unfilled slots up to its time; it is converted only if there are any.

        Args:
            time: when it is presented, in ticks of the file's clock.
            frame: the decoded frame, on display in the window.
        """
        since, filled = time - self._start, len(self._collected)
        due = sampling.slots_due(since, self._second, self._rate, filled, self._slots) if time < self._end else 0
        self._collected.add(since, frame, due)
        self.full = time >= self._end or len(self._collected) == self._slots

    def frames(self) -> Frames | None:
        """Returns (T, H, W, 3) images and their (T,) times in seconds from the window's start, or None without any."""
        return self._collected.frames()


class NativePicker:
    """The rule "even" at the file's own rate: every frame, each at its own time.

    Args:
        start: when the window begins, in ticks.
        end: when it ends, in ticks.
        second: ticks per second.
        scale: converts a frame to an image.
        max_frames: the most frames; if a window has more, this many are taken at equal steps. None for any number.
    """

    def __init__(self, start: int, end: int, second: int, scale: FrameScaler, max_frames: int | None) -> None:
        self.full = False
        self._start, self._end, self._max_frames = start, end, max_frames
        self._every: _Collected | None = _Collected(second, scale)
        self._latest = -math.inf
        self._steps: EvenPicker | None = None
        if max_frames is not None:
            self._steps = EvenPicker(start, end, second, scale, Fraction(max_frames * second, end - start))

    def offer(self, time: int, frame: VideoFrame) -> None:
        """Takes a frame if it begins in the window, and not before the last one, as it may in a damaged file."""
        if self._steps is not None:
            self._steps.offer(time, frame)
        if self._every is not None and time >= self._latest:
            self._latest = time
            self._every.add(time - self._start, frame, int(time < self._end))
            if self._max_frames is not None and len(self._every) > self._max_frames:
                self._every = None
        self.full = time >= self._end

    def frames(self) -> Frames | None:
        """Returns all frames or those at equal steps, or None without any."""
        if self._every is not None:
            return self._every.frames()
        return self._steps.frames() if self._steps is not None else None


class _Collected:
    """The images of one window and their times; without any, the frame on display when the window begins."""

    def __init__(self, second: int, scale: FrameScaler) -> None:
        self._second = second
        self._scale = scale
        self._images: list[Image] = []
        self._times: list[float] = []
        self._on_display: VideoFrame | None = None

    def __len__(self) -> int:
        return len(self._images)

    def add(self, since: int, frame: VideoFrame, repeats: int) -> None:
        """Adds a frame ``repeats`` times.

        Args:
            since: when it is presented, in ticks from the window's start; if negative, it is kept as the one on display
                when the window begins.
            frame: the decoded frame, which is converted only if it is added.
            repeats: how many times to add it.
        """
        if since < 0:
            self._on_display = frame
        elif repeats:
            self._images += [self._scale(frame)] * repeats
            self._times += [since / self._second] * repeats
            self._on_display = None

    def frames(self) -> Frames | None:
        """Returns the images and their times, or None without any."""
        if self._images:
            return np.stack(self._images), np.array(self._times)
        if self._on_display is not None:
            return self._scale(self._on_display)[None], np.zeros(1)
        return None


class SecondEndsPicker:
    """The rule "released": the first and the last frame of each second (spec, fact 7).

    The last second is shifted back to end with the window. A second in which no frame begins repeats the frame before
    it. The times are the half seconds at which the model receives the frames.

    Args:
        start: when the window begins, in ticks.
        end: when it ends, in ticks.
        second: ticks per second.
        scale: converts a frame to an image.
    """

    def __init__(self, start: int, end: int, second: int, scale: FrameScaler) -> None:
        self.full = False
        self._start = start
        self._scale = scale
        self._seconds = [_Second(*span) for span in sampling.second_spans(end - start, second)]
        self._open = 0  # the first second that is not over
        self._on_display: VideoFrame | None = None

    def offer(self, time: int, frame: VideoFrame) -> None:
        """Makes the frame the last so far, and the first if there is none, of each second in which it begins."""
        time -= self._start
        if time < 0:
            self._on_display = frame
            return
        for second in self._seconds[self._open : self._open + 2]:  # the last two may overlap
            second.offer(time, frame)
        while self._open < len(self._seconds) and time >= self._seconds[self._open].end:
            self._seconds[self._open].convert(self._scale)
            self._open += 1
        self.full = self._open == len(self._seconds)

    def frames(self) -> Frames | None:
        """Returns two frames a second, or None if there are none."""
        if self._on_display is not None and self._seconds[0].first is None:
            self._seconds[0].first = self._seconds[0].last = self._on_display
        for second in self._seconds[self._open :]:
            second.convert(self._scale)
        known = [second.images for second in self._seconds if second.images]
        if not known:
            return None
        images: list[Image] = []
        shown = (known[0][0], known[0][0])
        for second in self._seconds:
            shown = second.images or (shown[1], shown[1])
            images += shown
        return np.stack(images), np.arange(len(images)) / 2


class _Second:
    """The first and the last frame of one second, converted to images when it is over."""

    def __init__(self, start: int, end: int) -> None:
        self.end = end
        self.first: VideoFrame | None = None
        self.last: VideoFrame | None = None
        self.images: tuple[Image, Image] | None = None
        self._start = start

    def offer(self, time: int, frame: VideoFrame) -> None:
        if self._start <= time < self.end:
            self.first = self.first or frame
            self.last = frame

    def convert(self, scale: FrameScaler) -> None:
        if self.first is None or self.last is None:
            return
        first = scale(self.first)
        self.images = (first, first if self.last is self.first else scale(self.last))
        self.first = self.last = None  # frees the frames, which are large


def make_picker(needs: ClipNeeds, start: int, end: int, second: int, scale: FrameScaler) -> FramePicker:
    """Creates the picker for one window.

    Args:
        needs: which frames are chosen.
        start: when the window begins, in ticks.
        end: when it ends, in ticks.
        second: ticks per second.
        scale: converts a frame to an image.
    """
    if needs.frame_rule == "released":
        return SecondEndsPicker(start, end, second, scale)
    if needs.frames_per_second is None:
        return NativePicker(start, end, second, scale, needs.max_frames)
    rate = sampling.slot_rate(needs.frames_per_second, needs.max_frames, second, end - start)
    return EvenPicker(start, end, second, scale, rate)
