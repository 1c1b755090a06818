"""The visual encoders: frames become ViT features, and those become visual slots for an instruction."""

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    InstructBlipQFormerConfig,
    InstructBlipQFormerModel,
    InstructBlipVisionConfig,
    InstructBlipVisionModel,
)

from favor.models.favor.budget import rows_per_pass
from favor.models.favor.config import ImageQFormerConfig, VisualConfig

PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's, spec section 4
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
LAST_NORM_EPS = 1e-5  # fact 10: InstructBLIP's configuration says 1e-6


class VisualEncoder(nn.Module):
    """EVA-CLIP's ViT with its last LayerNorm: pictures become patch features that do not depend on the prompt.

    Args:
        config: the sizes.
    """

    def __init__(self, config: VisualConfig) -> None:
        super().__init__()
        self.config = config
        self.vit = InstructBlipVisionModel(InstructBlipVisionConfig(**dataclasses.asdict(config)))
        self.vit.post_layernorm.eps = LAST_NORM_EPS

    def forward(self, pixels: Tensor) -> Tensor:
        """Encodes normalised frames (n, 3, size, size) into (n, patches + 1, hidden)."""
        dtype = self.vit.dtype
        frames = rows_per_pass(self.config.tokens * self.config.intermediate_size, dtype)
        passes = [self.vit(pixel_values=chunk.to(dtype)).last_hidden_state for chunk in pixels.split(frames)]
        return torch.cat(passes)


def normalise(frames: Tensor, size: int, still: bool) -> Tensor:
    """Prepares frames for the ViT as the release does: bicubic to a square, then CLIP's mean and standard deviation.

    Args:
        frames: (n, H, W, 3) uint8.
        size: edge length of the square in pixels; frames of this size are not resampled.
        still: whether they are still images, which the release resizes with antialiasing, unlike video frames.

    Returns:
        (n, 3, size, size) float32.
    """
    pixels = frames.permute(0, 3, 1, 2).float() / 255
    if pixels.shape[-2:] != (size, size):
        pixels = F.interpolate(pixels, (size, size), mode="bicubic", align_corners=False, antialias=still)
    mean = torch.tensor(PIXEL_MEAN, device=frames.device).view(3, 1, 1)
    std = torch.tensor(PIXEL_STD, device=frames.device).view(3, 1, 1)
    return (pixels - mean) / std


class ImageQFormer(nn.Module):
    """InstructBLIP's Q-Former: queries attend to one frame's features, given the instruction (fact 8).

    Args:
        config: the sizes.
        visual_width: width of the ViT's features.
    """

    def __init__(self, config: ImageQFormerConfig, visual_width: int) -> None:
        super().__init__()
        sizes = dataclasses.asdict(config)
        queries = sizes.pop("num_query_tokens")
        self.query_tokens = nn.Parameter(torch.zeros(1, queries, config.hidden_size))
        self.qformer = InstructBlipQFormerModel(InstructBlipQFormerConfig(**sizes, encoder_hidden_size=visual_width))

    def forward(self, visual: Tensor, question_ids: Tensor, question_mask: Tensor) -> Tensor:
        """Runs the queries over each frame.

        Args:
            visual: (n, patches + 1, visual width).
            question_ids: (n, L), the instruction for each frame.
            question_mask: (n, L), zero where a shorter instruction is padded.

        Returns:
            (n, slots, hidden).
        """
        tokens = self.query_tokens.shape[1] + question_ids.shape[1]
        frames = rows_per_pass(tokens * self.qformer.config.intermediate_size, visual.dtype)
        chunks = (tensor.split(frames) for tensor in (visual, question_ids, question_mask))
        return torch.cat([self._query(*chunk) for chunk in zip(*chunks, strict=True)])

    def _query(self, visual: Tensor, question_ids: Tensor, question_mask: Tensor) -> Tensor:
        queries = self.query_tokens.expand(len(visual), -1, -1)
        attended = torch.cat([question_mask.new_ones(queries.shape[:2]), question_mask], dim=1)
        output = self.qformer(
            input_ids=question_ids, attention_mask=attended, query_embeds=queries, encoder_hidden_states=visual
        )
        return output.last_hidden_state[:, : queries.shape[1]]
