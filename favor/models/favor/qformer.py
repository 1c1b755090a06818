"""The causal Q-Former: a block of audio-visual frames becomes a few query tokens (paper section 3.2)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.activations import GELUActivation

from favor.models.favor.config import CausalQFormerConfig, Direction

LAYER_NORM_EPS = 1e-12  # BERT's


class Attention(nn.Module):
    """Multi-head attention, followed as in BERT by projection, dropout, residual and LayerNorm.

    Args:
        width: width of the inputs that attend, and of the output.
        source_width: width of the inputs that are attended to.
        heads: number of attention heads; it must divide ``width``.
        dropout: dropout probability in training.
    """

    def __init__(self, width: int, source_width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(source_width, width)
        self.value = nn.Linear(source_width, width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)

    def forward(self, x: Tensor, source: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Lets x (G, N, width) attend to source (G, L, source_width).

        The order of operations is the release's: where attention is peaked, another order, such as that of a fused
        kernel, changes the outputs by 3e-4 in float32. Scores are float32 in any precision. In bfloat16, where rounding
        changes more, the fused kernel is used: on a CPU, a training step then takes less than half as long here.

        Args:
            x: inputs of the queries.
            source: inputs of the keys and values.
            allowed: bool, broadcasts to (G, heads, N, L); a row without any key attends to all evenly.

        Returns:
            (G, N, width).
        """
        query, key, value = self._split(self.query(x)), self._split(self.key(source)), self._split(self.value(source))
        attend = _attend_fused if query.dtype == torch.bfloat16 else _attend
        attended = attend(query, key, value, allowed, self.dropout if self.training else 0.0)
        attended = self.out(attended.transpose(1, 2).flatten(2))
        return self.norm(x + F.dropout(attended, self.dropout, self.training))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def _attend(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None, dropout: float) -> Tensor:
    scores = (query @ key.mT).float() / math.sqrt(query.shape[-1])  # (G, heads, N, L)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
    return F.dropout(scores.softmax(-1), dropout).to(value.dtype) @ value


def _attend_fused(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None, dropout: float) -> Tensor:
    mask = None
    if allowed is not None:
        lowest = torch.finfo(query.dtype).min  # absorbs any score, so that a row without any key attends evenly
        mask = query.new_zeros(allowed.shape).masked_fill(~allowed, lowest)
    return F.scaled_dot_product_attention(query, key, value, mask, dropout)


class FeedForward(nn.Module):
    """BERT's feed-forward layer: GELU, dropout, residual, LayerNorm."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.activation = GELUActivation(use_gelu_python=True)  # BERT's own formula
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (..., width) to (..., width)."""
        return self.norm(x + F.dropout(self.down(self.activation(self.up(x))), self.dropout, self.training))


class CausalQFormerLayer(nn.Module):
    """Causal attention over the frames, then the queries attend to themselves and to the frames (fact 2)."""

    def __init__(self, config: CausalQFormerConfig, frame_width: int) -> None:
        super().__init__()
        hidden, heads, dropout = config.hidden_size, config.num_attention_heads, config.hidden_dropout_prob
        causal = config.direction != "none"
        self.causal_attention = Attention(frame_width, frame_width, heads, dropout) if causal else None
        self.self_attention = Attention(hidden, hidden, heads, dropout)
        self.cross_attention = Attention(hidden, frame_width, heads, dropout)
        self.feed_forward = FeedForward(hidden, config.intermediate_size, dropout)

    def forward(self, queries: Tensor, frames: Tensor, may_see: Tensor, is_frame: Tensor) -> Tensor:
        """Updates the queries.

        Args:
            queries: (G, N, hidden).
            frames: (G, L, frame width), the same in each layer.
            may_see: (L, L) bool, which tokens of a block attend to which; it ignores padding (fact 3).
            is_frame: (G, L) bool, false where a block is padding.

        Returns:
            (G, N, hidden).
        """
        if self.causal_attention is not None:
            frames = self.causal_attention(frames, frames, may_see)
        queries = self.self_attention(queries, queries)
        queries = self.cross_attention(queries, frames, is_frame[:, None, None, :])
        return self.feed_forward(queries)


class CausalQFormer(nn.Module):
    """Queries that attend to one block of frames through causal attention.

    Args:
        config: the sizes.
        frame_width: width of a slot of a frame.
        slots: number of slots per frame.
    """

    def __init__(self, config: CausalQFormerConfig, frame_width: int, slots: int) -> None:
        super().__init__()
        self.direction, self.slots, self.dropout = config.direction, slots, config.hidden_dropout_prob
        self.norm = nn.LayerNorm(config.hidden_size, eps=LAYER_NORM_EPS)
        self.layers = nn.ModuleList(CausalQFormerLayer(config, frame_width) for _ in range(config.num_hidden_layers))

    def forward(self, query_tokens: Tensor, frames: Tensor, is_frame: Tensor) -> Tensor:
        """Runs the queries over each block.

        Args:
            query_tokens: (1, N, hidden), learned.
            frames: (G, L, frame width): G blocks of L / slots frames.
            is_frame: (G, L) bool, false where a block is padding.

        Returns:
            (G, N, hidden).
        """
        queries = F.dropout(self.norm(query_tokens), self.dropout, self.training).expand(len(frames), -1, -1)
        may_see = causal_pairs(frames.shape[1], self.slots, self.direction, frames.device)
        for layer in self.layers:
            queries = layer(queries, frames, may_see, is_frame)
        return queries


def causal_pairs(length: int, slots: int, direction: Direction, device: torch.device | None = None) -> Tensor:
    """Returns which tokens of a block (rows) may attend to which (columns).

    The released weights look forward in time, frame i at frames j >= i; the paper looks back, j <= i (fact 1).
    Tokens of one frame always see each other.

    Returns:
        (length, length) bool.
    """
    frame = torch.arange(length, device=device) // slots
    row, column = frame[:, None], frame[None, :]
    return column >= row if direction == "released" else column <= row
