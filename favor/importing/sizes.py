"""A model's sizes, read from the shapes of released tensors and from what stands beside them."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from favor.config import FavorConfig
from favor.encoders.sound import sound_config_from_cfg
from favor.errors import FavorError
from favor.importing.hub_sizes import Values, blip_sizes, check_layers, language_sizes, speech_sizes
from favor.importing.origins import Blip
from favor.importing.tensor_files import TensorSource
from favor.values import ConfigError, merge_values

BLOCK = r"blocks\.(\d+)\."
BLIP_LAYER = r"Qformer\.bert\.encoder\.layer\.(\d+)\."
CAUSAL_LAYER = r"video_Qformer\.bert\.encoder\.layer\.(\d+)\."
CROSS_LAYER = r"Qformer\.bert\.encoder\.layer\.(\d+)\.crossattention\."
LORA = "llama_model.base_model.model.model.layers.0.self_attn.{}.lora_A.default.weight"


def read_config(
    preset: FavorConfig,
    sources: Mapping[str, TensorSource],
    hub_configs: Mapping[str, Values],
    blip: Blip,
    given: Mapping[str, Any],
) -> FavorConfig:
    """The configuration of a model that is to be made of released files.

    Args:
        preset: where what no file tells comes from.
        sources: the released weights.
        hub_configs: the content of the hub folders' ``config.json``, and BEATs' ``cfg``.
        blip: the form of InstructBLIP's release.
        given: the user's values, which win over everything.

    Raises:
        FavorError: if a file lacks a tensor that tells a size, or the sizes make no model.
    """
    read = _read(preset, sources, hub_configs, blip, given)
    try:
        return preset.override(merge_values(read, given))
    except ConfigError as error:
        raise FavorError(f"the files make no model: {error}; --config sets what they do not tell") from error


def _read(
    preset: FavorConfig,
    sources: Mapping[str, TensorSource],
    hub_configs: Mapping[str, Values],
    blip: Blip,
    given: Mapping[str, Any],
) -> dict[str, Values]:
    """What the files tell, by the sections of a configuration."""
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


def visual_sizes(eva: TensorSource, preset: FavorConfig) -> Values:
    """The ViT's sizes; of one block too many, which the release may hold, nothing is used."""
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


def image_qformer_sizes(blip: TensorSource, preset: FavorConfig) -> Values:
    """The image Q-Former's sizes."""
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


def causal_qformer_sizes(delta: TensorSource, preset: FavorConfig) -> Values:
    """The causal Q-Former's sizes; how many frames a block has is told by the preset."""
    frames = [frames for frames, _ in preset.causal_qformer.resolutions]
    queries = [delta.shape(f"{name}_query_tokens", 3)[1] for name in ("video", "low")[: len(frames)]]
    return {
        "hidden_size": delta.shape("video_query_tokens", 3)[2],
        "num_hidden_layers": len(delta.indices(CAUSAL_LAYER)),
        "intermediate_size": delta.shape("video_Qformer.bert.encoder.layer.0.intermediate_query.dense.weight", 2)[0],
        "resolutions": list(zip(frames, queries, strict=True)),
        "max_positions": delta.shape("video_frame_position_embedding.weight", 2)[0],
    }


def lora_sizes(delta: TensorSource, targets: tuple[str, ...]) -> Values:
    """The adapters' rank; ``alpha`` stands in no file."""
    return {"rank": delta.shape(LORA.format(targets[0]), 2)[0]}
