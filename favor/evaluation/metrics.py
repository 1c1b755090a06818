"""How close texts are to the ones that are wanted; case, punctuation and spaces do not count, everything else does."""

import collections
import dataclasses
import unicodedata
from collections.abc import Sequence

import jiwer

WORDS = jiwer.Compose([jiwer.ReduceToListOfListOfWords()])
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


def exact_match(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Returns the share of hypotheses that say what their references say."""
    right = sum(normalise_text(a) == normalise_text(b) for a, b in zip(references, hypotheses, strict=True))
    return right / max(1, len(references))


def recall(wanted: Sequence[collections.Counter[str]], named: Sequence[collections.Counter[str]]) -> float:
    """Returns the share of what is wanted that is named, over all texts."""
    return _common(wanted, named) / max(1, _total(wanted))


def precision(wanted: Sequence[collections.Counter[str]], named: Sequence[collections.Counter[str]]) -> float:
    """Returns the share of what is named that is wanted, over all texts."""
    return _common(wanted, named) / max(1, _total(named))


def _common(wanted: Sequence[collections.Counter[str]], named: Sequence[collections.Counter[str]]) -> int:
    return _total([a & b for a, b in zip(wanted, named, strict=True)])


def _total(counters: Sequence[collections.Counter[str]]) -> int:
    return sum(counter.total() for counter in counters)
