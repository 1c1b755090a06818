import dataclasses

import pytest
import torch

from favor.models.favor.config import CausalQFormerConfig
from favor.models.favor.loading import initialise
from favor.models.favor.qformer import Attention, CausalQFormer, causal_pairs

pytestmark = pytest.mark.numeric

SIZES = CausalQFormerConfig(hidden_size=8, num_attention_heads=2, intermediate_size=16, resolutions=((4, 3),))
SLOTS, WIDTH = 2, 16


def build(direction="released"):
    qformer = CausalQFormer(dataclasses.replace(SIZES, direction=direction), WIDTH, SLOTS).eval()
    initialise(qformer, seed=1)
    return qformer


@pytest.mark.parametrize(("direction", "changed"), [("released", [0, 1, 2]), ("paper", [2, 3])])
def test_a_changed_frame_reaches_only_the_frames_that_may_see_it(direction, changed):
    attention = Attention(WIDTH, WIDTH, heads=2, dropout=0.0)
    initialise(attention, seed=0)
    pairs = causal_pairs(4 * SLOTS, SLOTS, direction)
    frames = torch.randn(1, 4 * SLOTS, WIDTH, generator=torch.Generator().manual_seed(0))
    other = frames.clone()
    other[:, 2 * SLOTS : 3 * SLOTS] += 1
    difference = (
        (attention(frames, frames, pairs) - attention(other, other, pairs)).abs().sum(-1).view(4, SLOTS).sum(-1)
    )
    assert difference.gt(1e-4).nonzero().flatten().tolist() == changed


def test_tokens_of_one_frame_see_each_other():
    for direction in ("released", "paper"):
        pairs = causal_pairs(4, 2, direction)
        assert pairs[:2, :2].all()
        assert pairs[2:, 2:].all()
    assert causal_pairs(4, 2, "released").int().tolist() == causal_pairs(4, 2, "paper").int().T.tolist()


def test_cross_attention_ignores_padding_that_no_frame_can_see():
    """With the paper's direction real frames never look at the padding behind them."""
    qformer = build("paper")
    frames = torch.randn(2, 4 * SLOTS, WIDTH)
    frames[1, : 3 * SLOTS] = frames[0, : 3 * SLOTS]
    is_frame = torch.arange(4 * SLOTS).expand(2, -1) < 3 * SLOTS
    output = qformer(torch.randn(1, 3, 8), frames, is_frame)
    torch.testing.assert_close(output[0], output[1], atol=1e-4, rtol=1e-4)


def test_causal_attention_does_see_padding():
    """Fact 3: with the released direction the frames look forward into the padding."""
    qformer = build("released")
    frames = torch.randn(2, 4 * SLOTS, WIDTH)
    frames[1, : 3 * SLOTS] = frames[0, : 3 * SLOTS]
    is_frame = torch.arange(4 * SLOTS).expand(2, -1) < 3 * SLOTS
    output = qformer(torch.randn(1, 3, 8), frames, is_frame)
    assert (output[0] - output[1]).abs().max() > 1e-3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_block_of_padding_only_stays_finite(dtype):
    qformer = build().to(dtype)
    output = qformer(
        torch.randn(1, 3, 8).to(dtype), torch.randn(2, 4 * SLOTS, WIDTH).to(dtype) * 4, torch.zeros(2, 8) > 0
    )
    assert output.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_attends_as_float32_does(dtype):
    attention = Attention(WIDTH, WIDTH, heads=2, dropout=0.0)
    initialise(attention, seed=0)
    attention.to(dtype)
    frames = torch.randn(2, 6, WIDTH, generator=torch.Generator().manual_seed(0)).to(dtype)
    allowed = torch.ones(6, 6, dtype=torch.bool).tril(-1)  # the first sees nothing, and so everything alike
    half = attention(frames, frames, allowed)
    assert half.dtype == dtype
    exact = attention.float()(frames.float(), frames.float(), allowed)
    torch.testing.assert_close(half.float(), exact, atol=3e-2, rtol=3e-2)


def test_without_causal_attention_frames_are_a_set():
    qformer = build("none")
    assert not any("causal_attention" in name for name in qformer.state_dict())
    frames, queries = torch.randn(1, 4 * SLOTS, WIDTH), torch.randn(1, 3, 8)
    is_frame = torch.ones(1, 4 * SLOTS, dtype=torch.bool)
    forward, backward = (qformer(queries, seen, is_frame) for seen in (frames, frames.flip(1)))
    torch.testing.assert_close(forward, backward, atol=1e-4, rtol=1e-4)
