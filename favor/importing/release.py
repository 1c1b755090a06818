"""Importing a release: its files become one complete model folder, or nothing is written."""

import dataclasses
import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from favor.errors import FavorError
from favor.importing import accounting
from favor.importing.origins import Origin, merged, origins, parameter_shapes
from favor.importing.releases import Release, recipe
from favor.importing.sizes import read_hub_sizes
from favor.importing.sources import Opened, describe_files, fetch, open_release, used_files
from favor.importing.tensor_files import Spec, TensorSource
from favor.importing.tokenizers import read_tokenizers
from favor.importing.writing import SHARD_BYTES, ByteProgress, PendingTensor, write_model
from favor.io.staging import staged
from favor.models.favor.config import FavorConfig
from favor.models.favor.folder import CONFIG
from favor.models.favor.presets import preset


@dataclasses.dataclass(frozen=True)
class ImportOptions:
    """How a model folder is written.

    Attributes:
        config: values that override the preset's and those read from the files.
        merge_lora: whether the adapters are added to the weights that they adapt.
        dtype: the type of the weights; None for the released type.
        shard_bytes: the largest size of a weights file.
        overwrite: whether an existing model folder is replaced.
    """

    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    merge_lora: bool = False
    dtype: torch.dtype | None = None
    shard_bytes: int = SHARD_BYTES
    overwrite: bool = False

    def facts(self) -> dict[str, Any]:
        """Returns the options that determine the folder's content, as JSON values."""
        dtype = None if self.dtype is None else str(self.dtype).removeprefix("torch.")
        return {"config": dict(self.config), "merge_lora": self.merge_lora, "dtype": dtype}


def import_release(
    name: str,
    given: Mapping[str, str],
    output: Path,
    options: ImportOptions | None = None,
    progress: ByteProgress | None = None,
) -> None:
    """Writes a model folder from released files.

    Args:
        name: the preset's name, such as "favor-13b".
        given: a path, an fsspec URL or a hub id for each source in the recipe.
        output: the folder to write.
        options: how to write it.
        progress: receives the number of bytes checked and written.

    Raises:
        FavorError: if a file is missing, damaged, of another kind or does not fit the others, or the output must not
            be replaced; nothing is written then.
    """
    options, progress, chosen = options or ImportOptions(), progress or ByteProgress(), recipe(name)
    with (
        staged(output, CONFIG if options.overwrite else None) as folder,
        tempfile.TemporaryDirectory(prefix=f"{folder.name}.downloads", dir=folder.parent) as downloads,
    ):
        paths = fetch_all(chosen, given, Path(downloads))
        files = {option: used_files(option, path) for option, path in paths.items()}
        sources = describe_files(given, files, progress)
        config, entries = plan_folder(preset(name), open_release(paths, files), options)
        tokenizers = read_tokenizers(config, paths)
        facts = {"recipe": name, **options.facts(), "sources": sources}
        write_model(folder, config, entries, tokenizers, facts, options.shard_bytes, progress)


def fetch_all(chosen: Release, given: Mapping[str, str], downloads: Path) -> dict[str, Path]:
    """Finds the sources of a recipe, downloading those that are not on this machine.

    Raises:
        FavorError: if a source is not given, not found, or not needed.
    """
    chosen.check(given)
    paths = {
        option: fetch(given[option], kind, option, downloads)
        for option, kind in chosen.kinds.items()
        if option in given
    }
    holds_vit = paths["instructblip"].is_dir()
    if holds_vit and "eva" in paths:
        raise FavorError(f"--instructblip: the folder {paths['instructblip']} holds the ViT too; drop --eva")
    if not holds_vit and "eva" not in paths:
        raise FavorError(f"{chosen.preset} needs --eva too: {chosen.kinds['eva'].what}")
    return paths


def plan_folder(base: FavorConfig, opened: Opened, options: ImportOptions) -> tuple[FavorConfig, list[PendingTensor]]:
    """Decides what to write, after accounting for each key of each file.

    Args:
        base: the preset's configuration.
        opened: the release.
        options: how the folder is written.

    Returns:
        The model's configuration and its weights.

    Raises:
        FavorError: if the files do not make a valid model.
    """
    config = read_hub_sizes(base, opened.tensors, opened.configs, opened.blip, options.config)
    shapes = parameter_shapes(config)
    found = origins(config, shapes, opened.blip)
    accounting.check(config, shapes, found, opened.tensors, opened.blip)
    if options.merge_lora and config.lora is not None:
        found = merged(config, found)
        config = dataclasses.replace(config, lora=None)
        shapes = parameter_shapes(config)
    return config, [_entry(name, origin, shapes[name], opened.tensors, options.dtype) for name, origin in found.items()]


def _entry(
    name: str,
    origin: Origin,
    shape: tuple[int, ...],
    tensors: Mapping[str, TensorSource],
    dtype: torch.dtype | None,
) -> PendingTensor:
    source, key = origin.keys[0]
    spec = Spec(shape, dtype or tensors[source].specs[key].dtype)
    return PendingTensor(name, spec, functools.partial(_load, origin, tensors))


def _load(origin: Origin, tensors: Mapping[str, TensorSource]) -> Tensor:
    return origin.combine(*(tensors[source].read(key) for source, key in origin.keys))
