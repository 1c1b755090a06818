"""Temporal synchronisation: half-second frames of visual slots beside audio slots (paper section 3.1)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from favor.config import SPEECH_TOKENS_PER_FRAME


def audio_frames(tokens: Tensor, slots: int) -> Tensor:
    """Cuts audio tokens into half-second frames and fills their slots with zeros (fact 5).

    Args:
        tokens: (n, hidden) at 50 Hz; n is a multiple of 25.
        slots: of a frame.

    Returns:
        (n / 25, slots, hidden).
    """
    frames = tokens.unflatten(0, (-1, SPEECH_TOKENS_PER_FRAME))
    return F.pad(frames, (0, 0, 0, slots - SPEECH_TOKENS_PER_FRAME))


def synchronise(streams: Sequence[Tensor | None]) -> Tensor:
    """Lays the modalities of one clip side by side in the given order (fact 4).

    Args:
        streams: for each encoder (T, slots, hidden), or None where the clip lacks what it encodes.

    Returns:
        (longest T, slots, hidden * encoders): shorter streams are filled up with zero frames, missing ones are zero.

    Raises:
        ValueError: if all streams are missing.
    """
    present = [stream for stream in streams if stream is not None]
    if not present:
        raise ValueError("a clip without any modality cannot be synchronised; give frames, audio or both")
    length = max(len(stream) for stream in present)
    silence = present[0].new_zeros(0, *present[0].shape[1:])
    filled = [_pad_frames(silence if stream is None else stream, length) for stream in streams]
    return torch.cat(filled, dim=-1)


def pad_to_blocks(windows: Sequence[Tensor], block_frames: int) -> tuple[Tensor, Tensor]:
    """Joins windows of unequal length, each padded with zero frames to whole blocks.

    Args:
        windows: (T, slots, width) each.
        block_frames: frames of a block.

    Returns:
        (sum of padded T, slots, width), and (sum of padded T,) bool, false for padding.
    """
    padded = [_pad_frames(window, len(window) + -len(window) % block_frames) for window in windows]
    counts = [len(window) for window in windows]
    is_frame = [torch.arange(len(p), device=p.device) < count for p, count in zip(padded, counts, strict=True)]
    return torch.cat(padded), torch.cat(is_frame)


def _pad_frames(frames: Tensor, length: int) -> Tensor:
    return F.pad(frames, (0, 0, 0, 0, 0, length - len(frames)))
