"""FAVOR's training objective: cross-entropy over the answers, and diversity of the queries."""

import torch
from torch import Tensor
from torch.nn import functional as F

COSINE_EPS = 1e-9
IGNORED = -100  # a target that is not learnt


def answer_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean cross-entropy over the tokens of answers, each with its end token (spec section 6).

    Args:
        logits: (batch, length, vocabulary), of the token after each place.
        targets: (batch, length), the token after each place, ``IGNORED`` where it belongs to no answer.

    Returns:
        A scalar, in nats.
    """
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED)


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
