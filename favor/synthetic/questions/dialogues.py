"""Dialogues about a video: a question answered by an object, then questions about "it"."""

import dataclasses

from favor.prompts import dialogue
from favor.synthetic import vocabulary as words
from favor.synthetic.chance import Rng, chance, pick, shuffled
from favor.synthetic.questions.captions import noun
from favor.synthetic.questions.items import BOTH, CAUSAL, FINE, SEEN, STATIC, YES_NO, Item, shuffled_choices
from favor.synthetic.questions.looking import looking_questions, steady
from favor.synthetic.questions.watching import flashes, flashing_once, watching_questions
from favor.synthetic.scene import Figure, Scene
from favor.synthetic.vocabulary import PLACE_PHRASES, place_phrase

SELDOM = 0.4  # probability of asking about an event that happens only to other figures


def dialogues(rng: Rng, scene: Scene) -> list[Item]:
    """Returns a dialogue of two or three turns, or nothing if no question can open one."""
    named = {f"the {figure.name}": figure for figure in scene.figures if not figure.turns}
    questions = [*looking_questions(rng, scene, "video_qa"), *watching_questions(rng, scene)]
    openings = [item for item in questions if item.answer in named]
    if not openings:
        return []
    opening = pick(rng, openings)
    later = _about_it(rng, scene, named[opening.answer])
    last = later[0]
    turns = [(item.question, item.answer) for item in (opening, *later[1 : 1 + int(rng.integers(2))])]
    return [dataclasses.replace(last, question=dialogue(turns, last.question))]


def _about_it(rng: Rng, scene: Scene, figure: Figure) -> list[Item]:
    """Returns questions about a figure mentioned before, in random order."""
    asked = [("Is it small or large?", figure.size, tuple(words.SIZES), STATIC, SEEN)]
    asked.append(("Is it plain, striped or spotted?", figure.texture, words.TEXTURES, STATIC, SEEN))
    if figure in steady(scene):
        asked.append(("Where is it?", place_phrase(*figure.place(0)), PLACE_PHRASES, STATIC, SEEN))
    index = scene.figures.index(figure)
    count = sum(event.figure == index for event in flashes(scene))
    if 1 <= count <= 4 and len(flashes(scene)) > 1:
        asked.append(("How many times does it flash?", words.NUMBERS[count], words.NUMBERS[1:5], CAUSAL, SEEN))
    for kind in ("vanish", "move"):
        happens = [event.figure for event in scene.events if event.kind == kind]
        if index in happens or (happens and chance(rng, SELDOM)):
            asked.append((f"Does it {kind}?", "yes" if index in happens else "no", YES_NO, CAUSAL, SEEN))
    asked += _heard(rng, scene, index)
    items = [
        Item("avsd", text, answer, kind, needs, shuffled_choices(rng, answer, all_))
        for text, answer, all_, kind, needs in asked
    ]
    return shuffled(rng, items)


def _heard(rng: Rng, scene: Scene, index: int) -> list[tuple[str, str, tuple[str, ...], str, frozenset[str]]]:
    """Returns the question for the sound of a figure's only flash, unless the figure has a characteristic sound."""
    for event in flashing_once(scene):
        if event.figure == index and event.sound is not None and scene.figures[index].shape not in words.OWN_SOUNDS:
            heard = [noun(sound.kind) for sound in scene.sounds]
            others = [noun(kind) for kind in shuffled(rng, tuple(words.SOUNDS))]
            choices = tuple(dict.fromkeys(heard + others))[:5]
            return [("What is heard when it flashes?", noun(scene.sounds[event.sound].kind), choices, FINE, BOTH)]
    return []
