"""FAVOR: a language model that watches and listens to videos."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from favor.errors import FavorError, MediaError
    from favor.media.clip import Clip
    from favor.media.decode import read_clip
    from favor.media.needs import ClipNeeds, Fit, Square
    from favor.models.base import Answer, ClipModel, GenerationOptions, ModelCard, Prompt, TaskPrompts
    from favor.models.favor.config import FavorConfig
    from favor.models.favor.features import Features
    from favor.models.favor.model import FavorModel
    from favor.models.placement import Placement
    from favor.models.registry import describe, open_model

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Clip",
    "ClipModel",
    "ClipNeeds",
    "FavorConfig",
    "FavorError",
    "FavorModel",
    "Features",
    "Fit",
    "GenerationOptions",
    "MediaError",
    "ModelCard",
    "Placement",
    "Prompt",
    "Square",
    "TaskPrompts",
    "describe",
    "open_model",
    "read_clip",
]

# Imported on first use, so that `import favor` does not load torch.
_HOMES = {
    "Answer": "favor.models.base",
    "Clip": "favor.media.clip",
    "ClipModel": "favor.models.base",
    "ClipNeeds": "favor.media.needs",
    "FavorConfig": "favor.models.favor.config",
    "FavorError": "favor.errors",
    "FavorModel": "favor.models.favor.model",
    "Features": "favor.models.favor.features",
    "Fit": "favor.media.needs",
    "GenerationOptions": "favor.models.base",
    "MediaError": "favor.errors",
    "ModelCard": "favor.models.base",
    "Placement": "favor.models.placement",
    "Prompt": "favor.models.base",
    "Square": "favor.media.needs",
    "TaskPrompts": "favor.models.base",
    "describe": "favor.models.registry",
    "open_model": "favor.models.registry",
    "read_clip": "favor.media.decode",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'favor' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
