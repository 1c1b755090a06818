"""Reading released weights one tensor at a time, each copied to its own memory, from any of their formats."""

import dataclasses
import lzma
import pickle
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from favor.errors import FavorError

# The pages read from a mapped file count as the process's memory until the file is closed.
BYTES_BEFORE_REOPENING = 64_000_000


@dataclasses.dataclass(frozen=True)
class Spec:
    """A tensor's shape and type, without its values."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def bytes(self) -> int:
        """The tensor's size in a file, in bytes."""
        return torch.Size(self.shape).numel() * self.dtype.itemsize


class TensorFile:
    """A safetensors file or a PyTorch pickle.

    Args:
        path: the file; its suffix determines the format.

    Raises:
        FavorError: if it is damaged, of another format, or holds anything but tensors.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_safetensors = path.suffix == ".safetensors"
        self._read_bytes = 0
        self._tensors = self._open()
        self.specs = {key: Spec(tuple(tensor.shape), tensor.dtype) for key, tensor in self._tensors.items()}

    def read(self, key: str) -> Tensor:
        """Returns a copy of one tensor."""
        self._read_bytes += self.specs[key].bytes
        if self._read_bytes > BYTES_BEFORE_REOPENING:
            self._tensors, self._read_bytes = {}, self.specs[key].bytes
            self._tensors = self._open()
        return self._tensors[key].clone(memory_format=torch.contiguous_format)

    def _open(self) -> Mapping[str, Tensor]:
        return _open_safetensors(self.path) if self._is_safetensors else tensors_of(load_pickle(self.path), self.path)


class TensorSource:
    """The tensors of one release, in one file or in several shards.

    Args:
        path: the path given by the user, for error messages.
        files: the file or the shards.
        rename: maps a key in a file to its name here. Keys with the same name must have the same values.

    Raises:
        FavorError: if keys with the same name have different values.
    """

    def __init__(self, path: Path, files: Iterable[TensorFile], rename: Callable[[str], str] = str) -> None:
        self.path = path
        self.specs: dict[str, Spec] = {}
        self._homes: dict[str, tuple[TensorFile, str]] = {}
        for file in files:
            for key, spec in file.specs.items():
                self._add(rename(key), file, key, spec)

    def read(self, key: str) -> Tensor:
        """Returns a copy of one tensor."""
        file, raw = self._homes[key]
        return file.read(raw)

    def shape(self, key: str, dimensions: int) -> tuple[int, ...]:
        """Returns the shape of a tensor that a size is read from.

        Args:
            key: the tensor's name.
            dimensions: the expected number of dimensions.

        Raises:
            FavorError: if there is no such tensor, or it has another number of dimensions.
        """
        if key not in self.specs:
            raise FavorError(f"{self.path} lacks {key}; is it the right file?")
        shape = self.specs[key].shape
        if len(shape) != dimensions:
            raise FavorError(
                f"{self.path}: {key} has shape {shape}, not {dimensions} dimensions; is it the right file?"
            )
        return shape

    def indices(self, pattern: str) -> set[int]:
        """Returns the numbers, such as layers', that a pattern's first group matches at the beginning of keys."""
        found = (re.match(pattern, key) for key in self.specs)
        return {int(match[1]) for match in found if match}

    def _add(self, name: str, file: TensorFile, key: str, spec: Spec) -> None:
        if name not in self.specs:
            self.specs[name], self._homes[name] = spec, (file, key)
            return
        other_file, other = self._homes[name]
        if self.specs[name].shape != spec.shape or not torch.equal(other_file.read(other), file.read(key)):
            raise FavorError(f"{file.path}: {key} and {other} should be one parameter but differ; is the file whole?")


def _open_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    except SafetensorError as error:
        raise FavorError(f"{path} is damaged or not a safetensors file: {error}; download it again") from error


# What PyTorch's restricted unpickler raises for bytes that are not a pickle of plain tensors, found by fuzzing it.
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

# What zipfile raises for a damaged archive. Intact ones are not compressed, but damage may make them look so.
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
    """Loads a file written by ``torch.save`` without running any code in it, mapped rather than read if possible.

    Raises:
        FavorError: if it is damaged, not such a file, or holds more than tensors and plain values.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except UNPICKLING_ERRORS as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        why = f"it holds {found[1]}; only plain tensors are read" if found else "it is damaged or not a PyTorch file"
        raise FavorError(f"{path} is refused: {why}; download it again from its authors") from error


def tensors_of(loaded: Any, path: Path) -> dict[str, Tensor]:
    """Returns the tensors in a loaded file, which may be under ``model`` next to training state.

    Args:
        loaded: the file's content.
        path: the file, for error messages.

    Raises:
        FavorError: if there are no tensors, or any other value is among them.
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
    """Checks the content of a file written by ``torch.save`` against the checksums in it.

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
    """Returns whether a file can be mapped; those written by PyTorch before 1.6 cannot."""
    try:
        return zipfile.is_zipfile(path)
    except UNZIPPING_ERRORS:
        return False
