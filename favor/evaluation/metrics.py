"""Metrics that compare texts with references, ignoring case, punctuation and extra spaces."""

import collections
import dataclasses
import unicodedata
from collections.abc import Sequence

import jiwer
import numpy as np

WORDS = jiwer.Compose([jiwer.ReduceToListOfListOfWords()])
Z = 1.96  # quantile of the normal distribution for 95 % intervals
Counted = tuple[int, int]  # a count, and the total that it is out of
APOSTROPHES = frozenset("'\u2019")


def normalise_text(text: str) -> str:
    """Returns a text without case, punctuation and extra spaces; ``Don't well-known`` is ``dont well known``."""
    kept = (character for character in text.lower() if character not in APOSTROPHES)
    return " ".join("".join(" " if unicodedata.category(each)[0] == "P" else each for each in kept).split())


@dataclasses.dataclass(frozen=True)
class WordErrors:
    """Word errors in a set of texts; those of several sets can be added.

    Attributes:
        words: words of the references.
        errors: words substituted, deleted and inserted in the hypotheses.
    """

    words: int = 0
    errors: int = 0

    def __add__(self, other: "WordErrors") -> "WordErrors":
        return WordErrors(self.words + other.words, self.errors + other.errors)

    @property
    def rate(self) -> float | None:
        """Errors per word, or None if the references have no words."""
        return self.errors / self.words if self.words else None


def word_errors(references: Sequence[str], hypotheses: Sequence[str]) -> WordErrors:
    """Counts the word errors in hypotheses, each compared with the reference at the same index."""
    if not references:
        return WordErrors()
    texts = [[normalise_text(text) for text in side] for side in (references, hypotheses)]
    counted = jiwer.process_words(*texts, reference_transform=WORDS, hypothesis_transform=WORDS)
    wrong = counted.substitutions + counted.deletions
    return WordErrors(counted.hits + wrong, wrong + counted.insertions)


def exactness(reference: str, hypothesis: str) -> Counted:
    """Counts whether a text equals its reference after normalisation, out of one."""
    return int(normalise_text(reference) == normalise_text(hypothesis)), 1


def recall(wanted: collections.Counter[str], named: collections.Counter[str]) -> Counted:
    """Counts what is wanted and named, out of what is wanted."""
    return (wanted & named).total(), wanted.total()


def invention(wanted: collections.Counter[str], named: collections.Counter[str]) -> Counted:
    """Counts what is named and not wanted, out of what is named."""
    return (named - wanted).total(), named.total()


def share(counts: Sequence[Counted]) -> float:
    """Returns the sum of all counts as a share of the sum of all totals."""
    return sum(some for some, _ in counts) / max(1, sum(total for _, total in counts))


def interval(counts: Sequence[Counted], clips: Sequence[int]) -> tuple[float, float]:
    """Returns Wilson's 95 % interval of a share, where questions about the same clip may depend on each other.

    It is computed for the number of independent questions that would vary as much as the clips do, or for the number of
    clips if these do not vary at all. An error rate above 1 counts as 1.

    Args:
        counts: count and total of each question.
        clips: index of the clip that each question is about.
    """
    _, owners = np.unique(clips, return_inverse=True)
    some, several = (np.bincount(owners, weights=column) for column in np.array(counts, dtype=float).T)
    total, number = max(1.0, several.sum()), len(several)
    part = min(1.0, some.sum() / total)
    variance = ((some - part * several) ** 2).sum() / total**2 * number / max(1, number - 1)
    questions = part * (1 - part) / variance if variance and part < 1 else number
    middle = part + Z**2 / (2 * questions)
    half = Z * (part * (1 - part) / questions + (Z / (2 * questions)) ** 2) ** 0.5
    low, high = (float(bound / (1 + Z**2 / questions)) for bound in (middle - half, middle + half))
    return max(0.0, low), min(1.0, high)
