"""Filling a model with weights, one tensor at a time: at no moment is there a second copy of the model."""

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from favor.checkpoints import restore_buffers, weight_files
from favor.errors import FavorError
from favor.initialise import initial_values
from favor.placement import Placement
from favor.quantization import quantized_linear, quantized_module

BLOCK_BYTES = 16_000_000

Writer = Callable[[Tensor], None]  # writes the values of a parameter into an empty tensor


def load_weights(model: nn.Module, folder: Path, placement: Placement) -> None:
    """Fills a model with the weights of a folder.

    Args:
        model: built on the meta device.
        folder: with safetensors.
        placement: where the weights go and what they become.

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


def make_weights(model: nn.Module, seed: int, placement: Placement) -> None:
    """Fills a model that was built on the meta device with the random weights of a seed."""
    for name, parameter in list(model.named_parameters()):
        _fill(model, name, _from_seed(name, parameter, seed), placement)
    restore_buffers(model, placement.device)


def _fill(model: nn.Module, name: str, write: Writer, placement: Placement) -> None:
    """Puts a parameter, or the quantized layer that it becomes, in its place."""
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
        # Pages of a mapped file count as memory of the process until the file is closed, hence a file for each block.
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
