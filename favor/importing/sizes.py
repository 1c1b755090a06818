"""A model's sizes, read from the shapes of released tensors and from the configurations released with them."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import InstructBlipConfig, LlamaConfig, WhisperConfig

from favor.errors import ConfigError, FavorError
from favor.importing.origins import Blip
from favor.importing.tensor_files import TensorSource
from favor.models.favor.config import FavorConfig
from favor.models.favor.encoders.sound import sound_config_from_cfg
from favor.structs import merge_values

Section = dict[str, Any]

BLOCK = r"blocks\.(\d+)\."
BLIP_LAYER = r"Qformer\.bert\.encoder\.layer\.(\d+)\."
CAUSAL_LAYER = r"video_Qformer\.bert\.encoder\.layer\.(\d+)\."
CROSS_LAYER = r"Qformer\.bert\.encoder\.layer\.(\d+)\.crossattention\."
LORA = "llama_model.base_model.model.model.layers.0.self_attn.{}.lora_A.default.weight"


def read_hub_sizes(
    preset: FavorConfig,
    sources: Mapping[str, TensorSource],
    hub_configs: Mapping[str, Section],
    blip: Blip,
    given: Mapping[str, Any],
) -> FavorConfig:
    """Determines the configuration of a model made from released files.

    Args:
        preset: supplies the values that are in no file.
        sources: the released weights, by option name.
        hub_configs: the content of the hub folders' ``config.json``, and BEATs' ``cfg``.
        blip: the form of InstructBLIP's release.
        given: the user's values, which override all others.

    Raises:
        FavorError: if a file lacks a tensor that a size is read from, has another kind of configuration, or the sizes
            do not make a valid model.
    """
    read = _read(preset, sources, hub_configs, blip, given)
    try:
        return preset.override(merge_values(read, given))
    except ConfigError as error:
        raise FavorError(f"the files do not make a valid model: {error}; --config sets missing values") from error


def _read(
    preset: FavorConfig,
    sources: Mapping[str, TensorSource],
    hub_configs: Mapping[str, Section],
    blip: Blip,
    given: Mapping[str, Any],
) -> dict[str, Section]:
    """Reads the sizes in the files, by section of the configuration."""
    whisper, llama = speech_sizes(hub_configs["whisper"]), language_sizes(hub_configs["llm"])
    check_layers(sources["whisper"], r"encoder\.layers\.(\d+)\.", whisper["encoder_layers"])
    check_layers(sources["llm"], r"model\.layers\.(\d+)\.", llama["num_hidden_layers"])
    if blip == "hub":
        read = blip_sizes(hub_configs["instructblip"])
        layers = read["visual"]["num_hidden_layers"]
        check_layers(sources["instructblip"], r"vision_model\.encoder\.layers\.(\d+)\.", layers)
    else:
        image_qformer = image_qformer_sizes(sources["instructblip"], preset)
        read = {"visual": visual_sizes(sources["eva"], preset), "image_qformer": image_qformer}
    read |= {"speech": whisper, "language": llama, "causal_qformer": causal_qformer_sizes(sources["delta"], preset)}
    positions = read["image_qformer"]["max_position_embeddings"]
    read["prompt"] = {"max_question_tokens": min(preset.prompt.max_question_tokens, positions)}
    if preset.lora is not None and given.get("lora", preset.lora) is not None:
        read["lora"] = lora_sizes(sources["delta"], preset.lora.targets)
    if "beats" in sources:
        read["sound"] = dataclasses.asdict(sound_config_from_cfg(hub_configs["beats"]))
    return read


def visual_sizes(eva: TensorSource, preset: FavorConfig) -> Section:
    """Reads the ViT's sizes; one extra block, which the release may hold, is ignored."""
    _, tokens, width = eva.shape("pos_embed", 3)
    patch = eva.shape("patch_embed.proj.weight", 4)[-1]
    blocks = len(eva.indices(BLOCK))
    expected = preset.visual.num_hidden_layers
    return {
        "hidden_size": width,
        "intermediate_size": eva.shape("blocks.0.mlp.fc1.weight", 2)[0],
        "num_hidden_layers": expected if blocks == expected + 1 else blocks,
        "image_size": math.isqrt(max(tokens - 1, 0)) * patch,
        "patch_size": patch,
    }


