import math
import re
from pathlib import Path

import pytest
import torch

from favor.importing.names import SKIPPED, canonical, image_qformer_names, released_names, visual_biases, visual_names
from favor.models.favor.model import FavorModel
from favor.models.favor.presets import FAVOR_13B, VIDEO_SALMONN_13B

CHECKPOINTS = Path(__file__).parents[1] / "data" / "checkpoints"


def read_checkpoint(name):
    lines = (CHECKPOINTS / f"{name}.txt").read_text().splitlines()
    found = [re.fullmatch(r"(\S+?)\s*\(([\d, ]+)\)", line) for line in lines if line.strip()]
    return {match[1]: tuple(int(size) for size in match[2].split(",") if size.strip()) for match in found}


def build(config):
    with torch.device("meta"):
        return FavorModel(config)


@pytest.mark.parametrize(
    ("config", "tensors", "trained"), [(FAVOR_13B, 82, 103_826_176), (VIDEO_SALMONN_13B, 159, 203_577_088)]
)
def test_every_released_parameter_has_a_place_of_the_same_shape(config, tensors, trained):
    released = read_checkpoint(config.name)
    assert len(released) == tensors
    shapes = {name: tuple(parameter.shape) for name, parameter in build(config).named_parameters()}
    names = released_names(config)
    lora = {ours for ours in names if ".lora_" in ours}
    assert len(lora) == 320
    assert {names[ours] for ours in names if ours not in lora} == {n for n in released if not SKIPPED.match(n)}
    for ours, theirs in names.items():
        assert ours in lora or shapes[ours] == released[theirs], ours
    assert {shapes[ours] for ours in lora} == {(32, 5120), (5120, 32)}
    unused = sum(math.prod(shape) for name, shape in released.items() if SKIPPED.match(name))
    assert sum(math.prod(shapes[ours]) for ours in names) + unused == trained


def test_lora_has_its_released_names():
    names = released_names(FAVOR_13B)
    ours = "llm.model.layers.39.self_attn.o_proj.lora_B.default.weight"
    assert names[ours] == "llama_model.base_model.model.model.layers.39.self_attn.o_proj.lora_B.default.weight"


def test_every_parameter_of_the_model_comes_from_one_released_file():
    model = build(FAVOR_13B)
    hub = re.compile(r"speech\.whisper\.|llm\.(?!.*\.lora_)")  # Whisper and Llama keep their hub folders' names
    ours = {name for name, _ in model.named_parameters() if not hub.match(name)}
    named = [
        *released_names(FAVOR_13B),
        *visual_names(FAVOR_13B),
        *visual_biases(FAVOR_13B),
        *image_qformer_names(FAVOR_13B),
    ]
    assert len(named) == len(set(named))
    assert set(named) == ours


def test_the_vision_transformer_has_its_published_size():
    vit = build(FAVOR_13B).visual.vit
    biases_of_keys = 39 * 1408  # zeros here, absent there
    last_norm = 2 * 1408
    assert sum(p.numel() for p in vit.parameters()) - biases_of_keys - last_norm == 985_894_528


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("speech_Qformer.bert.embeddings.LayerNorm.weight", "video_Qformer.bert.embeddings.LayerNorm.weight"),
        ("joint_query_tokens", "video_query_tokens"),
        ("llama_proj_joint.bias", "llama_proj.bias"),
        ("ln_speech.weight", "ln_video.weight"),
        ("joint_frame_position_embedding.weight", "video_frame_position_embedding.weight"),
        ("llama_proj.weight", "llama_proj.weight"),
    ],
)
def test_aliases_are_one_parameter(alias, name):
    assert canonical(alias) == name
