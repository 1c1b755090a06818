"""Which prompts are continued together: as many as their key-value cache has room for."""

from collections.abc import Sequence

import torch

from favor.models.favor.config import FavorConfig, LanguageConfig

CPU_CACHE_BYTES = 4 * 2**30
GPU_CACHE_SHARE = 0.6  # of what the weights leave free; beam search moves its cache, which takes a copy of a layer


def cache_bytes(config: LanguageConfig, dtype: torch.dtype) -> int:
    """Bytes of keys and values of one token in all layers."""
    heads = config.num_key_value_heads or config.num_attention_heads
    width = config.hidden_size // config.num_attention_heads * heads
    return 2 * config.num_hidden_layers * width * dtype.itemsize


def token_budget(config: FavorConfig, device: torch.device, dtype: torch.dtype) -> int:
    """The tokens, of prompts and answers together, that a device has room for beside what it holds now."""
    room = float(CPU_CACHE_BYTES)
    if device.type == "cuda":
        room = GPU_CACHE_SHARE * torch.cuda.mem_get_info(device)[0]
    return int(room / cache_bytes(config.language, dtype))


def sub_batches(lengths: Sequence[int], new_tokens: int, beams: int, budget: int) -> list[list[int]]:
    """Divides prompts into batches of similar length.

    Args:
        lengths: tokens of each prompt.
        new_tokens: the longest answer.
        beams: of the search; each has a cache of its own.
        budget: rows * (longest prompt + new_tokens) stays within it, unless one prompt alone exceeds it.

    Returns:
        The places of the prompts of each batch, the shortest prompts first.
    """
    batches: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        row_tokens = beams * (lengths[place] + new_tokens)
        if batches and (len(batches[-1]) + 1) * row_tokens <= budget:
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches


ACTIVATION_BYTES = 256 * 2**20  # of the widest activation of a pass; a few of that size live at the same time


def rows_per_pass(numbers: int, dtype: torch.dtype) -> int:
    """Rows that may pass together.

    Args:
        numbers: in the widest activation of one row, which is that inside a feed-forward layer.
        dtype: of the activations.
    """
    return max(1, ACTIVATION_BYTES // (numbers * dtype.itemsize))
