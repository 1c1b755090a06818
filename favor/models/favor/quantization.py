"""Weight-only quantization: the linear layers of the LLM in 8 or 4 bits, everything else in the model's own type.

bitsandbytes does the rounding, on a CPU as on a GPU. Its own 8-bit layers are not used: they round the activations as
well, or look for outliers in the whole batch, and then the text of a window depends on its neighbours.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from favor.models.placement import Quantization

INT8_LEVELS = 127  # on each side of zero
INT4_BLOCK = 64  # weights that share a scale
BLOCK_WEIGHTS = 1_000_000  # that are rounded at a time

# The adapters keep their precision, and so do embeddings and lm_head, whose errors are seen in every token.
QUANTIZED = re.compile(r"(llm\.model\.layers\.\d+\.(?:self_attn|mlp)\.\w+_proj(?:\.base_layer)?)\.weight")


class Int8Linear(nn.Module):
    """A linear layer without bias whose weights are 8-bit integers, with a scale for each output.

    The weights become floating-point numbers again before the product: a float16 sum of large integers overflows.

    Args:
        weight: (outputs, inputs) floating point.
    """

    codes: Tensor
    scales: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        from bitsandbytes.functional import int8_vectorwise_quant

        self.register_buffer("codes", torch.empty(weight.shape, dtype=torch.int8, device=weight.device))
        self.register_buffer("scales", torch.empty(len(weight), 1, device=weight.device))
        for rows in _blocks(weight):
            self.codes[rows], largest, _ = int8_vectorwise_quant(weight[rows].half())
            self.scales[rows] = largest.unsqueeze(1) / INT8_LEVELS

    def forward(self, x: Tensor) -> Tensor:
        """Maps (..., inputs) to (..., outputs)."""
        weight = torch.empty(self.codes.shape, dtype=x.dtype, device=x.device)
        return F.linear(x, torch.mul(self.codes, self.scales, out=weight))


def quantized_module(parameter: str) -> str | None:
    """The name of the linear layer that a parameter of a ``FavorModel`` belongs to, if that layer is quantized."""
    found = QUANTIZED.fullmatch(parameter)
    return found[1] if found else None


def quantized_linear(weight: Tensor, kind: Quantization) -> nn.Module:
    """A linear layer without bias of fewer bits.

    Args:
        weight: (outputs, inputs) floating point, on the device of the layer.
        kind: "int8", a scale for each output, or "int4", 16 unevenly spaced levels (NF4, arXiv 2305.14314) and a scale
            for every 64 weights.
    """
    layers: dict[Quantization, Callable[[Tensor], nn.Module]] = {"int8": Int8Linear, "int4": _int4_linear}
    return layers[kind](weight)


def _int4_linear(weight: Tensor) -> nn.Module:
    from bitsandbytes.functional import quantize_4bit
    from bitsandbytes.nn import Linear4bit, Params4bit

    outputs, inputs = weight.shape
    form: dict[str, Any] = {"quant_type": "nf4", "blocksize": INT4_BLOCK}
    codes = torch.empty(-(-weight.numel() // 2), 1, dtype=torch.uint8, device=weight.device)
    scales = torch.empty(-(-weight.numel() // INT4_BLOCK), device=weight.device)
    for rows in _blocks(weight):
        part, state = quantize_4bit(weight[rows].contiguous(), **form)
        codes[rows.start * inputs // 2 :][: len(part)] = part
        scales[rows.start * inputs // INT4_BLOCK :][: len(state.absmax)] = state.absmax
    state.absmax, state.shape = scales, weight.shape
    layer = Linear4bit(inputs, outputs, bias=False, compute_dtype=weight.dtype, quant_type="nf4", device="meta")
    # Scales are not rounded in turn: it would save 0.4 bits a weight and make each product slower.
    form |= {"compress_statistics": False, "bnb_quantized": True, "module": layer}
    layer.weight = Params4bit(codes, requires_grad=False, quant_state=state, **form)
    layer.quant_state = state
    return layer


def _blocks(weight: Tensor) -> Iterator[slice]:
    """Whole rows of a million weights: rounding all at once takes memory that the allocator cannot use again.

    A multiple of 64 rows has whole blocks and whole bytes of 4-bit weights, however long a row is.
    """
    outputs, inputs = weight.shape
    rows = max(1, BLOCK_WEIGHTS // inputs // INT4_BLOCK) * INT4_BLOCK
    return (slice(start, start + rows) for start in range(0, outputs, rows))
