"""Random choices that are reproducible across machines for the same seed."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Rng = np.random.Generator
_T = TypeVar("_T")


def pick(rng: Rng, options: Sequence[_T]) -> _T:
    """Returns one of the options at random."""
    return options[int(rng.integers(len(options)))]


def shuffled(rng: Rng, options: Sequence[_T]) -> list[_T]:
    """Returns the options in random order."""
    return [options[int(index)] for index in rng.permutation(len(options))]


def chance(rng: Rng, probability: float) -> bool:
    """Returns True with the given probability."""
    return bool(rng.random() < probability)
