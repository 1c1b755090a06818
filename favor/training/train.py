"""One training run, from recipe to model folder."""

import dataclasses
import json
import shlex
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from favor.errors import FavorError
from favor.evaluation.generated_world import score_model
from favor.io.staging import staged
from favor.models.favor.folder import CONFIG, find_folder
from favor.models.favor.model import FavorModel
from favor.models.favor.saving import write_folder
from favor.training import checkpoints
from favor.training.checkpoints import Position
from favor.training.mixing import Source
from favor.training.recipe import Recipe
from favor.training.sources import ManifestSource, WorldSource
from favor.training.trainer import CHECKPOINTS, Trainer, make_accelerator

MODEL, RECIPE = "model", "recipe.json"
TRAINING_PACKAGES = ("favor-on-beam", "torch", "transformers", "accelerate")

StepReport = Callable[[Position, dict[str, Any], int], object]


def train(
    recipe: Recipe,
    output: Path,
    limit: int | None,
    device: str,
    overwrite: bool,
    progress: StepReport = lambda position, values, total: None,
) -> Path:
    """Trains a model, resuming from the last checkpoint if there is one, and writes it.

    Args:
        recipe: the recipe to follow.
        output: folder of checkpoints, records and the model.
        limit: steps after which to stop, or None.
        device: "auto" or "cpu".
        overwrite: whether to remove the output of an earlier run.
        progress: called with the position, the means and the total number of steps.

    Returns:
        The model folder.

    Raises:
        FavorError: if a manifest or the model is invalid, or the output belongs to another recipe.
    """
    accelerator = make_accelerator(recipe.precision, device)
    with accelerator.main_process_first():
        if overwrite and accelerator.is_main_process:
            _remove(output)
        _check_same(output, recipe)
    dtype = "bfloat16" if accelerator.mixed_precision == "bf16" else "float32"
    model = FavorModel.from_pretrained(find_folder(recipe.model), device="cpu", dtype=dtype)
    source: Source = ManifestSource(recipe.manifests, model.config) if recipe.manifests else WorldSource()
    scores: list[dict[str, Any]] = []

    def scored(trained: FavorModel) -> dict[str, Any]:
        scores.append(score_model(trained, recipe.scoring.clips))
        return scores[-1]

    trainer = Trainer(
        recipe,
        model,
        source,
        output,
        accelerator,
        scored if recipe.scoring.clips else None,
        lambda position, values: progress(position, values, limit or recipe.steps),
    )
    position = trainer.run(limit)
    facts = {**_facts(recipe, position), "scores": scores[-1] if scores else None}
    if accelerator.is_main_process:
        _write(output / MODEL, model, facts)
    return output / MODEL


def _facts(recipe: Recipe, position: Position) -> dict[str, Any]:
    """Returns a record of how the model was trained."""
    return {
        "command": shlex.join(["favor", *sys.argv[1:]]),
        "steps": position.total,
        "hours": round(position.seconds / 3600, 3),
        "data": list(recipe.manifests) or "the generated world (favor.synthetic)",
        "versions": {package: version(package) for package in TRAINING_PACKAGES},
        "recipe": recipe.to_dict(),
    }


def _write(folder: Path, model: FavorModel, facts: dict[str, Any]) -> None:
    """Writes the model folder atomically."""
    config = dataclasses.replace(model.config, seed=None)
    with staged(folder, replaced=CONFIG) as partial:
        write_folder(model, config, model.prompter, partial, torch.float16)
        (partial / RECIPE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _check_same(output: Path, recipe: Recipe) -> None:
    """Checks that an output folder is new or belongs to this recipe, and writes the recipe into it.

    Raises:
        FavorError: if its checkpoints belong to another recipe.
    """
    noted, values = output / RECIPE, recipe.to_dict()
    if checkpoints.latest(output / CHECKPOINTS) is not None and json.loads(noted.read_text(encoding="utf-8")) != values:
        raise FavorError(f"{output} holds checkpoints of another recipe; give another --output, or --overwrite")
    output.mkdir(parents=True, exist_ok=True)
    noted.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _remove(output: Path) -> None:
    """Removes the output of a training run, and nothing else."""
    for name in (CHECKPOINTS, MODEL, "tensorboard"):
        shutil.rmtree(output / name, ignore_errors=True)
    for name in (RECIPE, "metrics.jsonl"):
        (output / name).unlink(missing_ok=True)
