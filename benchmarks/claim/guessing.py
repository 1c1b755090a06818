"""The best guess without looking: the most common answer to a question's wording, among its choices."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from favor.synthetic.questions.items import Item
from favor.synthetic.vocabulary import wording


def guess(learnt: Iterable[Item], asked: Iterable[Item]) -> list[bool]:
    """Returns for each question whether the most common answer among the training questions is correct."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for item in learnt:
        answers[wording(item.question)][item.answer] += 1
    return [item.answer == max(item.choices, key=answers[wording(item.question)].__getitem__) for item in asked]
