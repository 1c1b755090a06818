"""How well a model knows the generated world, on clips that it was not trained on.

Run it as ``python -m favor.evaluation.generated_world MODEL --clips 500 --split test``. With ``--without audio``
or ``--without video`` the clips lose their sound or picture, and what needs them is scored apart from what does not.
"""

import argparse
import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from favor.evaluation.metrics import exact_match, normalise_text, precision, recall, word_errors
from favor.media.clip import Clip
from favor.models.base import GenerationOptions
from favor.models.favor.model import FavorModel
from favor.synthetic import SPLITS, WORLD_TASKS, Item, SyntheticClip, generate_clips
from favor.synthetic.scene import Scene
from favor.synthetic.vocabulary import COLOURS, OWN_SOUNDS, SHAPES, SOUNDS

CLIPS_AT_ONCE = 8
QUESTIONS_PER_KIND = 2  # of each kind to a clip, so that no clip decides alone
TRANSCRIPT_TASKS, CAPTION_TASKS = ("asr", "avsr"), ("ac", "ic", "caption")
GENERATION = GenerationOptions(max_new_tokens=72)

Exchange = tuple[Scene, Item, str]  # what was asked, and what the model said


def score_model(model: FavorModel, clips: int, split: str = "validation", without: str | None = None) -> dict[str, Any]:
    """Asks about held-out clips of all tasks in turn.

    Args:
        model: to be scored.
        clips: how many.
        split: of the generated world.
        without: "audio" or "video", which is taken from the clips; clips that have nothing else are left out.

    Returns:
        For each task, and kind of question, ``n`` and: ``accuracy`` beside ``chance`` (guessing among the choices) and
        ``majority`` (the commonest answer always); or ``wer``; or ``recall`` of the objects and sounds that are there
        and ``invented``, the share of those told that are not.
    """
    asked: list[Exchange] = []
    for first in range(0, clips, CLIPS_AT_ONCE):
        asked += _ask(model, range(first, min(clips, first + CLIPS_AT_ONCE)), SPLITS[split], without)
    groups: dict[str, list[Exchange]] = {}
    for scene, item, text in asked:
        groups.setdefault(_group(item, without), []).append((scene, item, text))
    return {name: _score(groups[name]) for name in sorted(groups)}


def _group(item: Item, without: str | None) -> str:
    needs = [] if without is None else [f"{'needs' if without in item.needs else 'does not need'} {without}"]
    return " ".join([item.task, *([item.kind] if item.kind else []), *needs])


def _ask(model: FavorModel, indices: Iterable[int], seed: int, without: str | None) -> list[Exchange]:
    made = [generate_clips(seed, index, (WORLD_TASKS[index % len(WORLD_TASKS)],)) for index in indices]
    shown = {id(clip): clip.clip if without is None else _lacking(clip.clip, without) for clip in made}
    drawn = [_draw(clip, np.random.default_rng((seed, index))) for index, clip in zip(indices, made, strict=True)]
    pairs = [
        (clip, item) for clip, items in zip(made, drawn, strict=True) for item in items if shown[id(clip)] is not None
    ]
    if not pairs:
        return []
    left = {key: clip for key, clip in shown.items() if clip is not None}
    features = dict(zip(left, model.encode(list(left.values())), strict=True))
    answers = model.answer([features[id(clip)] for clip, _ in pairs], [item.question for _, item in pairs], GENERATION)
    return [(clip.scene, item, answer.text) for (clip, item), answer in zip(pairs, answers, strict=True)]


def _draw(clip: SyntheticClip, rng: np.random.Generator) -> list[Item]:
    """Draws some questions of each kind, whatever their sort: the writers ask them in a fixed order."""
    items = [clip.items[place] for place in rng.permutation(len(clip.items))]
    return [
        item
        for kind in dict.fromkeys(i.kind for i in items)
        for item in [i for i in items if i.kind == kind][:QUESTIONS_PER_KIND]
    ]


def _lacking(clip: Clip, what: str) -> Clip | None:
    """The clip without its sound or picture, or None if nothing is left."""
    if what == "audio":
        return None if clip.frames is None else dataclasses.replace(clip, audio=None)
    return None if clip.audio is None else Clip(audio=clip.audio)


def _score(asked: Sequence[Exchange]) -> dict[str, Any]:
    task = asked[0][1].task
    if task in TRANSCRIPT_TASKS:
        return {"n": len(asked), "wer": round(word_errors(*_texts(asked)).rate or 0.0, 4)}
    return _score_captions(asked) if task in CAPTION_TASKS else _score_answers(asked)


def _score_answers(asked: Sequence[Exchange]) -> dict[str, Any]:
    common = Counter(normalise_text(item.answer) for _, item, _ in asked).most_common(1)[0][1]
    chance = sum(1 / len(item.choices) if item.choices else 0.0 for _, item, _ in asked)
    shares = {
        "accuracy": exact_match(*_texts(asked)),
        "chance": chance / len(asked),
        "majority": common / len(asked),
    }
    return {"n": len(asked)} | {name: round(value, 4) for name, value in shares.items()}


def _score_captions(asked: Sequence[Exchange]) -> dict[str, Any]:
    """Objects with their colours and sounds: those of the reference, and those that the model tells."""
    texts = _texts(asked)
    there, told = ([things(text) for text in side] for side in texts)
    shares = {"recall": recall(there, told), "invented": 1 - precision(there, told), "exact": exact_match(*texts)}
    return {"n": len(asked)} | {name: round(value, 4) for name, value in shares.items()}


def _texts(asked: Sequence[Exchange]) -> tuple[list[str], list[str]]:
    """The right answers, and those of the model."""
    return [item.answer for _, item, _ in asked], [text for _, _, text in asked]


def things(caption: str) -> Counter[str]:
    """The objects with their colours, and the sounds, that a caption tells."""
    return Counter(set(THINGS.findall(caption.lower())))


_OBJECTS = rf"(?:{'|'.join(COLOURS)}) (?:{'|'.join((*SHAPES, *OWN_SOUNDS))})"
_SOUNDS = "|".join(f"{noun} {verb}" for noun, verb, _ in SOUNDS.values())
THINGS = re.compile(rf"\b(?:{_OBJECTS}|{_SOUNDS})\b")


def print_scores() -> None:
    """Scores a model and prints the table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model's name or folder")
    parser.add_argument("--clips", type=int, default=500)
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--without", choices=("audio", "video"))
    options = parser.parse_args()
    scores = score_model(FavorModel.from_pretrained(options.model), options.clips, options.split, options.without)
    print(json.dumps(scores, indent=2))


if __name__ == "__main__":
    print_scores()
