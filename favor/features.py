"""Encoder features of a clip, and which of its frames each half second shows."""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from favor.config import FRAMES_PER_SECOND, SPEECH_TOKENS_PER_FRAME

TIME_TOLERANCE = 1e-6  # s, forgives the rounding of frame times


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """What the frozen encoders make of one clip; it does not depend on the question (fact 8).

    Attributes:
        visual: (distinct frames, patches + 1, ViT width), or None without picture.
        slots: (T,) which of them each half second shows, or None without picture.
        speech: (1500 for each 30 s, Whisper width), or None without sound.
        sound: (1500 for each 30 s before the last, then as many as there are, BEATs width), or None without sound or
            sound-event encoder.
    """

    visual: Tensor | None = None
    slots: Tensor | None = None
    speech: Tensor | None = None
    sound: Tensor | None = None

    @property
    def frames(self) -> int:
        """Half seconds that the clip lasts once its modalities are synchronised."""
        heard = 0 if self.speech is None else len(self.speech) // SPEECH_TOKENS_PER_FRAME
        seen = 0 if self.slots is None else len(self.slots)
        return max(heard, seen)


def frame_slots(frame_times: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Finds the frames that are shown: slot k shows the first frame at or after k / 2 s.

    Frames at exactly two a second map to themselves, and so do the release's, the first and the last of each second.

    Args:
        frame_times: (n,) seconds, never falling, n > 0.

    Returns:
        The distinct frames that are shown, rising, and for each slot (T,) an index into them.
    """
    count = int((frame_times[-1] + TIME_TOLERANCE) * FRAMES_PER_SECOND) + 1
    starts = np.arange(count) / FRAMES_PER_SECOND
    shown = np.searchsorted(frame_times, starts - TIME_TOLERANCE, side="left")
    return np.unique(shown, return_inverse=True)
