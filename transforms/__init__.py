"""Thin Beam transforms over ``favor``: as little logic as possible here.

For pipelines of your own: `AnswerRequests` takes questions about files or clips and gives answers and failures.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transforms.requests import AnswerRequests, Request

__all__ = ["AnswerRequests", "Request"]


def __getattr__(name: str) -> Any:
    """Imports what others use when they use it: Beam is heavy, and not all of this package needs it."""
    if name not in __all__:
        raise AttributeError(f"module 'transforms' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module("transforms.requests"), name)
