"""Where a model computes, and in which precision."""

import dataclasses
from typing import Literal, cast

import torch

from favor.errors import ConfigError, FavorError

Quantization = Literal["int8", "int4"]
QUANTIZATIONS = ("int8", "int4")
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where weights go, and what they become.

    Attributes:
        device: of all weights.
        dtype: of all weights but the quantized ones, and of the computation.
        quantization: of the linear layers of the LLM, or None.
    """

    device: torch.device
    dtype: torch.dtype
    quantization: Quantization | None = None


def choose_device(device: str) -> torch.device:
    """The device of a name, "auto" being a GPU if there is one.

    Raises:
        FavorError: if there is no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise FavorError(f"device {device!r} is unknown; give auto, cpu, cuda or cuda:1") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise FavorError(f"device {device!r}: torch finds no CUDA GPU here; give cpu or auto")
    return chosen


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The type of a name, "auto" being float16 on a GPU and float32 elsewhere.

    Raises:
        ConfigError: for an unknown name.
    """
    if dtype == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    if dtype not in DTYPES:
        raise ConfigError(f"dtype {dtype!r} is unknown; it must be auto or one of {', '.join(DTYPES)}")
    return DTYPES[dtype]


def check_quantization(kind: str | None) -> Quantization | None:
    """Returns what was given.

    Raises:
        ConfigError: if it is no kind of quantization.
    """
    if kind is not None and kind not in QUANTIZATIONS:
        raise ConfigError(f"quantization {kind!r} is not supported; give None or one of {', '.join(QUANTIZATIONS)}")
    return cast(Quantization | None, kind)
