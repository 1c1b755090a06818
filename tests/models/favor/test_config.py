import json

import pytest
from transformers import InstructBlipVisionConfig

from favor.errors import ConfigError
from favor.models.favor.config import CausalQFormerConfig, FavorConfig
from favor.models.favor.presets import FAVOR_13B, PRESETS, VIDEO_SALMONN_13B, preset


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name):
    config = preset(name)
    assert FavorConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_sections_use_the_names_of_transformers():
    section = FAVOR_13B.to_dict()["visual"]
    assert InstructBlipVisionConfig(**section).num_attention_heads == 16


def test_frame_width_is_one_hidden_size_for_each_encoder():
    assert FAVOR_13B.frame_width == 1536
    assert VIDEO_SALMONN_13B.frame_width == 2304


def test_override_reaches_into_sections():
    config = FAVOR_13B.override({"visual": {"num_attention_heads": 4}, "lora": {"alpha": 4}})
    assert config.visual.num_attention_heads == 4
    assert config.lora.alpha == 4
    assert config.lora.rank == 32
    assert config.override({"lora": None}).lora is None


def test_resolutions_are_read_from_lists():
    config = FAVOR_13B.override({"causal_qformer": {"resolutions": [[10, 30], [1, 3]]}})
    assert config.causal_qformer.resolutions == ((10, 30), (1, 3))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"visul": {}}, "config has no key 'visul'; it knows name, visual"),
        ({"visual": {"heads": 3}}, "config.visual has no key 'heads'"),
        ({"visual": 3}, "config.visual must be an object"),
        ({"visual": {"num_attention_heads": 5}}, "visual: width 1408 cannot be split over 5 attention heads"),
        ({"visual": {"num_attention_heads": 0}}, "0 attention heads"),
        ({"visual": {"image_size": 225}}, "image_size 225 is not a multiple of visual.patch_size 14"),
        ({"visual": {"image_size": "big"}}, "config.visual.image_size must be int; got 'big'"),
        ({"visual": {"image_size": -1}}, "must not be negative"),
        ({"image_qformer": {"num_query_tokens": 24}}, "too few slots for the 25 audio tokens"),
        ({"image_qformer": {"hidden_size": 384}}, "must equal causal_qformer.hidden_size 768"),
        ({"causal_qformer": {"direction": "back"}}, "must be one of released, paper, none"),
        ({"causal_qformer": {"resolutions": []}}, "resolutions is empty"),
        ({"causal_qformer": {"resolutions": [[10, 30], [3, 9]]}}, r"\(3, 9\) does not split"),
        ({"causal_qformer": {"resolutions": [[10]]}}, "must have 2 entries"),
        ({"causal_qformer": {"resolutions": 10}}, "must be a list"),
        ({"causal_qformer": {"max_positions": 319}}, "does not fit in causal_qformer.max_positions 319"),
        ({"prompt": {"after": "</Img>"}}, "lacks {instruction}"),
        ({"prompt": {"max_question_tokens": 513}}, "exceeds image_qformer.max_position_embeddings 512"),
        ({"frame_sampling": "random"}, "must be one of even, released"),
    ],
)
def test_errors_name_the_value_and_the_remedy(values, message):
    with pytest.raises(ConfigError, match=message):
        FAVOR_13B.override(values)


def test_zero_frames_in_a_block_are_refused():
    with pytest.raises(ConfigError, match=r"\(0, 32\) does not split"):
        CausalQFormerConfig(resolutions=((0, 32),))


def test_unknown_models_are_listed():
    with pytest.raises(ConfigError, match="no model named 'favor-1b'; there are favor-mini"):
        preset("favor-1b")