def image_qformer_sizes(blip: TensorSource, preset: FavorConfig) -> Section:
    """Reads the image Q-Former's sizes."""
    embeddings = "Qformer.bert.embeddings"
    vocabulary, width = blip.shape(f"{embeddings}.word_embeddings.weight", 2)
    layers, crossing = len(blip.indices(BLIP_LAYER)), sorted(blip.indices(CROSS_LAYER))
    frequency = preset.image_qformer.cross_attention_frequency
    if crossing != list(range(0, layers, frequency)):
        frequency = crossing[1] if len(crossing) > 1 else max(layers, 1)
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "intermediate_size": blip.shape("Qformer.bert.encoder.layer.0.intermediate_query.dense.weight", 2)[0],
        "max_position_embeddings": blip.shape(f"{embeddings}.position_embeddings.weight", 2)[0],
        "cross_attention_frequency": frequency,
        "num_query_tokens": blip.shape("query_tokens", 3)[1],
    }


def causal_qformer_sizes(delta: TensorSource, preset: FavorConfig) -> Section:
    """Reads the causal Q-Former's sizes; the number of frames per block comes from the preset."""
    frames = [frames for frames, _ in preset.causal_qformer.resolutions]
    queries = [delta.shape(f"{name}_query_tokens", 3)[1] for name in ("video", "low")[: len(frames)]]
    return {
        "hidden_size": delta.shape("video_query_tokens", 3)[2],
        "num_hidden_layers": len(delta.indices(CAUSAL_LAYER)),
        "intermediate_size": delta.shape("video_Qformer.bert.encoder.layer.0.intermediate_query.dense.weight", 2)[0],
        "resolutions": list(zip(frames, queries, strict=True)),
        "max_positions": delta.shape("video_frame_position_embedding.weight", 2)[0],
    }


def lora_sizes(delta: TensorSource, targets: tuple[str, ...]) -> Section:
    """Reads the adapters' rank; ``alpha`` is in no file."""
    return {"rank": delta.shape(LORA.format(targets[0]), 2)[0]}


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
LLAMA_SIZES = (
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


def blip_sizes(config: Section) -> dict[str, Section]:
    """Reads the sizes of the ViT and the image Q-Former from InstructBLIP's ``config.json``.

    Raises:
        FavorError: if it is not a configuration of InstructBLIP.
    """
    blip = _parse("InstructBLIP", InstructBlipConfig, config)
    image_qformer = {name: getattr(blip.qformer_config, name) for name in IMAGE_QFORMER}
    return {
        "visual": {name: getattr(blip.vision_config, name) for name in VISUAL},
        "image_qformer": {**image_qformer, "num_query_tokens": blip.num_query_tokens},
    }


def speech_sizes(config: Section) -> Section:
    """Reads the sizes of Whisper's encoder.

    Raises:
        FavorError: if the folder holds another kind of model.
    """
    _expect("Whisper", config, {"model_type": "whisper", "activation_function": "gelu", "scale_embedding": False})
    whisper = _parse("Whisper", WhisperConfig, config)
    return {name: getattr(whisper, name) for name in SPEECH}


def language_sizes(config: Section) -> Section:
    """Reads the LLM's sizes.

    Raises:
        FavorError: if the folder holds another kind of model, or a variant of Llama that FAVOR does not use.
    """
    form = {"model_type": "llama", "hidden_act": "silu", "attention_bias": False, "mlp_bias": False}
    _expect("the LLM", config, {**form, "tie_word_embeddings": False, "rope_scaling": None})
    llama = _parse("the LLM", LlamaConfig, config)
    rope = llama.rope_parameters
    _expect("the LLM's rope_parameters", rope, {"rope_type": "default"})
    _expect("the LLM", {"head_dim": llama.head_dim}, {"head_dim": llama.hidden_size // llama.num_attention_heads})
    pad = llama.pad_token_id
    return {
        **{name: getattr(llama, name) for name in LLAMA_SIZES},
        "rope_theta": rope["rope_theta"],
        "pad_token_id": None if pad is None or pad < 0 else pad,  # -1 in early Llamas
    }


def _parse(whose: str, kind: type, config: Section) -> Any:
    """Parses a ``config.json``, filling in the defaults of omitted values."""
    try:
        return kind(**config)
    except (StrictDataclassError, AttributeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise FavorError(f"{whose}: config.json is not what it should be: {reason}; is it the right folder?") from error


def check_layers(source: TensorSource, pattern: str, layers: int) -> None:
    """Compares a configuration's number of layers with its weights, before anything of that size is built.

    Args:
        source: the weights.
        pattern: a regular expression for keys, whose first group is a layer's number.
        layers: the number of layers in the configuration.

    Raises:
        FavorError: if the weights have another number of layers.
    """
    found = len(source.indices(pattern))
    if found != layers:
        raise FavorError(f"{source.path} holds the weights of {found} layers, its config.json says {layers}")


def _expect(whose: str, config: Mapping[str, Any], form: Mapping[str, Any]) -> None:
    for name, value in form.items():
        if config.get(name, value) != value:
            raise FavorError(f"{whose}: config.json has {name} = {config[name]!r}; only {value!r} is supported")
