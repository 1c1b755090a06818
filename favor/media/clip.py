"""A clip: the frames and sound of one window, ready for the model."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz, the default; the rate that Whisper and BEATs expect
Samples = NDArray[np.float32]  # (n,) in [-1, 1], mono
DEFAULT_FRAMES_PER_SECOND = 2  # FAVOR's time step is half a second


@dataclasses.dataclass(frozen=True, eq=False)
class Clip:
    """Aligned frames and samples of one window; either may be missing, but not both.

    Time 0 is the start of the window: sample ``k`` is at ``audio_start + k / sample_rate`` s, and frame ``i`` is shown
    at ``frame_times[i]``.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB, upright, or None without picture. A single (H, W, 3) picture is a still image.
        audio: (n,) float32 in [-1, 1], mono, or None without sound.
        frame_times: (T,) float64 seconds, never decreasing; two frames a second by default.
        still: whether the picture is a still image, shown for as long as the sound lasts.
        sample_rate: the sample rate of the sound, in Hz.
        audio_start: when the sound begins, in seconds: minus the margin of sound included on both sides of the window.

    Raises:
        ValueError: if both are missing, or a shape, type or order is wrong.
    """

    frames: NDArray[np.uint8] | None = None
    audio: NDArray[np.float32] | None = None
    frame_times: NDArray[np.float64] | None = None
    still: bool = False
    sample_rate: int = SAMPLE_RATE
    audio_start: float = 0.0

    def __post_init__(self) -> None:
        if self.frames is None and self.audio is None:
            raise ValueError("a clip needs frames, audio or both; got neither")
        if self.frames is not None:
            self._check_frames()
        if self.audio is not None and (self.audio.ndim != 1 or self.audio.dtype != np.float32):
            raise ValueError(f"audio must be (n,) float32; got {self.audio.shape} {self.audio.dtype}")

    @property
    def nbytes(self) -> int:
        """The size of the frames and samples in memory, in bytes."""
        return sum(array.nbytes for array in (self.frames, self.audio) if array is not None)

    @property
    def seconds(self) -> float:
        """The length of the window in seconds, from its sound or, without sound, from the times of its frames."""
        if self.audio is not None:
            return len(self.audio) / self.sample_rate + 2 * self.audio_start
        assert self.frame_times is not None
        spacing = np.median(np.diff(self.frame_times)) if len(self.frame_times) > 1 else 0
        return float(self.frame_times[-1] + (spacing or 1 / DEFAULT_FRAMES_PER_SECOND))

    def _check_frames(self) -> None:
        frames = self.frames
        assert frames is not None
        if frames.ndim == 3:
            object.__setattr__(self, "frames", frames := frames[None])
            object.__setattr__(self, "still", True)
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not len(frames):
            raise ValueError(f"frames must be (T, H, W, 3) uint8 with T > 0; got {frames.shape} {frames.dtype}")
        if self.frame_times is None:
            object.__setattr__(self, "frame_times", np.arange(len(frames)) / DEFAULT_FRAMES_PER_SECOND)
        times = self.frame_times
        assert times is not None
        if times.shape != frames.shape[:1] or np.any(np.diff(times) < 0):
            raise ValueError(f"frame_times must be ({len(frames)},) and never fall; got {times.shape}")
