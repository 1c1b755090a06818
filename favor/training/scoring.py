"""How well a model knows the generated world, on clips that it was not trained on.

Run it as ``python -m favor.training.scoring MODEL --clips 500 --split test``. ``--first 500`` takes the clips after
those, and ``--tasks avsd`` clips of that task alone. With ``--without audio`` or ``--without video`` the clips lose
their sound or picture, and what needs them is scored apart from what does not.
"""

import argparse
import dataclasses
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jiwer
import numpy as np

from favor.generation import GenerationOptions
from favor.media.clip import Clip
from favor.model import FavorModel
from favor.synthetic import SPLITS, TASKS, Item, SyntheticClip, generate
from favor.synthetic.vocabulary import COLOURS, OWN_SOUNDS, SHAPES, SOUNDS

CLIPS_AT_ONCE = 8
QUESTIONS = 2  # of each kind to a clip, so that no clip decides alone
TRANSCRIPTS, CAPTIONS = ("asr", "avsr"), ("ac", "ic", "caption")
OPTIONS = GenerationOptions(max_new_tokens=72)

Z = 1.96  # of the normal distribution, for intervals of 95 %

Asked = tuple[int, Item, str]  # the clip, what was asked about it, and what the model said


def score(
    model: FavorModel,
    clips: int,
    split: str = "validation",
    without: str | None = None,
    first: int = 0,
    tasks: Sequence[str] = TASKS,
) -> dict[str, Any]:
    """Asks about held-out clips of several tasks in turn.

    Args:
        model: to be scored.
        clips: how many.
        split: of the generated world.
        without: "audio" or "video", which is taken from the clips; clips that have nothing else are left out.
        first: index of the first clip.
        tasks: that the clips are made for.

    Returns:
        For each task and kind of question, and for each kind of all tasks, ``n`` and: ``accuracy`` beside ``chance``
        (guessing among the choices) and ``majority`` (the commonest answer always); or ``wer``; or ``recall`` of the
        objects and sounds that are there and ``invented``, the share of those told that are not. What is measured has
        its ``interval`` beside it, such as ``accuracy_interval``.
    """
    asked: list[Asked] = []
    for start in range(first, first + clips, CLIPS_AT_ONCE):
        asked += _ask(model, range(start, min(first + clips, start + CLIPS_AT_ONCE)), SPLITS[split], without, tasks)
    groups: dict[str, list[Asked]] = {}
    for one in asked:
        for name in _groups(one[1], without):
            groups.setdefault(name, []).append(one)
    return {name: _score(groups[name]) for name in sorted(groups)}


def _groups(item: Item, without: str | None) -> list[str]:
    needs = "" if without is None else f" {'needs' if without in item.needs else 'does not need'} {without}"
    return [f"{item.task} {item.kind}{needs}", f"all {item.kind}{needs}"] if item.kind else [f"{item.task}{needs}"]


def _ask(
    model: FavorModel, indices: Sequence[int], seed: int, without: str | None, tasks: Sequence[str]
) -> list[Asked]:
    made = {index: generate(seed, index, (tasks[index % len(tasks)],)) for index in indices}
    shown = {index: clip.clip if without is None else _lacking(clip.clip, without) for index, clip in made.items()}
    left = {index: clip for index, clip in shown.items() if clip is not None}
    if not left:
        return []
    pairs = [(index, item) for index in left for item in _draw(made[index], np.random.default_rng((seed, index)))]
    features = dict(zip(left, model.encode(list(left.values())), strict=True))
    answers = model.answer([features[index] for index, _ in pairs], [item.question for _, item in pairs], OPTIONS)
    return [(index, item, answer.text) for (index, item), answer in zip(pairs, answers, strict=True)]


def _draw(clip: SyntheticClip, rng: np.random.Generator) -> list[Item]:
    """Draws some questions of each kind, whatever their sort: the writers ask them in a fixed order."""
    items = [clip.items[place] for place in rng.permutation(len(clip.items))]
    return [
        item
        for kind in dict.fromkeys(i.kind for i in items)
        for item in [i for i in items if i.kind == kind][:QUESTIONS]
    ]


def _lacking(clip: Clip, what: str) -> Clip | None:
    """The clip without its sound or picture, or None if nothing is left."""
    if what == "audio":
        return None if clip.frames is None else dataclasses.replace(clip, audio=None)
    return None if clip.audio is None else Clip(audio=clip.audio)


