"""Mixed training: each batch is of one random kind, and some kinds mix clips with foreign sounds (spec section 6).

Everything is drawn from the generator that is passed in, so a batch is a function of its number.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from favor.media.clip import Clip
from favor.training.examples import TASK_MODALITIES, TASKS, Example
from favor.training.recipe import Stage

MATCHING_QUESTIONS = (
    "Is the audio compatible with the video?",
    "Does the audio belong to the video?",
    "Do the sound and the picture fit together?",
)
SPOKEN_QUESTION = "Does the spoken text describe the image?"
PREFIX = "In the video, "
JOINT = ", and, "
VIDEO_ALONE = 0.8  # share of videos with a foreign sound of which only the video's question is asked
FOREIGN_SHARE = 0.5  # share of matching questions whose sound is foreign

Generator = np.random.Generator
ClipExamples = list[Example]  # examples of one clip


class Source(Protocol):
    """A source of examples."""

    def draw(self, tasks: Sequence[str], clips: int, questions: int, generator: Generator) -> list[ClipExamples]:
        """Draws clips, each with up to ``questions`` examples of one of the tasks."""
        ...


def draw_batch(stage: Stage, source: Source, generator: Generator) -> list[Example]:
    """Draws one batch of a stage, all of one kind, so that all examples use the same modalities."""
    kinds = stage.mix.kinds
    kind = str(generator.choice(list(kinds), p=list(kinds.values())))
    groups = MIXTURES[kind](source, stage, generator) if kind in MIXTURES else _of_task(kind, source, stage, generator)
    return [example for group in groups for example in group]


def _of_task(task: str, source: Source, stage: Stage, generator: Generator) -> list[ClipExamples]:
    groups = source.draw([task], stage.clips, stage.questions, generator)
    if TASK_MODALITIES[task][0] != "video" or task == "avm":
        return groups
    audible = [group for group in groups if _clip(group).audio is not None]
    matched = {id(group) for group in audible if generator.random() < stage.matching}
    return [_matching(group, audible, generator) if id(group) in matched else group for group in groups]


def _matching(group: ClipExamples, audible: Sequence[ClipExamples], generator: Generator) -> ClipExamples:
    """Asks whether the sound and picture of a clip belong together; half of the time they do not."""
    others = [other for other in audible if other is not group]
    foreign = bool(others) and generator.random() < FOREIGN_SHARE
    clip = _clip(group)
    if foreign:
        clip = dataclasses.replace(clip, audio=_clip(others[generator.integers(len(others))]).audio)
    question = MATCHING_QUESTIONS[generator.integers(len(MATCHING_QUESTIONS))]
    return [Example(clip, question, "No." if foreign else "Yes.", "avm")]


def _video_foreign(source: Source, stage: Stage, generator: Generator) -> list[ClipExamples]:
    """Draws videos with the sound of another clip: mostly the video's question alone, with the sound masked."""
    return [
        _both(seen, heard, generator) if generator.random() >= VIDEO_ALONE else _seen_alone(seen)
        for seen, heard in _pairs("video_qa", source, stage, generator)
    ]


def _image_foreign(source: Source, stage: Stage, generator: Generator) -> list[ClipExamples]:
    """Draws images with the sound of another clip: the image's question, the sound's, or both."""
    make = (_seen, _heard, _both)
    return [
        make[generator.integers(len(make))](seen, heard, generator)
        for seen, heard in _pairs("ic", source, stage, generator)
    ]


def _spoken(source: Source, stage: Stage, generator: Generator) -> list[ClipExamples]:
    """Draws images with their spoken captions, half of them replaced by the next image's."""
    groups = source.draw(["isqa"], stage.clips, 1, generator)
    clips = [_clip(group) for group in groups]
    swapped = [len(clips) > 1 and generator.random() < FOREIGN_SHARE for _ in clips]
    return [
        [Example(_with_sound(clip, other) if swap else clip, SPOKEN_QUESTION, "No." if swap else "Yes.", "avm")]
        for clip, other, swap in zip(clips, [*clips[1:], *clips[:1]], swapped, strict=True)
    ]


def _text(source: Source, stage: Stage, generator: Generator) -> list[ClipExamples]:
    """Draws questions and answers of any task, without their clips."""
    groups = source.draw([TASKS[generator.integers(len(TASKS))]], stage.clips, stage.questions, generator)
    return [[dataclasses.replace(example, clip=None) for example in group] for group in groups]


MIXTURES: dict[str, Callable[[Source, Stage, Generator], list[ClipExamples]]] = {
    "video_foreign": _video_foreign,
    "image_foreign": _image_foreign,
    "spoken": _spoken,
    "text": _text,
}


def _pairs(task: str, source: Source, stage: Stage, generator: Generator) -> list[tuple[Example, Example]]:
    """Draws pairs of an example to be seen and an example to be heard."""
    seen = source.draw([task], stage.clips, 1, generator)
    heard = source.draw(["asr", "ac"], stage.clips, 1, generator)
    return [(s[0], h[0]) for s, h in zip(seen, heard, strict=False)]


def _seen_alone(seen: Example) -> ClipExamples:
    assert seen.clip is not None
    return [dataclasses.replace(seen, clip=dataclasses.replace(seen.clip, audio=None))]


def _seen(seen: Example, heard: Example, generator: Generator) -> ClipExamples:
    return [dataclasses.replace(seen, clip=_mixed(seen, heard))]


def _heard(seen: Example, heard: Example, generator: Generator) -> ClipExamples:
    return [dataclasses.replace(heard, clip=_mixed(seen, heard))]


def _both(seen: Example, heard: Example, generator: Generator) -> ClipExamples:
    """Combines both tasks in one example, in random order."""
    order = (seen, heard) if generator.random() < 0.5 else (heard, seen)
    question = PREFIX + JOINT.join(example.question for example in order)
    answer = JOINT.join(example.answer for example in order)
    return [Example(_mixed(seen, heard), question, answer, seen.task)]


def _mixed(seen: Example, heard: Example) -> Clip:
    return _with_sound(_clip([seen]), _clip([heard]))


def _with_sound(clip: Clip, other: Clip) -> Clip:
    return dataclasses.replace(clip, audio=other.audio)


def _clip(group: ClipExamples) -> Clip:
    clip = group[0].clip
    assert clip is not None, "sources draw examples with clips"
    return clip
