"""How much memory a model needs: its weights, and what a batch of windows adds to them."""

import math

import torch
from torch import nn

from favor.models.base import Batch, MemoryNeed
from favor.models.favor.budget import ACTIVATION_BYTES, cache_bytes
from favor.models.favor.config import FRAMES_PER_SECOND, FavorConfig
from favor.models.favor.encoders.sound import CLIPS_PER_PASS
from favor.models.favor.model import FavorModel
from favor.models.favor.quantization import INT4_BLOCK, quantized_module
from favor.models.placement import Quantization

SCALE_BYTES = torch.float32.itemsize
INT4_LEVELS_BYTES = 16 * SCALE_BYTES  # the table of a layer's levels
WIDE_ACTIVATIONS = 4  # of a feed-forward layer that live at once: its input, both sides of its activation, its output
TEXT_TOKENS = 64  # of a prompt: the question and the text around it


def memory_need(
    config: FavorConfig, dtype: torch.dtype, quantization: Quantization | None = None, batch: Batch | None = None
) -> MemoryNeed:
    """Estimates the memory that a model needs to answer one question about each window of a batch.

    Args:
        config: the sizes.
        dtype: type of the weights and the computation.
        quantization: quantization of the LLM's linear layers.
        batch: size of the batch; four windows of 30 s by default.
    """
    batch = batch or Batch()
    size = dtype.itemsize
    rows = batch.windows * batch.beams * _row_tokens(config, batch)
    return MemoryNeed(
        weights=weight_bytes(config, dtype, quantization),
        cache=rows * cache_bytes(config.language, dtype),
        features=2 * batch.windows * _window_bytes(config, batch.seconds, size),
        activations=WIDE_ACTIVATIONS
        * max(ACTIVATION_BYTES, _sound_bytes(config, size), _prefill_bytes(config, batch, size))
        + _one_layer_bytes(config, size, quantization),
    )


def weight_bytes(config: FavorConfig, dtype: torch.dtype, quantization: Quantization | None = None) -> int:
    """Counts the bytes of all weights, from the names and shapes of a model on the meta device."""
    with torch.device("meta"):
        model = FavorModel(config)
    return sum(_parameter_bytes(name, p, dtype, quantization) for name, p in model.named_parameters())


def _parameter_bytes(name: str, parameter: nn.Parameter, dtype: torch.dtype, quantization: Quantization | None) -> int:
    count = parameter.numel()
    if quantization is None or quantized_module(name) is None:
        return count * dtype.itemsize
    if quantization == "int8":
        return count + SCALE_BYTES * len(parameter)
    return math.ceil(count / 2) + SCALE_BYTES * math.ceil(count / INT4_BLOCK) + INT4_LEVELS_BYTES


def _row_tokens(config: FavorConfig, batch: Batch) -> int:
    return config.causal_qformer.llm_tokens(batch.seconds * FRAMES_PER_SECOND) + TEXT_TOKENS + batch.new_tokens


def _window_bytes(config: FavorConfig, seconds: int, size: int) -> int:
    """Counts the bytes of one window's pixels, which are float32, and features."""
    frames = seconds * FRAMES_PER_SECOND
    pieces = math.ceil(frames / config.speech.piece_frames)
    pixels = 3 * config.visual.image_size**2 * torch.float32.itemsize
    visual = config.visual.tokens * config.visual.hidden_size * size
    heard = config.speech.d_model + (config.sound.encoder_embed_dim if config.sound else 0)
    return frames * (pixels + visual) + pieces * config.speech.max_source_positions * heard * size


def _sound_bytes(config: FavorConfig, size: int) -> int:
    """Counts the bytes of the position biases in one pass of BEATs."""
    if config.sound is None:
        return 0
    return CLIPS_PER_PASS * config.sound.encoder_attention_heads * config.speech.max_source_positions**2 * size


def _prefill_bytes(config: FavorConfig, batch: Batch, size: int) -> int:
    """Counts the bytes of the LLM's widest activation while it reads the prompts."""
    prompt = _row_tokens(config, batch) - batch.new_tokens
    return batch.windows * prompt * config.language.intermediate_size * size


def _one_layer_bytes(config: FavorConfig, size: int, quantization: Quantization | None) -> int:
    """Counts the bytes of the quantized layer that is in floating point while it computes."""
    return config.language.intermediate_size * config.language.hidden_size * size if quantization else 0
