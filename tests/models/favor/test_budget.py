import pytest
import torch

from favor.models.favor.budget import cache_bytes, sub_batches, token_budget
from favor.models.favor.config import LanguageConfig
from favor.models.favor.presets import FAVOR_7B, FAVOR_13B


@pytest.mark.parametrize(
    ("lengths", "new_tokens", "beams", "budget", "expected"),
    [
        ([5, 5, 5], 5, 1, 30, [[0, 1, 2]]),
        ([5, 5, 5], 5, 1, 29, [[0, 1], [2]]),
        ([9, 1, 5], 1, 1, 12, [[1, 2], [0]]),  # the longest prompt counts for all rows
        ([5, 5], 5, 2, 30, [[0], [1]]),
        ([50, 1], 1, 1, 10, [[1], [0]]),  # more than the budget all by itself
        ([], 5, 1, 10, []),
    ],
)
def test_batches_stay_within_the_budget(lengths, new_tokens, beams, budget, expected):
    assert sub_batches(lengths, new_tokens, beams, budget) == expected


def test_the_cache_of_a_token_of_vicuna():
    assert cache_bytes(FAVOR_13B.language, torch.float16) == 2 * 40 * 5120 * 2
    assert cache_bytes(FAVOR_7B.language, torch.float32) == 2 * 32 * 4096 * 4


def test_shared_heads_share_their_cache():
    sizes = LanguageConfig(hidden_size=64, num_attention_heads=8, num_key_value_heads=2, num_hidden_layers=3)
    assert cache_bytes(sizes, torch.float32) == 2 * 3 * 16 * 4


def test_the_budget_of_a_cpu_does_not_depend_on_what_is_free():
    assert token_budget(FAVOR_13B, torch.device("cpu"), torch.float32) == 2621
