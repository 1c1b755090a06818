from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from favor.training.losses import diversity_loss

pytestmark = pytest.mark.numeric

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


@pytest.mark.parametrize("model", ["favor", "video_salmonn"])
def test_diversity_loss_is_that_of_the_released_code(model):
    with safe_open(GOLDEN / f"{model}_tiny.safetensors", framework="pt") as file:
        queries, expected = file.get_tensor("diversity/queries"), file.get_tensor("diversity/loss")
    torch.testing.assert_close(diversity_loss(queries), expected[0], atol=1e-4, rtol=1e-4)


def test_equal_queries_cost_one_and_orthogonal_ones_nothing():
    assert diversity_loss(torch.ones(2, 3, 4)).item() == pytest.approx(1)
    assert diversity_loss(torch.eye(3)[None]).item() == pytest.approx(0)


def test_one_query_has_nothing_to_differ_from():
    with pytest.raises(ValueError, match="got 1, needs 2"):
        diversity_loss(torch.ones(1, 1, 4))
