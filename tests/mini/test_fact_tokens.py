import pytest
import torch
from torch.nn import functional as F

from favor.models.favor.language import build_llm
from mini.fact_tokens import FactCodes, disable_adapters, init_attention, init_codes_from_embeddings
from mini.facts import KINDS, NAMES, PLACES

pytestmark = pytest.mark.numeric

WIDTH = 32


def test_codes_look_like_the_outputs_of_the_causal_qformer():
    tokens = FactCodes(WIDTH)(torch.tensor([[count - 1 for count in KINDS.values()], [0] * len(KINDS)]))
    assert tokens.shape == (2, WIDTH)
    assert tokens.mean(-1).abs().max() < 1e-5
    assert tokens.std(-1, unbiased=False).allclose(torch.ones(2), atol=1e-3)


def test_nothing_adds_nothing_at_first():
    codes, facts = FactCodes(WIDTH), torch.zeros(1, len(KINDS), dtype=torch.long)
    base = F.layer_norm(codes.base, codes.base.shape)
    assert torch.equal(codes(facts)[0], base)
    facts[0, PLACES["word"]] = 5
    assert (codes(facts)[0] - base).norm() > 1


def test_a_code_begins_near_the_embedding_of_its_name(tiny):
    """Read through the projection, the nearest of all the LLM's embeddings is that of the name."""
    codes = FactCodes(WIDTH)
    with torch.no_grad():
        codes.codes.weight.zero_()
        init_codes_from_embeddings(codes, tiny)
        embeddings = F.normalize(tiny.llm.get_input_embeddings().weight, dim=-1)
        nearest = (tiny.aligner.llm_proj(codes.codes.weight) @ embeddings.T).argmax(-1)
    named = torch.zeros(len(nearest), dtype=torch.bool)
    starts = dict(zip(KINDS, codes.offsets.tolist(), strict=True))
    for kind, names in NAMES.items():
        for value, ids in enumerate(tiny.prompter.answer_ids(names) if names else ()):
            if len(ids) == 2:
                place = starts[kind] + 1 + value
                named[place] = True
                assert nearest[place] == ids[0], (kind, names[value])
    assert named.sum() > 300
    assert torch.equal(codes.codes.weight.any(-1), named)


def test_the_llm_begins_with_saying_what_it_sees(tiny):
    with torch.no_grad():
        init_codes_from_embeddings(FactCodes(WIDTH), tiny)
        said = tiny.llm.lm_head(tiny.llm.get_input_embeddings().weight).argmax(-1)
    assert (said == torch.arange(len(said))).float().mean() > 0.99


def test_attention_begins_with_finding_what_is_alike_and_handing_it_on(tiny):
    width = tiny.config.language.hidden_size
    states = torch.randn(64, width, generator=torch.Generator().manual_seed(0))
    init_attention(tiny)
    with torch.no_grad():
        for layer in tiny.llm.model.layers:
            attention = layer.self_attn
            scores = attention.q_proj(states) @ attention.k_proj(states).T
            assert scores.diagonal().mean() > 2 * scores.std()
            handed = attention.o_proj(attention.v_proj(states))
            assert F.cosine_similarity(handed, states).mean() > 0.3


def test_without_its_adapters_an_llm_says_what_its_base_says(tiny):
    config, ids = tiny.config.language, torch.arange(20)[None]
    base = build_llm(config, None).eval()
    weights = {name.replace("base_layer.", ""): value for name, value in tiny.llm.state_dict().items()}
    base.load_state_dict({name: value for name, value in weights.items() if "lora_" not in name})
    with torch.no_grad():
        for name, parameter in tiny.llm.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.1)
        expected, adapted = base(ids).logits, tiny.llm(ids).logits
        disable_adapters(tiny)
        torch.testing.assert_close(tiny.llm(ids).logits, expected, atol=1e-4, rtol=1e-4)
    assert not adapted.allclose(expected, atol=0.1)
