import math
import re
from pathlib import Path

import pytest
import torch

from favor.importing.names import SKIPPED
from favor.importing.origins import join_biases, merge_lora, released_layout
from favor.models.favor.presets import FAVOR_13B, VIDEO_SALMONN_13B

CHECKPOINTS = Path(__file__).parents[1] / "data" / "checkpoints"


@pytest.fixture(scope="module", params=[FAVOR_13B, VIDEO_SALMONN_13B], ids=lambda config: config.name)
def layout(request):
    return request.param, released_layout(request.param)


def listed(name):
    lines = (CHECKPOINTS / f"{name}.txt").read_text().splitlines()
    found = [re.fullmatch(r"(\S+?)\s*\(([\d, ]+)\)", line) for line in lines if line.strip()]
    return {match[1]: tuple(int(size) for size in match[2].split(",") if size.strip()) for match in found}


def test_the_delta_has_the_published_names_and_shapes(layout):
    config, files = layout
    published = {key: shape for key, shape in listed(config.name).items() if not SKIPPED.match(key)}
    adapters = {key: shape for key, shape in files["delta"].items() if ".lora_" in key}
    assert len(adapters) == 320
    assert {key: shape for key, shape in files["delta"].items() if key not in adapters} == published


def test_the_vit_has_its_published_size(layout):
    _, files = layout
    assert sum(math.prod(shape) for shape in files["eva"].values()) == 985_894_528
    assert files["eva"]["blocks.38.attn.q_bias"] == (1408,)


def test_files_without_a_sound_event_encoder_have_none(layout):
    config, files = layout
    assert ("beats" in files) == (config.sound is not None)


def test_the_hub_holds_vit_and_image_qformer_together():
    files = released_layout(FAVOR_13B, "hub")
    assert "eva" not in files
    assert files["instructblip"]["vision_model.encoder.layers.38.self_attn.qkv.bias"] == (3 * 1408,)
    assert files["instructblip"]["query_tokens"] == (1, 32, 768)


def test_biases_of_keys_are_zero():
    assert join_biases(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])).tolist() == [1, 2, 0, 0, 3, 4]


def test_merging_rounds_once():
    base, down, up = torch.tensor([[1.0]]).half(), torch.tensor([[0.01]]).half(), torch.tensor([[0.03]]).half()
    exact = 1 + 2 * down.double() * up.double()
    assert merge_lora(base, down, up, scale=2.0).item() == exact.half().item()
