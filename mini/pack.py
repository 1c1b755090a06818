"""Puts a trained favor-mini into the package, in half precision.

Run it as ``python -m mini.pack MODEL_FOLDER``.
"""

import dataclasses
import sys
from pathlib import Path

import torch

from favor.errors import FavorError
from favor.models.favor.folder import PACKAGED, write_config
from favor.models.favor.model import FavorModel
from favor.models.favor.presets import FAVOR_MINI
from favor.models.favor.saving import write_weights


def pack(folder: Path, target: Path) -> None:
    """Writes a trained model as the packaged one.

    Args:
        folder: model folder with favor-mini's sizes.
        target: output folder.

    Raises:
        FavorError: if the model has other sizes.
    """
    model = FavorModel.from_pretrained(folder, device="cpu", dtype="float32")
    config = dataclasses.replace(model.config, seed=None)
    if config != FAVOR_MINI:
        raise FavorError(f"{folder} does not have the sizes of {FAVOR_MINI.name}; train one that has")
    write_config(config, target)
    write_weights(model, target, torch.float16)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), PACKAGED / FAVOR_MINI.name)
