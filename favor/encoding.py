"""Clips become features: distinct frames, pieces of speech and pieces of sound of a whole batch pass together."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from favor.config import FRAMES_PER_SECOND, SpeechConfig
from favor.encoders.speech import cut_pieces
from favor.encoders.visual import normalise
from favor.features import frame_slots
from favor.media.clip import SAMPLE_RATE, Clip

Encoder = Callable[[Tensor], Tensor]


def encode_frames(
    vit: Encoder, clips: Sequence[Clip], size: int, piece_frames: int, device: torch.device
) -> list[tuple[Tensor | None, Tensor | None]]:
    """Encodes the distinct frames of each clip.

    A still image is shown for as long as its sound lasts; without sound, as if it had one piece of silence.

    Args:
        vit: maps (n, 3, size, size) to (n, patches + 1, width).
        clips: with or without picture.
        size: edge of a frame in pixels, as the encoder sees it.
        piece_frames: half seconds to a multiple of which sound is filled up.
        device: where to.

    Returns:
        For each clip (distinct frames, patches + 1, width) and (T,), which of them each half second shows.
    """
    seen = [_distinct_frames(clip, size, piece_frames, device) for clip in clips]
    pixels = [frames for frames, _ in seen if frames is not None]
    encoded = iter(vit(torch.cat(pixels)).split([len(p) for p in pixels]) if pixels else ())
    return [(None, None) if frames is None else (next(encoded), slots) for frames, slots in seen]


def encode_speech(
    whisper: Encoder, clips: Sequence[Clip], sizes: SpeechConfig, device: torch.device
) -> list[Tensor | None]:
    """Encodes the speech of each clip in pieces of 30 s, the last of which is filled up with silence.

    Args:
        whisper: maps (n, 480000) samples to (n, 1500, width).
        clips: with or without sound.
        sizes: of the encoder, which may be made for shorter pieces.
        device: where to.

    Returns:
        For each clip (1500 * pieces, width).
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
        clips: with or without sound.
        sizes: of the speech encoder, whose pieces these are; all but the last are filled up with zeros to as many
            tokens as it makes, so that each starts in time.
        device: where to.

    Returns:
        For each clip (1500 * (pieces - 1) + tokens of the last, width).
    """
    cut = [samples.split(sizes.piece_samples) for samples in _samples(clips, device)]
    encoded = iter(_encode_equal_lengths(beats, [piece for pieces in cut for piece in pieces]))
    joined = iter([_join([next(encoded) for _ in pieces], sizes.max_source_positions) for pieces in cut])
    return [None if clip.audio is None else next(joined) for clip in clips]


def _encode_equal_lengths(beats: Encoder, pieces: Sequence[Tensor]) -> list[Tensor]:
    """Encodes (samples,) pieces into (tokens, width) each; those of one length pass together."""
    outputs: dict[int, Tensor] = {}
    for length in {len(piece) for piece in pieces}:
        places = [place for place, piece in enumerate(pieces) if len(piece) == length]
        outputs |= zip(places, beats(torch.stack([pieces[place] for place in places])), strict=True)
    return [outputs[place] for place in range(len(pieces))]


def _join(pieces: Sequence[Tensor], piece_tokens: int) -> Tensor:
    filled = [F.pad(piece, (0, 0, 0, piece_tokens - len(piece))) for piece in pieces[:-1]]
    return torch.cat([*filled, pieces[-1]])


def _samples(clips: Sequence[Clip], device: torch.device) -> list[Tensor]:
    return [torch.tensor(clip.audio, device=device) for clip in clips if clip.audio is not None]


def _distinct_frames(
    clip: Clip, size: int, piece_frames: int, device: torch.device
) -> tuple[Tensor | None, Tensor | None]:
    """The normalised frames (n, 3, size, size) that a clip shows, and which of them each of its slots (T,) shows."""
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
