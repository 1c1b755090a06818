"""The origin of each of our parameters in the released files."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

from favor.importing.names import image_qformer_names, released_names, visual_biases, visual_names
from favor.models.favor.config import FavorConfig
from favor.models.favor.model import FavorModel

TensorShape = tuple[int, ...]
Blip = Literal["lavis", "hub"]  # the two forms of InstructBLIP's release; the hub's includes the ViT


def copy(tensor: Tensor) -> Tensor:
    """Returns the released tensor unchanged."""
    return tensor


def join_biases(query: Tensor, value: Tensor) -> Tensor:
    """Joins two (width,) biases into one (3 * width,), with zeros for the keys, which have no bias in EVA."""
    return torch.cat([query, torch.zeros_like(query), value])


def merge_lora(base: Tensor, down: Tensor, up: Tensor, *, scale: float) -> Tensor:
    """Adds an adapter to the weight that it adapts, in float32.

    Args:
        base: the weight, (out, in).
        down: the adapter's A, (rank, in).
        up: the adapter's B, (out, rank).
        scale: alpha / rank.
    """
    return (base.float() + scale * (up.float() @ down.float())).to(base.dtype)


@dataclasses.dataclass(frozen=True)
class Origin:
    """The released tensors that one of our parameters is made from.

    Attributes:
        keys: (source, key) of each released tensor.
        combine: computes the parameter from these tensors.
    """

    keys: tuple[tuple[str, str], ...]
    combine: Callable[..., Tensor] = copy

    def key_shape(self, shape: TensorShape) -> TensorShape:
        """Returns the shape of each released tensor for a parameter of this shape; not for merged adapters."""
        return (shape[0] // 3,) if self.combine is join_biases else shape


def parameter_shapes(config: FavorConfig) -> dict[str, TensorShape]:
    """Returns the shapes of all parameters of a model by name, without allocating memory for them."""
    with torch.device("meta"):
        model = FavorModel(config)
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def origins(config: FavorConfig, names: Mapping[str, TensorShape], blip: Blip) -> dict[str, Origin]:
    """Finds the origin of each parameter in the released files; adapters stay separate.

    Args:
        config: the model's configuration.
        names: the model's parameters.
        blip: the form of InstructBLIP's release.

    Returns:
        The origin of each parameter, by name.
    """
    named = {name: Origin((("delta", key),)) for name, key in released_names(config).items()}
    named |= _lavis_origins(config) if blip == "lavis" else _hub_origins(names)
    for name in _in(names, "speech"):
        named[name] = Origin((("whisper", name.replace("speech.whisper.", "encoder.")),))
    for name in _in(names, "sound"):
        named[name] = Origin((("beats", name.removeprefix("sound.")),))
    for name in _in(names, "llm"):
        if ".lora_" not in name:
            named[name] = Origin((("llm", name.removeprefix("llm.").replace(".base_layer.", ".")),))
    lost = names.keys() ^ named.keys()
    assert not lost, f"no rule for {sorted(lost)[:3]}"
    return {name: named[name] for name in names}


def merged(config: FavorConfig, adapted: Mapping[str, Origin]) -> dict[str, Origin]:
    """Returns the origins for the same model with its adapters merged into the weights.

    Args:
        config: the configuration of the model with adapters.
        adapted: the origins of its parameters.
    """
    assert config.lora is not None, "there is nothing to merge"
    merge = functools.partial(merge_lora, scale=config.lora.alpha / config.lora.rank)
    whole: dict[str, Origin] = {}
    for name, origin in adapted.items():
        module, is_base, leaf = name.partition(".base_layer.")
        if is_base:
            sides = [adapted[f"{module}.lora_{side}.default.weight"].keys[0] for side in "AB"]
            whole[f"{module}.{leaf}"] = Origin((origin.keys[0], *sides), merge)
        elif ".lora_" not in name:
            whole[name] = origin
    return whole


def released_layout(config: FavorConfig, blip: Blip = "lavis") -> dict[str, dict[str, TensorShape]]:
    """Returns a model's tensor shapes in the released files, such as ``{"delta": {"llama_proj.bias": (5120,)}}``."""
    shapes = parameter_shapes(config)
    layout: dict[str, dict[str, TensorShape]] = {}
    for name, origin in origins(config, shapes, blip).items():
        for source, key in origin.keys:
            layout.setdefault(source, {})[key] = origin.key_shape(shapes[name])
    return layout


def _lavis_origins(config: FavorConfig) -> dict[str, Origin]:
    named = {name: Origin((("eva", key),)) for name, key in visual_names(config).items()}
    for name, (query, value) in visual_biases(config).items():
        named[name] = Origin((("eva", query), ("eva", value)), join_biases)
    return named | {name: Origin((("instructblip", key),)) for name, key in image_qformer_names(config).items()}


def _hub_origins(names: Mapping[str, TensorShape]) -> dict[str, Origin]:
    ours = {"visual.vit.": "vision_model.", "image_qformer.qformer.": "qformer.", "image_qformer.": ""}
    hub_names = {}
    for name in _in(names, "visual") + _in(names, "image_qformer"):
        prefix = next(prefix for prefix in ours if name.startswith(prefix))
        hub_names[name] = ours[prefix] + name.removeprefix(prefix)
    return {name: Origin((("instructblip", key),)) for name, key in hub_names.items()}


def _in(names: Mapping[str, TensorShape], module: str) -> list[str]:
    return [name for name in names if name.startswith(f"{module}.")]
