"""Weight-only quantization: the linear layers of the LLM in 8 or 4 bits, everything else in the model's own type.

bitsandbytes does the rounding, both on a CPU and on a GPU. Its own 8-bit layers are not used: they also round the
activations, or look for outliers in the whole batch, so the text of a window would depend on its neighbours.
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
BLOCK_WEIGHTS = 1_000_000  # rounded at a time

# The adapters keep their precision, and so do embeddings and lm_head, whose errors affect every token.
QUANTIZED = re.compile(r"(llm\.model\.layers\.\d+\.(?:self_attn|mlp)\.\w+_proj(?:\.base_layer)?)\.weight")


class Int8Linear(nn.Module):
    """A linear layer without bias whose weights are 8-bit integers, with one scale per output.

    The weights are converted to floating point before the product: a float16 sum of large integers overflows.

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
    """Returns the linear layer that a parameter of a ``FavorModel`` belongs to, or None if it stays unquantized."""
    found = QUANTIZED.fullmatch(parameter)
    return found[1] if found else None


def quantized_linear(weight: Tensor, kind: Quantization) -> nn.Module:
    """Builds a quantized linear layer without bias.

    Args:
        weight: (outputs, inputs) floating point, on the device of the layer.
        kind: "int8", with a scale per output, or "int4", with 16 unevenly spaced levels (NF4, arXiv 2305.14314) and a
            scale per 64 weights.
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
    # The scales are not quantized: that would save 0.4 bits per weight and slow down each product.
    form |= {"compress_statistics": False, "bnb_quantized": True, "module": layer}
    layer.weight = Params4bit(codes, requires_grad=False, quant_state=state, **form)
    layer.quant_state = state
    # bitsandbytes would pack the weights for processors with AVX512-BF16, and fail unless 32 divides the outputs.
    layer.support_avx512bf16_for_cpu = False
    return layer


def _blocks(weight: Tensor) -> Iterator[slice]:
    """Splits weights into whole rows, a million at a time; rounding all in one go wastes memory in the allocator.

    A multiple of 64 rows fills whole blocks and whole bytes of 4-bit weights, whatever the length of a row.
    """
    outputs, inputs = weight.shape
    rows = max(1, BLOCK_WEIGHTS // inputs // INT4_BLOCK) * INT4_BLOCK
    return (slice(start, start + rows) for start in range(0, outputs, rows))
