"""The terms of FAVOR's training objective beside the cross-entropy."""

import torch
from torch import Tensor

COSINE_EPS = 1e-9


def diversity_loss(queries: Tensor) -> Tensor:
    """The mean cosine between different queries of one block (spec section 6).

    Args:
        queries: (blocks, queries, width), the causal Q-Former's output before the projection to the LLM; with several
            resolutions the coarse one's only.

    Returns:
        A scalar, to be minimised.

    Raises:
        ValueError: if a block has fewer than two queries.
    """
    blocks, count, _ = queries.shape
    if count < 2:
        raise ValueError(f"the diversity loss compares queries of one block; got {count}, needs 2 or more")
    norms = queries.norm(dim=-1)  # (blocks, queries)
    cosines = queries @ queries.mT / (norms[:, :, None] * norms[:, None, :] + COSINE_EPS)
    others = ~torch.eye(count, dtype=torch.bool, device=queries.device)
    return cosines[:, others].sum() / (blocks * count * (count - 1))
