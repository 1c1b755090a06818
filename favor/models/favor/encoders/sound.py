"""The sound-event encoder: 16 kHz samples become BEATs' features, eight for every 160 ms.

BEATs (arXiv 2212.09058) cuts a filterbank into patches as a ViT cuts a picture. Parameters keep their released names.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from favor.errors import ConfigError
from favor.models.favor.config import SoundConfig
from favor.models.favor.encoders.filterbank import frame_count, log_mel, samples_of

MEL_BINS = 128
FBANK_MEAN, FBANK_STD = 15.41663, 6.55582  # AudioSet's, spec section 4
GATE_FEATURES = 4  # summed into each of a position gate's two numbers
CLIPS_PER_PASS = 8  # bounds the (length x length) position biases of a long batch

# The form of the layers in the released cfg; any other form would need different code.
RELEASED_FORM = {
    "layer_norm_first": False,
    "deep_norm": True,
    "gru_rel_pos": True,
    "relative_position_embedding": True,
    "conv_bias": False,
    "activation_fn": "gelu",
}
BEATS_FIELDS = tuple(field.name for field in dataclasses.fields(SoundConfig))  # named as in BEATs

# The classifier, and the later layers' copies of the table of position biases, which layer 0 holds for all.
UNUSED_RELEASED = re.compile(r"predictor\..+|encoder\.layers\.[1-9]\d*\.self_attn\.relative_attention_bias\.weight")


class SoundEncoder(nn.Module):
    """BEATs up to its last hidden states, without the classifier and, being frozen, without dropout.

    Args:
        config: the sizes.
    """

    def __init__(self, config: SoundConfig) -> None:
        super().__init__()
        width, patch = config.encoder_embed_dim, config.input_patch_size
        self.patch_size = patch
        self.patch_embedding = nn.Conv2d(1, config.embed_dim, patch, stride=patch, bias=False)
        self.layer_norm = nn.LayerNorm(config.embed_dim)
        self.post_extract_proj = nn.Linear(config.embed_dim, width) if config.embed_dim != width else nn.Identity()
        self.encoder = Transformer(config)

    def forward(self, waveform: Tensor) -> Tensor:
        """Encodes clips of equal length; each clip's features depend on that clip only.

        Args:
            waveform: (batch, samples) float at 16 kHz, full scale at 1; less than one patch is padded with silence.

        Returns:
            (batch, token_count(samples), width) in the weights' type; 1496 tokens for 30 s.

        Raises:
            ValueError: if the waveform is not (batch, samples).
        """
        if waveform.ndim != 2:
            raise ValueError(f"the waveform has shape {tuple(waveform.shape)}; it must be (batch, samples)")
        return torch.cat([self._encode(clips) for clips in waveform.split(CLIPS_PER_PASS)])

    def _encode(self, clips: Tensor) -> Tensor:
        fbank = normalised_fbank(clips, self.patch_size).to(self.patch_embedding.weight.dtype)
        patches = self.patch_embedding(fbank.unsqueeze(1))  # (batch, embed_dim, frames / 16, 8)
        patches = patches.flatten(2).transpose(1, 2)  # (batch, tokens, embed_dim): eight bands per time step
        return self.encoder(self.post_extract_proj(self.layer_norm(patches)))


class Transformer(nn.Module):
    """A positional convolution, followed by the layers.

    Args:
        config: the sizes.
    """

    def __init__(self, config: SoundConfig) -> None:
        super().__init__()
        self.pos_conv = nn.Sequential(PositionalConv(config), nn.GELU())
        self.layer_norm = nn.LayerNorm(config.encoder_embed_dim)
        self.layers = nn.ModuleList(Layer(config, holds_bias=index == 0) for index in range(config.encoder_layers))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (batch, length, width) to (batch, length, width)."""
        x = self.layer_norm(x + self.pos_conv(x.transpose(1, 2)).transpose(1, 2))
        position_bias = cast(Layer, self.layers[0]).self_attn.position_bias(x.shape[1])
        for layer in self.layers:
            x = layer(x, position_bias)
        return x


