"""A model folder of random weights, of any preset at any scale, for tests and benchmarks."""

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
    """Makes a model folder of random weights, the same for the same seed.

    Args:
        name: of the preset.
        output: the folder.
        options: how; the weights are float16 unless they say otherwise, and with ``merge_lora`` there are no adapters.
        seed: of the weights.
        tokenizers: folders "llm" and "bert" of real tokenizers; favor-mini's by default.
        progress: told how it goes.

    Raises:
        FavorError: if the sizes make no model, or a tokenizer does not fit.
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
    """The random weights of a model, made one by one when they are written."""
    seed = config.seed or 0
    return [
        PendingTensor(parameter, Spec(shape, dtype), functools.partial(_values, parameter, shape, seed))
        for parameter, shape in parameter_shapes(config).items()
    ]


def _values(name: str, shape: tuple[int, ...], seed: int) -> Tensor:
    return initial_values(name, torch.empty(shape, device="meta"), seed)
