"""Writing a whole model folder."""

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from favor.checkpoints import LANGUAGE_TOKENIZER, QUESTION_TOKENIZER, write_config
from favor.config import FavorConfig
from favor.importing.progress import Progress
from favor.importing.shards import Entry, write_shards
from favor.manifest import write_manifest

PACKAGES = ("favor-on-beam", "torch", "transformers", "tokenizers", "safetensors", "sentencepiece", "numpy")


def write_model(
    folder: Path,
    config: FavorConfig,
    entries: Iterable[Entry],
    tokenizers: tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase],
    facts: Mapping[str, Any],
    shard_bytes: int,
    progress: Progress,
) -> None:
    """Writes configuration, tokenizers, weights and, at last, the manifest.

    Args:
        folder: an empty folder.
        config: of the model.
        entries: its weights.
        tokenizers: the LLM's and the image Q-Former's.
        facts: how the model was made, for the manifest.
        shard_bytes: the largest size of a file of weights.
        progress: told of the bytes written.
    """
    entries = list(entries)
    progress.start("writing", sum(entry.spec.bytes for entry in entries))
    write_config(config, folder)
    for tokenizer, name in zip(tokenizers, (LANGUAGE_TOKENIZER, QUESTION_TOKENIZER), strict=True):
        tokenizer.save_pretrained(folder / name)
    digests = write_shards(entries, folder, shard_bytes, progress.advance)
    versions = {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}}
    write_manifest(folder, {**facts, "versions": versions}, digests)