class PositionalConv(nn.Module):
    """A grouped convolution of unchanged length, normalised per tap: weight = g * v / |v|, as ``weight_norm(dim=2)``.

    Args:
        config: the sizes.
    """

    def __init__(self, config: SoundConfig) -> None:
        super().__init__()
        width, taps, self.groups = config.encoder_embed_dim, config.conv_pos, config.conv_pos_groups
        self.same_padding = (taps // 2, (taps - 1) // 2)
        self.weight_g = nn.Parameter(torch.ones(1, 1, taps))
        self.weight_v = nn.Parameter(torch.randn(width, width // self.groups, taps) * width**-0.5)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (batch, width, length) to (batch, width, length)."""
        v = self.weight_v.float()  # a tap has 37 thousand weights: too many squares for half precision
        weight = self.weight_g.float() * v / v.norm(dim=(0, 1), keepdim=True)
        return F.conv1d(F.pad(x, self.same_padding), weight.to(x.dtype), self.bias, groups=self.groups)


class Layer(nn.Module):
    """Post-LN attention and feed-forward, with DeepNorm's weight alpha on the residuals (arXiv 2203.00555).

    Args:
        config: the sizes.
        holds_bias: whether its attention holds the table of position biases that all layers share.
    """

    def __init__(self, config: SoundConfig, *, holds_bias: bool) -> None:
        super().__init__()
        width, inner = config.encoder_embed_dim, config.encoder_ffn_embed_dim
        self.alpha = (2 * config.encoder_layers) ** 0.25
        self.self_attn = SelfAttention(config, holds_bias=holds_bias)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, position_bias: Tensor) -> Tensor:
        """Maps (batch, length, width) to the same, given the (heads, length, length) position bias."""
        x = self.self_attn_layer_norm(self.alpha * x + self.self_attn(x, position_bias))
        return self.final_layer_norm(self.alpha * x + self.fc2(F.gelu(self.fc1(x))))


class SelfAttention(nn.Module):
    """Attention with a relative position bias that each query gates for itself (WavLM, arXiv 2110.13900).

    Args:
        config: the sizes.
        holds_bias: whether it holds the table of position biases that all layers share.
    """

    def __init__(self, config: SoundConfig, *, holds_bias: bool) -> None:
        super().__init__()
        width, self.heads = config.encoder_embed_dim, config.encoder_attention_heads
        self.buckets, self.max_distance = config.num_buckets, config.max_distance
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)
        self.grep_linear = nn.Linear(width // self.heads, 2 * GATE_FEATURES)
        self.grep_a = nn.Parameter(torch.ones(1, self.heads, 1, 1))
        if holds_bias:
            self.relative_attention_bias = nn.Embedding(config.num_buckets, self.heads)

    def forward(self, x: Tensor, position_bias: Tensor) -> Tensor:
        """Maps (batch, length, width) to the same, given the (heads, length, length) position bias."""
        queries, keys, values = (self._split(proj(x)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        bias = self._gate(queries) * position_bias  # (batch, heads, length, length)
        attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
        return self.out_proj(attended.transpose(1, 2).flatten(2))

    def position_bias(self, length: int) -> Tensor:
        """Computes the bias of each query (row) towards each key (column), (heads, length, length)."""
        table = self.relative_attention_bias
        distances = torch.arange(1 - length, length, device=table.weight.device)
        by_distance = table(position_buckets(distances, self.buckets, self.max_distance)).T  # (heads, 2 length - 1)
        return by_distance.unfold(-1, length, 1).flip(-2).contiguous()  # the last query sees 1 - length ... 0

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _gate(self, queries: Tensor) -> Tensor:
        """Maps (batch, heads, length, head width) to gates (batch, heads, length, 1), from 1 to 2 while grep_a is 1."""
        sums = self.grep_linear(queries).unflatten(-1, (2, GATE_FEATURES)).sum(-1)
        update, reset = sums.sigmoid().chunk(2, dim=-1)
        return update * (reset * self.grep_a - 1) + 2


def normalised_fbank(waveform: Tensor, patch_size: int) -> Tensor:
    """Computes BEATs' input: Kaldi's filterbank, normalised by AudioSet's mean and twice its standard deviation.

    Args:
        waveform: (batch, samples) at 16 kHz.
        patch_size: edge of a patch in frames; shorter sound is padded with silence.

    Returns:
        (batch, frames, 128) float32.
    """
    missing = max(0, samples_of(patch_size) - waveform.shape[-1])
    return (log_mel(F.pad(waveform, (0, missing)), MEL_BINS) - FBANK_MEAN) / (2 * FBANK_STD)


def token_count(samples: int, patch_size: int) -> int:
    """Counts the tokens of a clip; only whole patches give any, so up to 160 ms are lost; 30 s give 1496."""
    return max(patch_size, frame_count(samples)) // patch_size * (MEL_BINS // patch_size)


def position_buckets(distances: Tensor, buckets: int, max_distance: int) -> Tensor:
    """Assigns T5's bidirectional buckets, half of them for later keys: near distances have their own, far ones share.

    Args:
        distances: key position minus query position, integers of any shape.
        buckets: number of buckets.
        max_distance: distance from which on all share the last bucket.

    Returns:
        Bucket indices of the same shape.
    """
    half = buckets // 2
    exact = half // 2
    size = distances.abs()
    fraction = torch.log(size.clamp(min=exact) / exact) / math.log(max_distance / exact)
    shared = (exact + (fraction * (half - exact)).long()).clamp(max=half - 1)
    return torch.where(size < exact, size, shared) + half * (distances > 0)


def is_unused(released_name: str) -> bool:
    """Returns whether SoundEncoder lacks a tensor of the released file; all others have the same name in both."""
    return UNUSED_RELEASED.fullmatch(released_name) is not None


def sound_config_from_cfg(cfg: Mapping[str, Any]) -> SoundConfig:
    """Reads the ``cfg`` of a released BEATs file, ignoring settings of training and of the classifier.

    Raises:
        ConfigError: if the layers have another form than the released one, or a size is missing or impossible.
    """
    for name, value in RELEASED_FORM.items():
        if cfg.get(name) != value:
            raise ConfigError(f"BEATs' cfg has {name} = {cfg.get(name)!r}; only {value!r}, as released, is supported")
    for name in BEATS_FIELDS:
        if type(cfg.get(name)) is not int:
            raise ConfigError(f"BEATs' cfg has {name} = {cfg.get(name)!r}; it must be a whole number")
    return SoundConfig(**{name: cfg[name] for name in BEATS_FIELDS})
