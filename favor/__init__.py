"""FAVOR: a language model that looks and listens to videos."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from favor.config import FavorConfig
    from favor.errors import FavorError, MediaError
    from favor.features import Features
    from favor.generation import Answer, GenerationOptions
    from favor.media.clip import Clip
    from favor.media.decode import read_clip
    from favor.model import FavorModel
    from favor.prompt import dialogue

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Clip",
    "FavorConfig",
    "FavorError",
    "FavorModel",
    "Features",
    "GenerationOptions",
    "MediaError",
    "dialogue",
    "read_clip",
]

# Imported at first use, so that `import favor` does not wait for torch.
_HOMES = {
    "Answer": "favor.generation",
    "Clip": "favor.media.clip",
    "FavorConfig": "favor.config",
    "FavorError": "favor.errors",
    "FavorModel": "favor.model",
    "Features": "favor.features",
    "GenerationOptions": "favor.generation",
    "MediaError": "favor.errors",
    "dialogue": "favor.prompt",
    "read_clip": "favor.media.decode",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'favor' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
