"""The trained parts between the encoders and the LLM: projections, position table, causal Q-Former (spec section 2)."""

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from favor.models.favor.config import SPEECH_TOKENS_PER_FRAME, FavorConfig
from favor.models.favor.qformer import CausalQFormer


@dataclasses.dataclass(frozen=True)
class Modalities:
    """The encoders' outputs for one clip, before any projection; None where a modality is missing.

    Attributes:
        visual: (T, slots, hidden) image Q-Former outputs.
        speech: (1500 per 30 s, speech width).
        sound: (1500 per 30 s, the last piece unpadded, sound width).
    """

    visual: Tensor | None = None
    speech: Tensor | None = None
    sound: Tensor | None = None


class Aligner(nn.Module):
    """The layers that turn encoder features of a batch of clips into LLM tokens.

    Args:
        config: the sizes.
    """

    def __init__(self, config: FavorConfig) -> None:
        super().__init__()
        self.config, self.slots = config.causal_qformer, config.slots
        hidden, width = config.causal_qformer.hidden_size, config.frame_width
        self.speech_proj = nn.Linear(config.speech.d_model, hidden)
        self.sound_proj = nn.Linear(config.sound.encoder_embed_dim, hidden) if config.sound else None
        self.frame_norm = nn.LayerNorm(width, eps=1e-5)
        self.positions = nn.Embedding(config.causal_qformer.max_positions, width)
        self.query_tokens = nn.ParameterList(
            nn.Parameter(torch.zeros(1, queries, hidden)) for _, queries in self.config.resolutions
        )
        self.causal_qformer = CausalQFormer(config.causal_qformer, width, config.slots)
        self.llm_proj = nn.Linear(hidden * len(self.config.resolutions), config.language.hidden_size)

    def forward(self, clips: Sequence[Modalities]) -> list[Tensor]:
        """Computes the LLM tokens of each clip; the blocks of all clips pass through the Q-Former together.

        Returns:
            For each clip, (block queries * blocks, LLM width).
        """
        windows = [self.frames(clip) for clip in clips]
        return self.tokens(self.query(windows), windows)

    def tokens(self, outputs: Sequence[Tensor], windows: Sequence[Tensor]) -> list[Tensor]:
        """Projects the outputs of ``query`` to LLM tokens: (block queries * blocks, LLM width) for each window."""
        tokens = self.llm_proj(self.join(outputs)).flatten(0, 1)
        return list(tokens.split([self.config.llm_tokens(len(window)) for window in windows]))

    def frames(self, clip: Modalities) -> Tensor:
        """Synchronises the modalities of one clip into (T, slots, frame width)."""
        return synchronise([clip.visual, *self._audio_frames(clip)])

    def query(self, windows: Sequence[Tensor]) -> list[Tensor]:
        """Runs the causal Q-Former over the blocks of all windows, once for each resolution.

        Args:
            windows: (T, slots, frame width) each.

        Returns:
            For each resolution, coarsest first, (blocks, queries, hidden).
        """
        return self.query_blocks(*pad_to_blocks(windows, self.config.block_frames))

    def query_blocks(self, padded: Tensor, is_frame: Tensor) -> list[Tensor]:
        """Runs the causal Q-Former over whole blocks, once for each resolution.

        Args:
            padded: (P, slots, frame width), frames of whole blocks.
            is_frame: (P,) bool, false where a block is padding.

        Returns:
            For each resolution, coarsest first, (blocks, queries, hidden).
        """
        normed = self.frame_norm(padded)
        return [
            self._query_blocks(normed, is_frame, frames, query_tokens)
            for (frames, _), query_tokens in zip(self.config.resolutions, self.query_tokens, strict=True)
        ]

    def join(self, outputs: Sequence[Tensor]) -> Tensor:
        """Concatenates the outputs of all resolutions for each block, the finest first.

        Returns:
            (blocks, block queries, resolutions * hidden).
        """
        queries = self.config.block_queries
        return torch.cat([output.reshape(-1, queries, output.shape[-1]) for output in reversed(outputs)], dim=-1)

    def _query_blocks(self, normed: Tensor, is_frame: Tensor, frames: int, query_tokens: Tensor) -> Tensor:
        length = frames * self.slots
        blocks = normed.reshape(-1, length, normed.shape[-1]) + self.positions.weight[:length]  # fact 9
        is_token = is_frame.repeat_interleave(self.slots).reshape(-1, length)
        return self.causal_qformer(query_tokens, blocks, is_token)

    def _audio_frames(self, clip: Modalities) -> list[Tensor | None]:
        if clip.speech is None:
            return [None] if self.sound_proj is None else [None, None]
        streams: list[Tensor | None] = [audio_frames(self.speech_proj(clip.speech), self.slots)]
        if self.sound_proj is not None:
            if clip.sound is None:
                raise ValueError("this model hears sound events, but the clip's features hold none; encode it again")
            # BEATs yields 1496 tokens for 30 s; zeros are appended before the projection, as in the release. Only
            # the last 30 s are padded here: the encoder's caller pads the earlier ones.
            sound = F.pad(clip.sound, (0, 0, 0, len(clip.speech) - len(clip.sound)))
            streams.append(audio_frames(self.sound_proj(sound), self.slots))
        return streams


def audio_frames(tokens: Tensor, slots: int) -> Tensor:
    """Cuts audio tokens into half-second frames and pads their slots with zeros (fact 5).

    Args:
        tokens: (n, hidden) at 50 Hz; n is a multiple of 25.
        slots: number of slots per frame.

    Returns:
        (n / 25, slots, hidden).
    """
    frames = tokens.unflatten(0, (-1, SPEECH_TOKENS_PER_FRAME))
    return F.pad(frames, (0, 0, 0, slots - SPEECH_TOKENS_PER_FRAME))


def synchronise(streams: Sequence[Tensor | None]) -> Tensor:
    """Concatenates the modalities of one clip in the given order (fact 4).

    Args:
        streams: (T, slots, hidden) for each encoder, or None where the clip lacks its modality.

    Returns:
        (longest T, slots, hidden * encoders): shorter streams are padded with zero frames, missing ones are zero.

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
