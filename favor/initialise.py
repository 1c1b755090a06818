"""Seeded random weights: the same on each machine and at each load, whatever the global random state is."""

import hashlib

import torch
from torch import Tensor, nn
from transformers.models.whisper.modeling_whisper import sinusoids

WHISPER_POSITIONS = "embed_positions.weight"


def initialise(module: nn.Module, seed: int) -> None:
    """Fills all parameters of a module in place, each from a generator of its own.

    Matrices are normal with deviation fan_in^-0.5, so that activations and attention keep their spread in a model of
    any width; with BERT's 0.02 the attention of a narrow model would be uniform and its output the same for any input.

    Args:
        module: of CPU tensors.
        seed: a number; another one gives other weights.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(initial_values(name, parameter, seed))


def initial_values(name: str, parameter: Tensor, seed: int) -> Tensor:
    """The random values of one parameter, in float32.

    Args:
        name: in its model; it decides the values together with the seed.
        parameter: of which only the shape matters, so it may be on the meta device.
        seed: of the model.
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
