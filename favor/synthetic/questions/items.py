"""A question about a generated clip, and its answer."""

import dataclasses
from collections.abc import Sequence

from favor.synthetic.chance import Rng, shuffled

VIDEO, AUDIO = "video", "audio"
SEEN, HEARD, BOTH = frozenset({VIDEO}), frozenset({AUDIO}), frozenset({VIDEO, AUDIO})
STATIC, FINE, CAUSAL = "static", "fine-grained", "causal"
YES_NO = ("yes", "no")
CANDIDATES = 5  # choices of a question, as in NExT-QA


@dataclasses.dataclass(frozen=True)
class Item:
    """A question and its answer.

    Attributes:
        task: AVEB's name in lower case (asr, ac, ic, ocr, vqa, video_qa, avsr, avsd, isqa, avm, avssd), or ``caption``
            for a description of all that is seen and heard.
        question: what is asked.
        answer: in lower case without a full stop; captions are sentences.
        kind: ``static`` (one frame suffices), ``fine-grained`` (an event shorter than a second, or what is heard and
            seen in the same half second), ``causal`` (order, number, cause) or None.
        needs: ``video``, ``audio`` or both: without them the answer is a guess.
        choices: up to five possible answers, the right one among them, in random order; empty where any text may be
            the answer.
    """

    task: str
    question: str
    answer: str
    kind: str | None
    needs: frozenset[str]
    choices: tuple[str, ...] = ()


def shuffled_choices(rng: Rng, answer: str, others: Sequence[str]) -> tuple[str, ...]:
    """Returns the answer and four of the others, or as many as there are, in random order."""
    wrong = [other for other in dict.fromkeys(others) if other != answer]
    return tuple(shuffled(rng, [answer, *shuffled(rng, wrong)[: CANDIDATES - 1]]))
