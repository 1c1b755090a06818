"""How many prompts are continued together, and how many rows pass through an encoder together."""

from collections.abc import Sequence

import torch

from favor.models.favor.config import FavorConfig, LanguageConfig

CPU_CACHE_BYTES = 4 * 2**30
GPU_CACHE_SHARE = 0.6  # of the memory that weights leave free; beam search reorders its cache, copying a layer


def cache_bytes(config: LanguageConfig, dtype: torch.dtype) -> int:
    """Counts the bytes of one token's keys and values in all layers."""
    heads = config.num_key_value_heads or config.num_attention_heads
    width = config.hidden_size // config.num_attention_heads * heads
    return 2 * config.num_hidden_layers * width * dtype.itemsize


def token_budget(config: FavorConfig, device: torch.device, dtype: torch.dtype) -> int:
    """Computes how many tokens of prompts and answers fit in the free memory of a device."""
    room = float(CPU_CACHE_BYTES)
    if device.type == "cuda":
        room = GPU_CACHE_SHARE * torch.cuda.mem_get_info(device)[0]
    return int(room / cache_bytes(config.language, dtype))


def sub_batches(lengths: Sequence[int], new_tokens: int, beams: int, budget: int) -> list[list[int]]:
    """Divides prompts into batches of similar length.

    Args:
        lengths: tokens of each prompt.
        new_tokens: maximum length of an answer.
        beams: number of beams of the search, each with its own cache.
        budget: limit of rows * (longest prompt + new_tokens), exceeded only by a single prompt that is too long.

    Returns:
        The indices of the prompts in each batch, shortest prompts first.
    """
    batches: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        row_tokens = beams * (lengths[place] + new_tokens)
        if batches and (len(batches[-1]) + 1) * row_tokens <= budget:
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches


ACTIVATION_BYTES = 256 * 2**20  # of the widest activation of a pass; a few of this size exist at a time


def rows_per_pass(numbers: int, dtype: torch.dtype) -> int:
    """Returns how many rows may pass through an encoder together.

    Args:
        numbers: elements in the widest activation of one row, which is inside a feed-forward layer.
        dtype: type of the activations.
    """
    return max(1, ACTIVATION_BYTES // (numbers * dtype.itemsize))
