"""What a model is, told without loading it."""

import dataclasses
from pathlib import Path

from favor import checkpoints
from favor.config import FavorConfig
from favor.presets import PRESETS


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """A model before it is loaded.

    Attributes:
        name: a preset's name, or the absolute path of a model folder.
        revision: changes when the configuration, a weight or a tokenizer does.
        config: the sizes.
    """

    name: str
    revision: str
    config: FavorConfig

    @property
    def trained(self) -> bool:
        """Whether the weights were trained; the text of random ones means nothing."""
        return self.config.seed is None


def describe(name_or_folder: str) -> ModelCard:
    """Tells what a model is.

    Raises:
        FavorError: if there is no such model, or the folder is no complete model.
    """
    folder = checkpoints.find_folder(name_or_folder)
    config = checkpoints.read_config(folder)
    name = name_or_folder if name_or_folder in PRESETS else str(Path(folder).resolve())
    return ModelCard(name, checkpoints.revision(config, folder), config)
