"""How much of a long batch passes through an encoder at once."""

import torch

ACTIVATION_BYTES = 256 * 2**20  # of the widest activation of a pass; a few of that size live at the same time


def rows_per_pass(numbers: int, dtype: torch.dtype) -> int:
    """Rows that may pass together.

    Args:
        numbers: in the widest activation of one row, which is that inside a feed-forward layer.
        dtype: of the activations.
    """
    return max(1, ACTIVATION_BYTES // (numbers * dtype.itemsize))