def _score(asked: Sequence[Asked]) -> dict[str, Any]:
    task = asked[0][1].task
    if task in TRANSCRIPTS:
        return {"n": len(asked)} | _measured("wer", asked, [_word_errors(item.answer, text) for _, item, text in asked])
    return {"n": len(asked)} | (_score_captions(asked) if task in CAPTIONS else _score_answers(asked))


def _word_errors(answer: str, text: str) -> tuple[int, int]:
    """Returns the words that are wrong, and those of the answer."""
    words = jiwer.process_words(plain(answer), plain(text))
    return words.substitutions + words.deletions + words.insertions, len(words.references[0])


def _score_answers(asked: Sequence[Asked]) -> dict[str, Any]:
    common = Counter(plain(item.answer) for _, item, _ in asked).most_common(1)[0][1]
    chance = sum(1 / len(item.choices) if item.choices else 0.0 for _, item, _ in asked)
    guesses = {"chance": round(chance / len(asked), 4), "majority": round(common / len(asked), 4)}
    return _measured("accuracy", asked, _exact(asked)) | guesses


def _score_captions(asked: Sequence[Asked]) -> dict[str, Any]:
    """Objects with their colours and sounds: those of the reference, and those that the model tells."""
    pairs = [(things(item.answer), things(text)) for _, item, text in asked]
    recall = [((there & told).total(), there.total()) for there, told in pairs]
    invented = [((told - there).total(), told.total()) for there, told in pairs]
    return (
        _measured("recall", asked, recall)
        | _measured("invented", asked, invented)
        | _measured("exact", asked, _exact(asked))
    )


def _exact(asked: Sequence[Asked]) -> list[tuple[int, int]]:
    return [(int(plain(text) == plain(item.answer)), 1) for _, item, text in asked]


def _measured(name: str, asked: Sequence[Asked], counts: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Returns the share of all counts, each of some out of several, and its interval."""
    some, several = np.array(counts, dtype=float).T
    share = float(some.sum() / max(1.0, several.sum()))
    bounds = interval(some, several, [clip for clip, _, _ in asked])
    return {name: round(share, 4), f"{name}_interval": [round(bound, 4) for bound in bounds]}


def interval(some: np.ndarray, several: np.ndarray, clips: Sequence[int]) -> tuple[float, float]:
    """Returns Wilson's interval of 95 % for a share, where questions about the same clip may depend on each other.

    It is computed for as many independent questions as would vary as much as the clips do, and for as many as there are
    clips if these do not vary at all. An error rate above 1 counts as 1.

    Args:
        some: (questions,) how many were right, wrong or found.
        several: (questions,) out of how many.
        clips: (questions,) that they were asked about.
    """
    numbers, owners = np.unique(clips, return_inverse=True)
    some, several = (np.bincount(owners, weights=counts) for counts in (some, several))
    total, count = max(1.0, several.sum()), len(numbers)
    share = min(1.0, some.sum() / total)
    variance = ((some - share * several) ** 2).sum() / total**2 * count / max(1, count - 1)
    questions = share * (1 - share) / variance if variance and share < 1 else count
    middle = share + Z**2 / (2 * questions)
    half = Z * (share * (1 - share) / questions + (Z / (2 * questions)) ** 2) ** 0.5
    low, high = (float(bound / (1 + Z**2 / questions)) for bound in (middle - half, middle + half))
    return max(0.0, low), min(1.0, high)


def things(caption: str) -> Counter[str]:
    """The objects with their colours, and the sounds, that a caption tells."""
    return Counter(set(THINGS.findall(caption.lower())))


def plain(text: str) -> str:
    """A text without case, stops and needless spaces."""
    return " ".join(re.sub(r"[^\w\s]", " ", text.lower()).split())


_OBJECTS = rf"(?:{'|'.join(COLOURS)}) (?:{'|'.join((*SHAPES, *OWN_SOUNDS))})"
_SOUNDS = "|".join(f"{noun} {verb}" for noun, verb, _ in SOUNDS.values())
THINGS = re.compile(rf"\b(?:{_OBJECTS}|{_SOUNDS})\b")


def main() -> None:
    """Scores a model and prints the table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model's name or folder")
    parser.add_argument("--clips", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--tasks", choices=TASKS, nargs="+", default=TASKS)
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--without", choices=("audio", "video"))
    options = parser.parse_args()
    model = FavorModel.from_pretrained(options.model)
    scores = score(model, options.clips, options.split, options.without, options.first, options.tasks)
    print(json.dumps(scores, indent=2))


if __name__ == "__main__":
    main()
