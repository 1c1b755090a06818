"""How close texts are to the ones that are wanted; case, punctuation and spaces do not count, everything else does."""

import collections
import dataclasses
import unicodedata
from collections.abc import Sequence

import jiwer
import numpy as np

WORDS = jiwer.Compose([jiwer.ReduceToListOfListOfWords()])
Z = 1.96  # of the normal distribution, for intervals of 95 %
Counted = tuple[int, int]  # some, out of several
APOSTROPHES = frozenset("'\u2019")


def normalise_text(text: str) -> str:
    """Returns a text without case, punctuation and needless spaces; ``Don't well-known`` is ``dont well known``."""
    kept = (character for character in text.lower() if character not in APOSTROPHES)
    return " ".join("".join(" " if unicodedata.category(each)[0] == "P" else each for each in kept).split())


@dataclasses.dataclass(frozen=True)
class WordErrors:
    """Errors of words in some texts; those of several sets of texts can be added.

    Attributes:
        words: of the references.
        errors: words replaced, lost and added on the way to the hypotheses.
    """

    words: int = 0
    errors: int = 0

    def __add__(self, other: "WordErrors") -> "WordErrors":
        return WordErrors(self.words + other.words, self.errors + other.errors)

    @property
    def rate(self) -> float | None:
        """Errors per word, or None where the references say nothing."""
        return self.errors / self.words if self.words else None


def word_errors(references: Sequence[str], hypotheses: Sequence[str]) -> WordErrors:
    """Counts the errors of words in hypotheses, each of which belongs to the reference in the same place."""
    if not references:
        return WordErrors()
    texts = [[normalise_text(text) for text in side] for side in (references, hypotheses)]
    counted = jiwer.process_words(*texts, reference_transform=WORDS, hypothesis_transform=WORDS)
    wrong = counted.substitutions + counted.deletions
    return WordErrors(counted.hits + wrong, wrong + counted.insertions)


def exactness(reference: str, hypothesis: str) -> Counted:
    """Counts whether a text says what its reference says, out of one."""
    return int(normalise_text(reference) == normalise_text(hypothesis)), 1


def recall(wanted: collections.Counter[str], named: collections.Counter[str]) -> Counted:
    """Counts what is wanted and named, out of what is wanted."""
    return (wanted & named).total(), wanted.total()


def invention(wanted: collections.Counter[str], named: collections.Counter[str]) -> Counted:
    """Counts what is named and not wanted, out of what is named."""
    return (named - wanted).total(), named.total()


def share(counts: Sequence[Counted]) -> float:
    """Returns how large a part of all that was counted it is, over all texts."""
    return sum(some for some, _ in counts) / max(1, sum(total for _, total in counts))


def interval(counts: Sequence[Counted], clips: Sequence[int]) -> tuple[float, float]:
    """Returns Wilson's interval of 95 % for a share, where questions about the same clip may depend on each other.

    It is computed for as many independent questions as would vary as much as the clips do, and for as many as there are
    clips if these do not vary at all. An error rate above 1 counts as 1.

    Args:
        counts: of each question.
        clips: that they were asked about.
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
