"""Writing a complete model folder."""

import dataclasses
import hashlib
import json
import platform
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from favor.importing.tensor_files import Spec
from favor.io.checksums import write_checksums
from favor.models.favor.config import FavorConfig
from favor.models.favor.folder import LANGUAGE_TOKENIZER, QUESTION_TOKENIZER, write_config

MODEL_PACKAGES = ("favor-on-beam", "torch", "transformers", "tokenizers", "safetensors", "sentencepiece", "numpy")


class ByteProgress:
    """The progress of an import, in bytes; this base class does not show it."""

    def start(self, what: str, total: int) -> None:
        """Begins a stage of ``total`` bytes."""

    def advance(self, count: int) -> None:
        """Adds ``count`` bytes to those done in this stage."""


SHARD_BYTES = 2_000_000_000
SHARD_INDEX = "model.safetensors.index.json"

# The names, in the safetensors format, of the types that weights may have.
SAFETENSORS_TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
}

BytesDone = Callable[[int], object]  # called with the number of bytes written or read since the last call


@dataclasses.dataclass(frozen=True)
class PendingTensor:
    """A tensor to be written.

    Attributes:
        name: the tensor's name.
        spec: its shape and type.
        load: returns its values, in any floating-point type.
    """

    name: str
    spec: Spec
    load: Callable[[], Tensor]


def write_shards(
    entries: Iterable[PendingTensor], folder: Path, shard_bytes: int = SHARD_BYTES, progress: BytesDone = lambda _: None
) -> dict[str, str]:
    """Writes tensors, in order, to ``model.safetensors``, or to several shards and their index.

    Args:
        entries: the tensors to write.
        folder: the model folder.
        shard_bytes: the largest size of a shard, unless a single tensor is larger.
        progress: called with the size in bytes of each tensor written.

    Returns:
        The SHA-256 of each file, by name.
    """
    shards = split(entries, shard_bytes)
    if len(shards) == 1:
        return {"model.safetensors": _write(shards[0], folder / "model.safetensors", progress)}
    names = [f"model-{number:05}-of-{len(shards):05}.safetensors" for number in range(1, len(shards) + 1)]
    digests = {name: _write(shard, folder / name, progress) for name, shard in zip(names, shards, strict=True)}
    weight_map = {entry.name: name for name, shard in zip(names, shards, strict=True) for entry in shard}
    total = sum(entry.spec.bytes for shard in shards for entry in shard)
    index = json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=2) + "\n"
    (folder / SHARD_INDEX).write_text(index, encoding="utf-8")
    return digests


def split(entries: Iterable[PendingTensor], shard_bytes: int) -> list[list[PendingTensor]]:
    """Splits tensors into shards of at most ``shard_bytes``; a larger tensor gets its own shard."""
    shards: list[list[PendingTensor]] = [[]]
    size = 0
    for entry in entries:
        if shards[-1] and size + entry.spec.bytes > shard_bytes:
            shards.append([])
            size = 0
        shards[-1].append(entry)
        size += entry.spec.bytes
    return shards


def _write(shard: Sequence[PendingTensor], path: Path, progress: BytesDone) -> str:
    """Writes one file: the header's length, the header, the tensors' bytes."""
    shard = sorted(shard, key=lambda entry: -entry.spec.dtype.itemsize)  # so that each tensor is aligned
    header = _header(shard)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for block in (struct.pack("<Q", len(header)), header):
            file.write(block)
            digest.update(block)
        for entry in shard:
            content = _bytes(entry)
            file.write(content)
            digest.update(content)
            progress(entry.spec.bytes)
    return digest.hexdigest()


def _header(shard: Sequence[PendingTensor]) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for entry in shard:
        start, end = end, end + entry.spec.bytes
        dtype = SAFETENSORS_TYPES[entry.spec.dtype]
        header[entry.name] = {"dtype": dtype, "shape": list(entry.spec.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def _bytes(entry: PendingTensor) -> memoryview:
    tensor = entry.load().to(entry.spec.dtype).contiguous()
    assert tuple(tensor.shape) == entry.spec.shape, f"{entry.name}: {tuple(tensor.shape)} is not {entry.spec.shape}"
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def write_model(
    folder: Path,
    config: FavorConfig,
    entries: Iterable[PendingTensor],
    tokenizers: tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase],
    facts: Mapping[str, Any],
    shard_bytes: int,
    progress: ByteProgress,
) -> None:
    """Writes the configuration, the tokenizers, the weights and finally the manifest.

    Args:
        folder: an empty folder.
        config: the model's configuration.
        entries: the model's weights.
        tokenizers: the tokenizers of the LLM and of the image Q-Former.
        facts: how the model was made, for the manifest.
        shard_bytes: the largest size of a weights file.
        progress: receives the number of bytes written.
    """
    entries = list(entries)
    progress.start("writing", sum(entry.spec.bytes for entry in entries))
    write_config(config, folder)
    for tokenizer, name in zip(tokenizers, (LANGUAGE_TOKENIZER, QUESTION_TOKENIZER), strict=True):
        tokenizer.save_pretrained(folder / name)
    digests = write_shards(entries, folder, shard_bytes, progress.advance)
    versions = {"python": platform.python_version(), **{package: version(package) for package in MODEL_PACKAGES}}
    write_checksums(folder, {**facts, "versions": versions}, digests)
