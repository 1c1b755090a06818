"""The device and precision of a model: as requested, and as resolved on the machine that loads it."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Literal, cast

from favor.errors import ConfigError, FavorError

if TYPE_CHECKING:
    import torch

Quantization = Literal["int8", "int4"]
QUANTIZATIONS = ("int8", "int4")
DTYPES = ("float32", "float16", "bfloat16")
DEVICE = re.compile(r"auto|(cpu|cuda|hpu|mps|mtia|xla|xpu)(:\d+)?")


@dataclasses.dataclass(frozen=True)
class Placement:
    """The requested device and precision; the machine that loads the model resolves them.

    Attributes:
        device: ``auto`` for a GPU if there is one, or a torch device name.
        dtype: type of weights and computation: ``auto`` for the one that suits the device, or one of ``DTYPES``.
        quantization: quantization of the language model: None, ``int8`` or ``int4``.

    Raises:
        ConfigError: for an unknown device, dtype or quantization.
    """

    device: str = "auto"
    dtype: str = "auto"
    quantization: str | None = None

    def __post_init__(self) -> None:
        if not DEVICE.fullmatch(self.device):
            raise ConfigError(f"device {self.device!r} is unknown; give auto, cpu, cuda or cuda:1")
        if self.dtype not in ("auto", *DTYPES):
            raise ConfigError(f"dtype {self.dtype!r} is unknown; it must be auto or one of {', '.join(DTYPES)}")
        if self.quantization not in (None, *QUANTIZATIONS):
            known = ", ".join(QUANTIZATIONS)
            raise ConfigError(f"quantization {self.quantization!r} is not supported; give None or one of {known}")

    @property
    def precision(self) -> str:
        """The type and quantization of the weights, for display."""
        return f"{self.dtype}, {self.quantization or 'not'} quantized"

    def resolved(self) -> ResolvedPlacement:
        """Resolves each ``auto`` for this machine.

        Raises:
            FavorError: if this machine lacks the device.
        """
        device = choose_device(self.device)
        quantization = cast(Quantization | None, self.quantization)
        return ResolvedPlacement(device, choose_dtype(self.dtype, device), quantization)


@dataclasses.dataclass(frozen=True)
class ResolvedPlacement:
    """The device and precision of a model on this machine.

    Attributes:
        device: device of all weights.
        dtype: type of all weights except the quantized ones, and of the computation.
        quantization: quantization of the LLM's linear layers, or None.
    """

    device: torch.device
    dtype: torch.dtype
    quantization: Quantization | None = None


def choose_device(device: str) -> torch.device:
    """Returns the device of a name; "auto" is a GPU if there is one.

    Raises:
        FavorError: if the device is unknown, or this machine lacks it.
    """
    import torch

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
    """Returns the type of a name; "auto" is float16 on a GPU and float32 elsewhere."""
    import torch

    if dtype == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    return getattr(torch, dtype)
