"""The generated world as a benchmark: how well a model does on clips that it was not trained on.

Run it as ``python -m favor.evaluation.generated_world MODEL --clips 500 --split test``. ``--first 500`` takes
the clips after those, and ``--tasks avsd`` clips of that task alone. With ``--without audio`` or ``--without video``
the clips lose their sound or picture, and questions that need it are scored separately from those that do not.
"""

import argparse
import dataclasses
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from favor.evaluation.metrics import Counted, exactness, interval, invention, normalise_text, recall, share, word_errors
from favor.media.clip import Clip
from favor.models.base import GenerationOptions
from favor.models.favor.model import FavorModel
from favor.synthetic import SPLITS, WORLD_TASKS, Item, SyntheticClip, generate_clips
from favor.synthetic.vocabulary import COLOURS, OWN_SOUNDS, SHAPES, SOUNDS

CLIPS_AT_ONCE = 8
QUESTIONS_PER_KIND = 2  # of each kind about a clip, so that no single clip dominates
TRANSCRIPT_TASKS, CAPTION_TASKS = ("asr", "avsr"), ("ac", "ic", "caption")
GENERATION = GenerationOptions(max_new_tokens=72)

Exchange = tuple[int, Item, str]  # index of the clip, question with its reference, answer of the model


def score_model(
    model: FavorModel,
    clips: int,
    split: str = "validation",
    without: str | None = None,
    first: int = 0,
    tasks: Sequence[str] = WORLD_TASKS,
) -> dict[str, Any]:
    """Scores a model on held-out clips of several tasks in turn.

    Args:
        model: model to score.
        clips: number of clips.
        split: split of the generated world.
        without: "audio" or "video", which is removed from the clips; clips that have nothing else are skipped.
        first: index of the first clip.
        tasks: tasks for which the clips are generated.

    Returns:
        For each task and kind of question, and for each kind in all tasks, ``n`` and: ``accuracy`` with ``chance``
        (guessing among the choices) and ``majority`` (always the commonest answer); or ``wer``; or ``recall`` of the
        objects and sounds present, ``invented``, the share of those named that are absent, and ``exact``. Each measured
        value has its interval, such as ``accuracy_interval``.
    """
    asked: list[Exchange] = []
    for start in range(first, first + clips, CLIPS_AT_ONCE):
        asked += _ask(model, range(start, min(first + clips, start + CLIPS_AT_ONCE)), SPLITS[split], without, tasks)
    groups: dict[str, list[Exchange]] = {}
    for exchange in asked:
        for name in _groups(exchange[1], without):
            groups.setdefault(name, []).append(exchange)
    return {name: _score(groups[name]) for name in sorted(groups)}


def _groups(item: Item, without: str | None) -> list[str]:
    needs = "" if without is None else f" {'needs' if without in item.needs else 'does not need'} {without}"
    return [f"{item.task} {item.kind}{needs}", f"all {item.kind}{needs}"] if item.kind else [f"{item.task}{needs}"]


def _ask(
    model: FavorModel, indices: Sequence[int], seed: int, without: str | None, tasks: Sequence[str]
) -> list[Exchange]:
    made = {index: generate_clips(seed, index, (tasks[index % len(tasks)],)) for index in indices}
    shown = {index: clip.clip if without is None else _without(clip.clip, without) for index, clip in made.items()}
    left = {index: clip for index, clip in shown.items() if clip is not None}
    if not left:
        return []
    pairs = [(index, item) for index in left for item in _draw(made[index], np.random.default_rng((seed, index)))]
    features = dict(zip(left, model.encode(list(left.values())), strict=True))
    answers = model.answer([features[index] for index, _ in pairs], [item.question for _, item in pairs], GENERATION)
    return [(index, item, answer.text) for (index, item), answer in zip(pairs, answers, strict=True)]


def _draw(clip: SyntheticClip, rng: np.random.Generator) -> list[Item]:
    """Draws some questions of each kind at random, since a clip lists them in a fixed order."""
    items = [clip.items[place] for place in rng.permutation(len(clip.items))]
    return [
        item
        for kind in dict.fromkeys(i.kind for i in items)
        for item in [i for i in items if i.kind == kind][:QUESTIONS_PER_KIND]
    ]


def _without(clip: Clip, what: str) -> Clip | None:
    """Returns the clip without its sound or picture, or None if nothing is left."""
    if what == "audio":
        return None if clip.frames is None else dataclasses.replace(clip, audio=None)
    return None if clip.audio is None else Clip(audio=clip.audio)


def _score(asked: Sequence[Exchange]) -> dict[str, Any]:
    task = asked[0][1].task
    if task in TRANSCRIPT_TASKS:
        scores = {"wer": [_word_errors(item.answer, text) for _, item, text in asked]}
    else:
        scores = _of_captions(asked) if task in CAPTION_TASKS else {"accuracy": _exactness(asked)}
    measured = {name: value for one, counts in scores.items() for name, value in _measured(one, asked, counts).items()}
    guesses = _guesses(asked) if "accuracy" in scores else {}
    return {"n": len(asked)} | measured | guesses


def _word_errors(answer: str, text: str) -> Counted:
    counted = word_errors([answer], [text])
    return counted.errors, counted.words


def _guesses(asked: Sequence[Exchange]) -> dict[str, float]:
    """Computes how often guessing among the choices, and the commonest answer, would be right."""
    common = Counter(normalise_text(item.answer) for _, item, _ in asked).most_common(1)[0][1]
    chance = sum(1 / len(item.choices) if item.choices else 0.0 for _, item, _ in asked)
    return {"chance": round(chance / len(asked), 4), "majority": round(common / len(asked), 4)}


def _of_captions(asked: Sequence[Exchange]) -> dict[str, list[Counted]]:
    """Compares the coloured objects and sounds of the reference with those that the model names."""
    pairs = [(things(item.answer), things(text)) for _, item, text in asked]
    recalled, invented = ([measure(*pair) for pair in pairs] for measure in (recall, invention))
    return {"recall": recalled, "invented": invented, "exact": _exactness(asked)}


def _exactness(asked: Sequence[Exchange]) -> list[Counted]:
    return [exactness(item.answer, text) for _, item, text in asked]


def _measured(name: str, asked: Sequence[Exchange], counts: Sequence[Counted]) -> dict[str, Any]:
    """Returns a share and its interval."""
    bounds = interval(counts, [clip for clip, _, _ in asked])
    return {name: round(share(counts), 4), f"{name}_interval": [round(bound, 4) for bound in bounds]}


def things(caption: str) -> Counter[str]:
    """Extracts the coloured objects and the sounds that a caption names."""
    return Counter(set(THINGS.findall(caption.lower())))


_OBJECTS = rf"(?:{'|'.join(COLOURS)}) (?:{'|'.join((*SHAPES, *OWN_SOUNDS))})"
_SOUNDS = "|".join(f"{noun} {verb}" for noun, verb, _ in SOUNDS.values())
THINGS = re.compile(rf"\b(?:{_OBJECTS}|{_SOUNDS})\b")


def print_scores() -> None:
    """Scores a model and prints the table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model's name or folder")
    parser.add_argument("--clips", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--tasks", choices=WORLD_TASKS, nargs="+", default=WORLD_TASKS)
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--without", choices=("audio", "video"))
    options = parser.parse_args()
    model = FavorModel.from_pretrained(options.model)
    scores = score_model(model, options.clips, options.split, options.without, options.first, options.tasks)
    print(json.dumps(scores, indent=2))


if __name__ == "__main__":
    print_scores()
