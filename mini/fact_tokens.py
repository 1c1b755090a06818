"""Facts encoded as tokens for the LLM, and an initialisation that links them to their names."""

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.nn import functional as F

from favor.models.favor.model import FavorModel
from mini.facts import HALF_SECONDS, KINDS, NAMES, PLACES
from mini.initial_weights import waves


class FactCodes(nn.Module):
    """An encoder of facts as tokens: the sum of their codes, normalised like the causal Q-Former's output.

    The codes of absent facts start at zero.

    Args:
        width: width of the causal Q-Former.
    """

    offsets: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        counts = torch.tensor([0, *KINDS.values()])
        self.register_buffer("offsets", counts.cumsum(0)[:-1], persistent=False)  # first code of each kind
        self.codes = nn.Embedding(int(counts.sum()), width)
        self.base = nn.Parameter(torch.randn(width))
        with torch.no_grad():
            self.codes.weight[self.offsets] = 0.0
            first = int(self.offsets[PLACES["half_second"]]) + 1
            self.codes.weight[first : first + HALF_SECONDS] = waves(torch.arange(HALF_SECONDS), width)

    def forward(self, facts: Tensor) -> Tensor:
        """Encodes facts (n, kinds) as tokens (n, width)."""
        true = self.base.new_zeros(len(facts), len(self.codes.weight)).scatter(1, facts + self.offsets, 1.0)
        return F.layer_norm(self.base + true @ self.codes.weight, self.base.shape)


def init_codes_from_embeddings(codes: FactCodes, model: FavorModel) -> None:
    """Initialises the codes of named values near the LLM's embeddings of the names, and the projection to match.

    Looking up a named value and naming a found one then work the same way for all words, and are learnt once.
    """
    embeddings = model.llm.get_input_embeddings().weight
    projection, _ = torch.linalg.qr(torch.randn(embeddings.shape[1], codes.codes.weight.shape[1]))
    with torch.no_grad():
        model.aligner.llm_proj.weight.copy_(projection)
        model.llm.lm_head.weight.copy_(embeddings * embeddings.shape[1] ** -0.5)
        for start, names in zip(codes.offsets.tolist(), NAMES.values(), strict=True):
            for value, ids in enumerate(model.prompter.answer_ids(names) if names else ()):
                if len(ids) == 2:  # one token and the end token
                    codes.codes.weight[start + 1 + value] += embeddings[ids[0]] @ projection


def init_attention(model: FavorModel) -> None:
    """Initialises the LLM's attention to find similar tokens and copy them (Trockman and Kolter 2023)."""
    with torch.no_grad():
        for layer in model.llm.model.layers:
            attention = layer.self_attn
            query, key, value, out = (
                module.get_base_layer().weight if hasattr(module, "get_base_layer") else module.weight
                for module in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj)
            )
            key.copy_((key + query) * 2**-0.5)
            out.copy_((out + value.T) * 2**-0.5)


def disable_adapters(model: FavorModel) -> None:
    """Disables the LLM's adapters: its own weights are trained, and the adapters still add nothing afterwards."""
    for module in model.llm.modules():
        if isinstance(module, BaseTunerLayer):
            module.enable_adapters(False)
