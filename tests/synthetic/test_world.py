import os
import subprocess
import sys

import numpy as np
import pytest

from favor.synthetic import SPLITS, WORLD_TASKS, generate_clips
from favor.synthetic.vocabulary import COLOURS
from favor.synthetic.world import ask_more, write, write_for
from favor.synthetic.writing.drafting import DraftScene

HASH = """
import hashlib
from favor.synthetic import generate_clips
digest = hashlib.sha256()
for index in (3, 1, 2):
    made = generate_clips(7, index)
    for array in (made.clip.frames, made.clip.audio):
        digest.update(b"none" if array is None else array.tobytes())
    for item in made.items:
        digest.update(repr((made.scene, item.question, item.answer, item.choices, sorted(item.needs))).encode())
print(digest.hexdigest())
"""


def test_two_processes_make_the_same_clips():
    def run(hash_seed):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        return subprocess.run([sys.executable, "-c", HASH], env=environment, capture_output=True, check=True).stdout

    assert run("1") == run("2")


def test_a_clip_does_not_depend_on_those_before():
    alone = generate_clips(7, 5)
    generate_clips(7, 4)
    again = generate_clips(7, 5)
    assert (alone.scene, alone.items) == (again.scene, again.items)


@pytest.mark.parametrize("task", WORLD_TASKS)
def test_every_task_has_clips(task):
    for index in range(5):
        made = generate_clips(SPLITS["validation"], index, [task])
        assert made.items
        assert {item.task for item in made.items} == {task}
        for item in made.items:
            assert not item.choices or item.answer in item.choices
            assert "video" not in item.needs or made.clip.frames is not None
            assert "audio" not in item.needs or made.clip.audio is not None


def test_frames_and_samples_fit_the_scene():
    for index in range(30):
        made = generate_clips(3, index)
        if made.clip.audio is not None:
            assert len(made.clip.audio) == round(made.scene.seconds * 16_000)
            assert made.clip.audio.dtype == np.float32
        if made.scene.picture == "video":
            assert made.clip.frames.shape == (int(np.ceil(made.scene.seconds * 2)), 128, 128, 3)


def test_unknown_tasks_are_refused():
    with pytest.raises(ValueError, match="tasks must be some of asr, ac"):
        generate_clips(1, 1, ["smell"])


@pytest.mark.parametrize("task", WORLD_TASKS)
def test_more_is_asked_about_pictures_only_and_nothing_twice(task):
    rng = np.random.default_rng(3)
    scene, items = write_for(rng, task)
    more = ask_more(rng, scene, items, 4)
    assert more[: len(items)] == list({item.question: item for item in reversed(items)}.values())[::-1]
    assert len({item.question for item in more}) == len(more)
    asked = {item.task for item in items}
    assert {item.task for item in more[len(items) :]} <= {"vqa", "video_qa"}
    assert (len(more) > len(items)) == bool(asked & {"vqa", "video_qa"})


def test_videos_may_be_silent_and_show_a_single_figure():
    made = [write(SPLITS["validation"], index, ["video_qa"]) for index in range(150)]
    silent = [(scene, items) for scene, items in made if not scene.audible]
    assert 5 <= len(silent) <= 30
    assert not any(scene.sounds for scene, _ in silent)
    assert not any("audio" in item.needs for _, items in silent for item in items)
    assert {len(scene.figures) for scene, _ in made} == {1, 2, 3, 4}


def test_a_figure_whose_shape_has_had_all_colours_does_not_turn():
    stage = DraftScene(np.random.default_rng(0), 2)
    stage.figures[0].names = {f"{colour} {stage.figures[0].shape}" for colour in COLOURS}
    assert not stage.turn(0, 1.0)
    assert not stage.events
    assert stage.turn(1, 1.0) == (stage.figures[1].shape != stage.figures[0].shape)
