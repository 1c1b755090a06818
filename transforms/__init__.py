"""Thin Beam transforms over ``favor``, with as little logic as possible.

For your own pipelines, `AnswerRequests` takes questions about files or clips and returns answers and failures.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transforms.requests import AnswerRequests, Request

__all__ = ["AnswerRequests", "Request"]


def __getattr__(name: str) -> Any:
    """Imports the public names on first use: Beam is heavy, and not all of this package needs it."""
    if name not in __all__:
        raise AttributeError(f"module 'transforms' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module("transforms.requests"), name)
