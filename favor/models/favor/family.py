"""FAVOR as a model family, described without importing torch."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from favor.models.base import ALL_ABILITIES, Batch, MemoryNeed, ModelCard, TaskPrompts
from favor.models.favor.config import FavorConfig
from favor.models.favor.folder import find_folder, read_config, revision
from favor.models.favor.presets import FAVOR_MINI, PRESETS
from favor.models.placement import Placement
from favor.prompts import CAPTION_PROMPT, TRANSCRIBE_PROMPT

if TYPE_CHECKING:
    from favor.models.favor.model import FavorModel


@dataclasses.dataclass(frozen=True, kw_only=True)
class FavorCard(ModelCard):
    """The card of a FAVOR model.

    Attributes:
        config: the sizes of the model.
    """

    config: FavorConfig

    def memory_need(self, batch: Batch, placement: Placement) -> MemoryNeed:
        """Computes an upper limit of the memory for a batch from the sizes."""
        from favor.models.favor.memory import memory_need

        place = placement.resolved()
        return memory_need(self.config, place.dtype, place.quantization, batch)


class FavorFamily:
    """FAVOR 7B and 13B, video-SALMONN and favor-mini, which comes with this package."""

    def describe(self, name: str) -> FavorCard:
        """Describes a preset or a model folder.

        Raises:
            FavorError: if there is no such model, or the folder is not a complete model.
        """
        folder = find_folder(name)
        config = read_config(folder)
        return FavorCard(
            name=name if name in PRESETS else str(Path(folder).resolve()),
            revision=revision(config, folder),
            trained=config.seed is None,
            knows=_knowledge(name, config),
            needs=config.needs,
            prompts=TaskPrompts(CAPTION_PROMPT, TRANSCRIBE_PROMPT),
            abilities=ALL_ABILITIES,
            config=config,
        )

    def open(self, name: str, placement: Placement) -> "FavorModel":
        """Loads a preset or a model folder."""
        from favor.models.favor.model import FavorModel

        return FavorModel.from_pretrained(name, placement.device, placement.dtype, placement.quantization)


def _knowledge(name: str, config: FavorConfig) -> str:
    if config.seed is not None:
        return "nothing: its weights are random"
    if name == FAVOR_MINI.name:
        return "the generated world of `favor synthesize`, and nothing of real film"
    return "what it was trained on; the released weights know videos, sounds, speech and pictures"
