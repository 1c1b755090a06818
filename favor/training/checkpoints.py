"""Checkpoints, from which a training run resumes exactly where it stopped."""

import dataclasses
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from favor.errors import FavorError
from favor.io.staging import staged
from favor.models.favor.model import FavorModel

WEIGHTS_FILE, OPTIMISER, POSITION = "trained.safetensors", "optimiser.pt", "position.json"


@dataclasses.dataclass(frozen=True)
class Position:
    """The progress of a training run.

    Batches and random states are functions of the position, so they need not be stored.

    Attributes:
        stage: index of the stage, from 0.
        step: steps done in this stage.
        total: steps done in all stages.
        seconds: time spent training.
    """

    stage: int = 0
    step: int = 0
    total: int = 0
    seconds: float = 0.0


def save(
    folder: Path, model: FavorModel, names: set[str], optimiser: torch.optim.Optimizer, position: Position
) -> None:
    """Writes a checkpoint atomically and removes older ones.

    Args:
        folder: folder of all checkpoints.
        model: model whose weights are saved.
        names: names of the parameters that have been trained.
        optimiser: optimiser of the current stage.
        position: progress of the training run.
    """
    weights = {name: value.detach().contiguous() for name, value in model.named_parameters() if name in names}
    target = folder / f"{position.total:08d}"
    if target.exists():
        shutil.rmtree(target)
    with staged(target) as partial:
        save_file(weights, partial / WEIGHTS_FILE)
        torch.save(optimiser.state_dict(), partial / OPTIMISER)
        (partial / POSITION).write_text(json.dumps(dataclasses.asdict(position)), encoding="utf-8")
    for old in sorted(path for path in folder.iterdir() if (path / POSITION).is_file() and path != target):
        shutil.rmtree(old)


def latest(folder: Path) -> Path | None:
    """Returns the newest checkpoint, or None if there is none."""
    found = sorted(path.parent for path in folder.glob(f"*/{POSITION}"))
    return found[-1] if found else None


def load_position(checkpoint: Path) -> Position:
    """Reads the position of a checkpoint.

    Raises:
        FavorError: if it is damaged.
    """
    try:
        return Position(**json.loads((checkpoint / POSITION).read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise FavorError(f"{checkpoint / POSITION} is damaged: {error}; remove {checkpoint}") from error


def restore_weights(checkpoint: Path, model: FavorModel) -> set[str]:
    """Loads the trained weights of a checkpoint into a model, and returns their names.

    Raises:
        FavorError: if they do not fit.
    """
    weights = load_file(checkpoint / WEIGHTS_FILE)
    parameters: dict[str, nn.Parameter] = dict(model.named_parameters())
    for name, values in weights.items():
        if name not in parameters or parameters[name].shape != values.shape:
            raise FavorError(f"{checkpoint / WEIGHTS_FILE}: {name} does not fit {model.name}; give another --output")
        parameters[name].data = values.to(parameters[name].device)
    return set(weights)


def load_optimiser(checkpoint: Path, optimiser: torch.optim.Optimizer) -> None:
    """Loads the state of a checkpoint into an optimiser of the same parameters."""
    optimiser.load_state_dict(torch.load(checkpoint / OPTIMISER, map_location="cpu", weights_only=True))
