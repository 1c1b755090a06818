"""Model folders with random weights, of any preset at any scale, for tests and benchmarks."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from favor.importing.origins import parameter_shapes
from favor.importing.release import ImportOptions
from favor.importing.tensor_files import Spec
from favor.importing.tokenizers import read_tokenizers
from favor.importing.writing import ByteProgress, PendingTensor, write_model
from favor.io.staging import staged
from favor.models.favor.config import FavorConfig
from favor.models.favor.folder import CONFIG
from favor.models.favor.loading import initial_values
from favor.models.favor.presets import preset

RELEASED_DTYPE = torch.float16


def import_random(
    name: str,
    output: Path,
    options: ImportOptions | None = None,
    seed: int = 0,
    tokenizers: Mapping[str, Path] | None = None,
    progress: ByteProgress | None = None,
) -> None:
    """Writes a model folder with random weights, which are the same for the same seed.

    Args:
        name: the preset's name.
        output: the folder to write.
        options: how to write it; the dtype is float16 by default, and with ``merge_lora`` there are no adapters.
        seed: the seed of the weights.
        tokenizers: the folders of real tokenizers, "llm" and "bert"; favor-mini's by default.
        progress: receives the number of bytes written.

    Raises:
        FavorError: if the configuration is invalid, a tokenizer does not fit, or the output must not be replaced.
    """
    options, progress = options or ImportOptions(), progress or ByteProgress()
    config = preset(name).override({**options.config, "seed": seed})
    if options.merge_lora:
        config = dataclasses.replace(config, lora=None)
    facts = {"random": name, "seed": seed, **options.facts()}
    with staged(output, CONFIG if options.overwrite else None) as folder:
        entries = random_entries(config, options.dtype or RELEASED_DTYPE)
        pair = read_tokenizers(config, tokenizers or {})
        write_model(folder, config, entries, pair, facts, options.shard_bytes, progress)


def random_entries(config: FavorConfig, dtype: torch.dtype) -> list[PendingTensor]:
    """Lists the random weights of a model, each generated only when it is written."""
    seed = config.seed or 0
    return [
        PendingTensor(parameter, Spec(shape, dtype), functools.partial(_values, parameter, shape, seed))
        for parameter, shape in parameter_shapes(config).items()
    ]


def _values(name: str, shape: tuple[int, ...], seed: int) -> Tensor:
    return initial_values(name, torch.empty(shape, device="meta"), seed)
