"""Encoder features of a clip, and which of its frames each half second shows."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from favor.media.clip import SAMPLE_RATE, Clip
from favor.models.favor.config import FRAMES_PER_SECOND, SPEECH_TOKENS_PER_FRAME, SpeechConfig
from favor.models.favor.encoders.speech import cut_pieces
from favor.models.favor.encoders.visual import normalise

TIME_TOLERANCE = 1e-6  # in seconds, absorbs the rounding of frame times


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """The frozen encoders' output for one clip, which does not depend on the question (fact 8).

    Attributes:
        visual: (distinct frames, patches + 1, ViT width), or None without picture.
        slots: (T,) index of the frame that each half second shows, or None without picture.
        speech: (1500 per 30 s, Whisper width), or None without sound.
        sound: (1500 per 30 s, the last piece unpadded, BEATs width), or None without sound or sound-event encoder.
    """

    visual: Tensor | None = None
    slots: Tensor | None = None
    speech: Tensor | None = None
    sound: Tensor | None = None

    @property
    def frames(self) -> int:
        """Length of the clip in half seconds once its modalities are synchronised."""
        heard = 0 if self.speech is None else len(self.speech) // SPEECH_TOKENS_PER_FRAME
        seen = 0 if self.slots is None else len(self.slots)
        return max(heard, seen)


def frame_slots(frame_times: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Finds the frames that are shown: slot k shows the first frame at or after k / 2 s.

    Frames at exactly two per second map to themselves, and so do the release's first and last frame of each second.

    Args:
        frame_times: (n,) seconds, non-decreasing, n > 0.

    Returns:
        The distinct frames that are shown, in ascending order, and for each slot (T,) an index into them.
    """
    count = int((frame_times[-1] + TIME_TOLERANCE) * FRAMES_PER_SECOND) + 1
    starts = np.arange(count) / FRAMES_PER_SECOND
    shown = np.searchsorted(frame_times, starts - TIME_TOLERANCE, side="left")
    return np.unique(shown, return_inverse=True)


Encoder = Callable[[Tensor], Tensor]


def encode_frames(
    vit: Encoder, clips: Sequence[Clip], size: int, piece_frames: int, device: torch.device
) -> list[tuple[Tensor | None, Tensor | None]]:
    """Encodes the distinct frames of each clip.

    A still image is shown for as long as its sound lasts, or for one piece if there is no sound.

    Args:
        vit: maps (n, 3, size, size) to (n, patches + 1, width).
        clips: clips with or without picture.
        size: edge length of the encoder's frames in pixels.
        piece_frames: half seconds per piece; sound is padded to a multiple of them.
        device: device of the result.

    Returns:
        For each clip, (distinct frames, patches + 1, width) and an index into them (T,), one per half second.
    """
    seen = [_distinct_frames(clip, size, piece_frames, device) for clip in clips]
    pixels = [frames for frames, _ in seen if frames is not None]
    encoded = iter(vit(torch.cat(pixels)).split([len(p) for p in pixels]) if pixels else ())
    return [(None, None) if frames is None else (next(encoded), slots) for frames, slots in seen]


def encode_speech(
    whisper: Encoder, clips: Sequence[Clip], sizes: SpeechConfig, device: torch.device
) -> list[Tensor | None]:
    """Encodes the speech of each clip in pieces of 30 s, the last of which is padded with silence.

    Args:
        whisper: maps (n, 480000) samples to (n, 1500, width).
        clips: clips with or without sound.
        sizes: sizes of the encoder, which may take shorter pieces.
        device: device of the result.

    Returns:
        For each clip, (1500 * pieces, width).

    Raises:
        ValueError: if sound is not at 16 kHz or does not begin with its window.
    """
    pieces = [cut_pieces(samples, sizes.piece_samples) for samples in _samples(clips, device)]
    encoded = iter(whisper(torch.cat(pieces)).split([len(p) for p in pieces]) if pieces else ())
    return [None if clip.audio is None else next(encoded).flatten(0, 1) for clip in clips]


def encode_sound(
    beats: Encoder, clips: Sequence[Clip], sizes: SpeechConfig, device: torch.device
) -> list[Tensor | None]:
    """Encodes the sound events of each clip in pieces of 30 s, the last of which keeps its length.

    Args:
        beats: maps (n, samples) to (n, tokens, width).
        clips: clips with or without sound.
        sizes: sizes of the speech encoder, whose pieces these are; all but the last are padded with zeros to as many
            tokens as it produces, so that each starts on time.
        device: device of the result.

    Returns:
        For each clip, (1500 * (pieces - 1) + tokens of the last, width).

    Raises:
        ValueError: if sound is not at 16 kHz or does not begin with its window.
    """
    cut = [samples.split(sizes.piece_samples) for samples in _samples(clips, device)]
    encoded = iter(_encode_equal_lengths(beats, [piece for pieces in cut for piece in pieces]))
    joined = iter([_join([next(encoded) for _ in pieces], sizes.max_source_positions) for pieces in cut])
    return [None if clip.audio is None else next(joined) for clip in clips]


def _encode_equal_lengths(beats: Encoder, pieces: Sequence[Tensor]) -> list[Tensor]:
    """Encodes (samples,) pieces into (tokens, width) each; pieces of equal length pass together."""
    outputs: dict[int, Tensor] = {}
    for length in {len(piece) for piece in pieces}:
        places = [place for place, piece in enumerate(pieces) if len(piece) == length]
        outputs |= zip(places, beats(torch.stack([pieces[place] for place in places])), strict=True)
    return [outputs[place] for place in range(len(pieces))]


def _join(pieces: Sequence[Tensor], piece_tokens: int) -> Tensor:
    filled = [F.pad(piece, (0, 0, 0, piece_tokens - len(piece))) for piece in pieces[:-1]]
    return torch.cat([*filled, pieces[-1]])


def _samples(clips: Sequence[Clip], device: torch.device) -> list[Tensor]:
    audible = [clip for clip in clips if clip.audio is not None]
    for clip in audible:
        if clip.sample_rate != SAMPLE_RATE or clip.audio_start:
            what = f"got {clip.sample_rate} Hz from {clip.audio_start} s on"
            raise ValueError(f"the sound of a clip must have {SAMPLE_RATE} Hz and begin with its window; {what}")
    return [torch.tensor(clip.audio, device=device) for clip in audible]


def _distinct_frames(
    clip: Clip, size: int, piece_frames: int, device: torch.device
) -> tuple[Tensor | None, Tensor | None]:
    """Returns the normalised frames (n, 3, size, size) that a clip shows, and an index into them per slot (T,)."""
    if clip.frames is None or clip.frame_times is None:
        return None, None
    shown, slots = frame_slots(clip.frame_times)
    if clip.still:
        slots = np.zeros(_still_frames(clip, piece_frames), np.intp)
    frames = torch.as_tensor(clip.frames[shown], device=device)
    return normalise(frames, size, clip.still), torch.as_tensor(slots, device=device)


def _still_frames(clip: Clip, piece_frames: int) -> int:
    heard = 0 if clip.audio is None else len(clip.audio) * FRAMES_PER_SECOND / SAMPLE_RATE
    return piece_frames * max(1, math.ceil(heard / piece_frames))
