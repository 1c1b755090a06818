"""A model's sizes, read from the hub folders' configurations."""

from collections.abc import Mapping
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import InstructBlipConfig, LlamaConfig, WhisperConfig

from favor.errors import FavorError
from favor.importing.tensor_files import TensorSource

Values = dict[str, Any]

VISUAL = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "image_size",
    "patch_size",
)
IMAGE_QFORMER = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "cross_attention_frequency",
)
SPEECH = (
    "d_model",
    "encoder_layers",
    "encoder_attention_heads",
    "encoder_ffn_dim",
    "num_mel_bins",
    "max_source_positions",
)
LANGUAGE = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "rms_norm_eps",
    "bos_token_id",
    "eos_token_id",
)


def blip_sizes(config: Values) -> dict[str, Values]:
    """The sizes of ViT and image Q-Former in InstructBLIP's hub folder."""
    blip = _parse("InstructBLIP", InstructBlipConfig, config)
    image_qformer = {name: getattr(blip.qformer_config, name) for name in IMAGE_QFORMER}
    return {
        "visual": {name: getattr(blip.vision_config, name) for name in VISUAL},
        "image_qformer": {**image_qformer, "num_query_tokens": blip.num_query_tokens},
    }


def speech_sizes(config: Values) -> Values:
    """The sizes of Whisper's encoder.

    Raises:
        FavorError: if the folder holds another kind of model.
    """
    _expect("Whisper", config, {"model_type": "whisper", "activation_function": "gelu", "scale_embedding": False})
    whisper = _parse("Whisper", WhisperConfig, config)
    return {name: getattr(whisper, name) for name in SPEECH}


def language_sizes(config: Values) -> Values:
    """The LLM's sizes.

    Raises:
        FavorError: if the folder holds another kind of model, or a Llama of a form that FAVOR does not use.
    """
    form = {"model_type": "llama", "hidden_act": "silu", "attention_bias": False, "mlp_bias": False}
    _expect("the LLM", config, {**form, "tie_word_embeddings": False, "rope_scaling": None})
    llama = _parse("the LLM", LlamaConfig, config)
    rope = llama.rope_parameters
    _expect("the LLM's rope_parameters", rope, {"rope_type": "default"})
    _expect("the LLM", {"head_dim": llama.head_dim}, {"head_dim": llama.hidden_size // llama.num_attention_heads})
    pad = llama.pad_token_id
    return {
        **{name: getattr(llama, name) for name in LANGUAGE},
        "rope_theta": rope["rope_theta"],
        "pad_token_id": None if pad is None or pad < 0 else pad,  # early Llamas say -1
    }


def _parse(whose: str, kind: type, config: Values) -> Any:
    """Fills in what a ``config.json`` leaves out."""
    try:
        return kind(**config)
    except (StrictDataclassError, AttributeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise FavorError(f"{whose}: config.json is not what it should be: {reason}; is it the right folder?") from error


def check_layers(source: TensorSource, pattern: str, layers: int) -> None:
    """Compares a configuration with the weights beside it, before anything is built of its size.

    Args:
        source: the weights.
        pattern: whose first group is the number of a layer.
        layers: how many there should be.

    Raises:
        FavorError: if there are not.
    """
    found = len(source.indices(pattern))
    if found != layers:
        raise FavorError(f"{source.path} holds the weights of {found} layers, its config.json says {layers}")


def _expect(whose: str, config: Mapping[str, Any], form: Mapping[str, Any]) -> None:
    for name, value in form.items():
        if config.get(name, value) != value:
            raise FavorError(f"{whose}: config.json has {name} = {config[name]!r}; only {value!r} is supported")
