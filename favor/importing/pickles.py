"""Reading files of ``torch.save`` that may be damaged or malicious."""

import lzma
import pickle
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from favor.errors import FavorError

# What PyTorch's restricted unpickler raises for bytes that are no pickle of plain tensors, found by feeding it noise.
UNPICKLING_ERRORS = (
    pickle.UnpicklingError,
    struct.error,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)

# What zipfile raises for a damaged archive; nothing in a whole one is compressed, but damage may say so.
UNZIPPING_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    struct.error,
)


def load_pickle(path: Path) -> Any:
    """Loads a file of ``torch.save`` without running any code in it, mapped rather than read where possible.

    Raises:
        FavorError: if it is damaged, no such file, or holds more than tensors and plain values.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except UNPICKLING_ERRORS as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        why = f"it holds {found[1]}, and only plain tensors are read" if found else "it is damaged or no PyTorch file"
        raise FavorError(f"{path} is refused: {why}; download it again from its authors") from error


def tensors_of(loaded: Any, path: Path) -> dict[str, Tensor]:
    """The tensors in a loaded file, which may stand under ``model`` beside the state of a training.

    Raises:
        FavorError: if there are none, or anything else is among them.
    """
    if isinstance(loaded, Mapping) and isinstance(loaded.get("model"), Mapping):
        loaded = loaded["model"]
    if not isinstance(loaded, Mapping) or not loaded:
        raise FavorError(f"{path} holds no named tensors; is it the right file?")
    for key, value in loaded.items():
        if not isinstance(key, str) or not isinstance(value, Tensor) or value.layout != torch.strided:
            raise FavorError(f"{path}: {key} is {type(value).__name__}, not a plain tensor; is it the right file?")
    return dict(loaded)


def check_zip(path: Path) -> None:
    """Compares the checksums of a file of ``torch.save`` with its content.

    Raises:
        FavorError: if they differ.
    """
    if not _is_zip(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except UNZIPPING_ERRORS as error:
        raise FavorError(f"{path} is damaged: {error}; download it again") from error
    if damaged:
        raise FavorError(f"{path} is damaged: the checksum of {damaged} in it is wrong; download it again")


def _is_zip(path: Path) -> bool:
    """Whether a file can be mapped; those of PyTorch before 1.6 cannot."""
    try:
        return zipfile.is_zipfile(path)
    except UNZIPPING_ERRORS:
        return False
