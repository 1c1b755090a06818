"""Filling a model with weights, one tensor at a time, so that there is never a second copy of the model."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers.models.instructblip.modeling_instructblip import InstructBlipQFormerEmbeddings
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.whisper.modeling_whisper import sinusoids

from favor.errors import FavorError
from favor.io.checksums import BLOCK_BYTES
from favor.models.favor.folder import weight_files
from favor.models.favor.quantization import quantized_linear, quantized_module
from favor.models.placement import ResolvedPlacement

Writer = Callable[[Tensor], None]  # writes the values of a parameter into an empty tensor


def load_weights(model: nn.Module, folder: Path, placement: ResolvedPlacement) -> None:
    """Fills a model with the weights of a folder.

    Args:
        model: model on the meta device.
        folder: folder with safetensors.
        placement: device and precision of the weights.

    Raises:
        FavorError: if a tensor is missing, unknown or has another shape, or a file is damaged.
    """
    missing = dict(model.named_parameters())
    for path in weight_files(folder):
        for name, shape in _shapes(path).items():
            if name not in missing:
                raise FavorError(f"{path} holds {name}, which this model does not have; its config.json does not fit")
            expected = tuple(missing.pop(name).shape)
            if shape != expected:
                raise FavorError(f"{path}: {name} has shape {shape}, the config.json wants {expected}")
            _fill(model, name, _from_file(path, name), placement)
    if missing:
        raise FavorError(f"{folder} lacks {len(missing)} tensors, such as {next(iter(missing))}; copy it again")
    restore_buffers(model, placement.device)


def make_weights(model: nn.Module, seed: int, placement: ResolvedPlacement) -> None:
    """Fills a model on the meta device with the random weights of a seed."""
    for name, parameter in list(model.named_parameters()):
        _fill(model, name, _from_seed(name, parameter, seed), placement)
    restore_buffers(model, placement.device)


def restore_buffers(model: nn.Module, device: torch.device) -> None:
    """Recomputes the buffers that are not stored: position ids and rotary frequencies."""
    for module in model.modules():
        if isinstance(module, InstructBlipQFormerEmbeddings):
            count = module.config.max_position_embeddings
            module.position_ids = torch.arange(count, device=device).expand(1, -1)
        elif isinstance(module, LlamaRotaryEmbedding):
            frequencies = LlamaRotaryEmbedding(module.config).inv_freq.to(device)
            module.inv_freq, module.original_inv_freq = frequencies, frequencies.clone()
    lost = [name for name, buffer in model.named_buffers() if buffer.is_meta]
    assert not lost, f"no rule restores the buffers {lost}"


def _fill(model: nn.Module, name: str, write: Writer, placement: ResolvedPlacement) -> None:
    """Replaces a parameter by its values, or by the quantized layer that it becomes."""
    old = model.get_parameter(name)
    values = torch.empty(old.shape, device=placement.device, dtype=placement.dtype)
    write(values)
    layer = quantized_module(name)
    if placement.quantization is not None and layer is not None:
        _replace(model, layer, quantized_linear(values, placement.quantization))
    else:
        _replace(model, name, nn.Parameter(values, requires_grad=old.requires_grad))


def _replace(model: nn.Module, name: str, value: nn.Module | nn.Parameter) -> None:
    owner, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(owner), leaf, value)


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    except SafetensorError as error:
        raise FavorError(f"{path} is damaged or no safetensors file: {error}; copy it again") from error


def _from_file(path: Path, name: str) -> Writer:
    def write(values: Tensor) -> None:
        # Pages of a mapped file count as memory of the process until it is closed, so each block opens the file anew.
        for rows in _blocks(values):
            with safe_open(path, framework="pt") as file:
                values[rows].copy_(file.get_slice(name)[rows])

    return write


def _from_seed(name: str, parameter: nn.Parameter, seed: int) -> Writer:
    def write(values: Tensor) -> None:
        values.copy_(initial_values(name, parameter, seed))

    return write


def _blocks(values: Tensor) -> Iterable[slice]:
    rows = max(1, BLOCK_BYTES * len(values) // max(1, values.nbytes))
    return (slice(start, start + rows) for start in range(0, len(values), rows))


WHISPER_POSITIONS = "embed_positions.weight"


def initialise(module: nn.Module, seed: int) -> None:
    """Fills all parameters of a module in place, each from its own generator.

    Matrices are normal with standard deviation fan_in^-0.5, so that activations and attention keep their spread in a
    model of any width; with BERT's 0.02, a narrow model would attend uniformly and give the same output for any input.

    Args:
        module: module on the CPU.
        seed: seed of the weights.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(initial_values(name, parameter, seed))


def initial_values(name: str, parameter: Tensor, seed: int) -> Tensor:
    """Returns the random values of one parameter, in float32.

    Args:
        name: name in its model, which determines the values together with the seed.
        parameter: the parameter; only its shape matters, so it may be on the meta device.
        seed: seed of the model.
    """
    if name.endswith(WHISPER_POSITIONS):
        return sinusoids(*parameter.shape)
    if name.endswith("bias") or "lora_B" in name:
        return torch.zeros(parameter.shape)
    if parameter.ndim == 1:
        return torch.ones(parameter.shape)  # the weights of norms
    generator = torch.Generator().manual_seed(_parameter_seed(name, seed))
    return torch.randn(parameter.shape, generator=generator).mul_(_fan_in(name, parameter) ** -0.5)


def _fan_in(name: str, parameter: Tensor) -> int:
    is_table = "embed" in name or "position" in name or "query_tokens" in name
    return 1 if is_table and "patch" not in name else parameter[0].numel()


def _parameter_seed(name: str, seed: int) -> int:
    digest = hashlib.blake2b(f"{seed} {name}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")
