"""Questions about generated clips, with their answers."""

import dataclasses
from collections.abc import Sequence

from favor.synthetic.chance import Rng, shuffled

VIDEO, AUDIO = "video", "audio"
SEEN, HEARD, BOTH = frozenset({VIDEO}), frozenset({AUDIO}), frozenset({VIDEO, AUDIO})
STATIC, FINE, CAUSAL = "static", "fine-grained", "causal"
YES_NO = ("yes", "no")
CANDIDATES = 5  # choices per question, as in NExT-QA


@dataclasses.dataclass(frozen=True)
class Item:
    """A question and its answer.

    Attributes:
        task: AVEB's name in lower case (asr, ac, ic, ocr, vqa, video_qa, avsr, avsd, isqa, avm, avssd), or ``caption``
            for a description of everything seen and heard.
        question: the question's text.
        answer: the answer in lower case, without a full stop; captions are sentences.
        kind: ``static`` (one frame suffices), ``fine-grained`` (an event shorter than a second, or something heard and
            seen in the same half second), ``causal`` (order, number, cause) or None.
        needs: the modalities without which the answer is a guess: ``video``, ``audio`` or both.
        choices: up to five possible answers in random order, including the correct one; empty for open questions.
    """

    task: str
    question: str
    answer: str
    kind: str | None
    needs: frozenset[str]
    choices: tuple[str, ...] = ()


def shuffled_choices(rng: Rng, answer: str, others: Sequence[str]) -> tuple[str, ...]:
    """Returns the answer and up to four of the others, in random order."""
    wrong = [other for other in dict.fromkeys(others) if other != answer]
    return tuple(shuffled(rng, [answer, *shuffled(rng, wrong)[: CANDIDATES - 1]]))
