"""The sizes of the named models, from the papers and the released code."""

from favor.errors import ConfigError
from favor.models.favor.config import (
    CausalQFormerConfig,
    FavorConfig,
    ImageQFormerConfig,
    LanguageConfig,
    LoraConfig,
    PromptConfig,
    SoundConfig,
    SpeechConfig,
    VisualConfig,
)

FAVOR_13B = FavorConfig(name="favor-13b")

FAVOR_7B = FavorConfig(
    name="favor-7b",
    language=LanguageConfig(hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32),
)

VIDEO_SALMONN_13B = FavorConfig(
    name="video-salmonn-13b",
    sound=SoundConfig(),
    causal_qformer=CausalQFormerConfig(resolutions=((10, 30), (1, 3))),
    language=LanguageConfig(max_position_embeddings=4096, rms_norm_eps=1e-5),  # Vicuna v1.5 is a Llama 2
    prompt=PromptConfig(max_question_tokens=512),
)

# Small enough for two CPU cores; the speech encoder has exactly the shape of Whisper tiny.en's.
FAVOR_MINI = FavorConfig(
    name="favor-mini",
    visual=VisualConfig(
        hidden_size=160,
        intermediate_size=640,
        num_hidden_layers=5,
        num_attention_heads=5,
        image_size=128,
        patch_size=16,
    ),
    image_qformer=ImageQFormerConfig(
        vocab_size=1024,
        hidden_size=192,
        num_hidden_layers=2,
        num_attention_heads=6,
        intermediate_size=768,
        max_position_embeddings=256,
    ),
    speech=SpeechConfig(  # Whisper tiny.en's, for 5 s at a time: a block of the causal Q-Former
        d_model=384,
        encoder_layers=4,
        encoder_attention_heads=6,
        encoder_ffn_dim=1536,
        max_source_positions=250,
    ),
    causal_qformer=CausalQFormerConfig(
        hidden_size=192, num_attention_heads=6, intermediate_size=768, max_positions=320, direction="paper"
    ),
    language=LanguageConfig(
        vocab_size=2048,
        hidden_size=256,
        intermediate_size=684,
        num_hidden_layers=5,
        num_attention_heads=8,
    ),
    lora=LoraConfig(rank=8, alpha=8),
    frame_sampling="even",
)

PRESETS = {config.name: config for config in (FAVOR_MINI, FAVOR_7B, FAVOR_13B, VIDEO_SALMONN_13B)}


def preset(name: str) -> FavorConfig:
    """Returns the sizes of a named model.

    Raises:
        ConfigError: if there is no such model.
    """
    if name not in PRESETS:
        raise ConfigError(f"there is no model named {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
