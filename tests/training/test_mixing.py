import dataclasses

import numpy as np
import pytest

from favor.media.clip import Clip
from favor.training.examples import TASK_MODALITIES, Example
from favor.training.mixing import JOINT, MATCHING_QUESTIONS, PREFIX, draw_batch
from favor.training.recipe import Mix, Stage
from favor.training.sources import WorldSource, batch_generator


class Numbered:
    """Clips whose pixels and samples all have the clip's number."""

    def draw(self, tasks, clips, questions, generator):
        groups = []
        for number in range(1, clips + 1):
            task = tasks[generator.integers(len(tasks))]
            picture = np.full((1, 2, 2, 3), number, np.uint8) if TASK_MODALITIES[task] != ("audio",) else None
            audio = np.full(4, number, np.float32) if TASK_MODALITIES[task] != ("image",) else None
            clip = Clip(frames=picture, audio=audio)
            groups.append([Example(clip, f"{task}? {turn}", f"{task}.", task) for turn in range(questions)])
        return groups


def draw(mix, count=200, **changes):
    stage = dataclasses.replace(Stage("s", 1, mix=mix, clips=4), **changes)
    return [draw_batch(stage, Numbered(), batch_generator(0, 0, number)) for number in range(count)]


def seen(example):
    return None if example.clip.frames is None else int(example.clip.frames.max())


def heard(example):
    return None if example.clip.audio is None else int(example.clip.audio.max())


def test_a_batch_is_of_one_kind_and_kinds_come_as_often_as_told():
    batches = draw(Mix(asr=3, vqa=1))
    kinds = [{example.task for example in batch} for batch in batches]
    assert all(len(kind) == 1 for kind in kinds)
    assert 0.65 < sum(kind == {"asr"} for kind in kinds) / len(kinds) < 0.85


def test_a_tenth_of_paired_video_is_matched_and_half_of_that_is_foreign():
    examples = [example for batch in draw(Mix(video_qa=1), 500) for example in batch]
    matched = [example for example in examples if example.task == "avm"]
    assert 0.07 < len(matched) / len(examples) < 0.13
    assert {example.question for example in matched} == set(MATCHING_QUESTIONS)
    assert all((seen(example) == heard(example)) == (example.answer == "Yes.") for example in matched)
    assert 0.35 < sum(example.answer == "No." for example in matched) / len(matched) < 0.65
    assert not any(example.task == "avm" for batch in draw(Mix(asr=1, vqa=1)) for example in batch)


def test_a_video_with_a_foreign_sound_is_mostly_asked_alone():
    examples = [example for batch in draw(Mix(video_foreign=1)) for example in batch]
    alone = [example for example in examples if heard(example) is None]
    joint = [example for example in examples if heard(example) is not None]
    assert 0.75 < len(alone) / len(examples) < 0.85
    assert all(example.question == "video_qa? 0" for example in alone)
    for example in joint:
        questions = example.question.removeprefix(PREFIX).split(JOINT)
        assert [question.split("?")[0] for question in questions] == [
            a.rstrip(".") for a in example.answer.split(JOINT)
        ]
        assert example.question.startswith(PREFIX)
    assert len({example.question.index("video_qa") for example in joint}) > 1


def test_an_image_with_a_foreign_sound_is_asked_one_or_both():
    examples = [example for batch in draw(Mix(image_foreign=1)) for example in batch]
    kinds = ["both" if JOINT in e.question else "seen" if e.question.startswith("ic") else "heard" for e in examples]
    assert all(seen(example) is not None and heard(example) is not None for example in examples)
    assert all(0.25 < kinds.count(kind) / len(kinds) < 0.42 for kind in ("both", "seen", "heard"))


def test_half_of_the_spoken_captions_are_swapped():
    examples = [example for batch in draw(Mix(spoken=1)) for example in batch]
    assert all((seen(example) == heard(example)) == (example.answer == "Yes.") for example in examples)
    assert 0.4 < sum(example.answer == "No." for example in examples) / len(examples) < 0.6


@pytest.mark.parametrize("kind", ["vqa", "caption", "video_foreign", "image_foreign", "spoken", "text"])
def test_a_batch_of_the_world_is_a_function_of_its_number(kind):
    stage = Stage("s", 1, mix=Mix(**{kind: 1}), clips=2, questions=2)
    first, again, other = (draw_batch(stage, WorldSource(), batch_generator(0, 0, number)) for number in (3, 3, 4))
    texts = [[(e.question, e.answer, e.task) for e in batch] for batch in (first, again, other)]
    assert texts[0] == texts[1] != texts[2]
    for a, b in zip(first, again, strict=True):
        if kind == "text":
            assert a.clip is None
        elif a.clip.frames is not None:
            assert np.array_equal(a.clip.frames, b.clip.frames)
