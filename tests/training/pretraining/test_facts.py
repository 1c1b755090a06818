import dataclasses
from itertools import groupby

import numpy as np
import pytest

from favor.errors import FavorError
from favor.presets import FAVOR_7B, FAVOR_MINI
from favor.synthetic import generate
from favor.synthetic.scene import Figure, Scene, Sign, Sound, Waypoint
from favor.synthetic.vocabulary import BACKGROUNDS, COLOURS
from favor.training.pretraining.facts import KINDS, LETTERS, LOOKS, PLACES, WORDS, scene_facts

STILL = Figure("star", "red", "large", "plain", (Waypoint(0.0, 0.8, 0.2),))
MOVING = Figure(
    "circle",
    "blue",
    "small",
    "striped",
    (Waypoint(1.0, 0.2, 0.5), Waypoint(2.0, 0.8, 0.5)),
    shown=(0.0, 3.0),
    flashes=((2.4, 2.9),),
    turns=((2.2, "pink"),),
)
SCENE = Scene(
    6.0,
    "grey",
    figures=(STILL, MOVING),
    sounds=(Sound("bell", 1.55, 0.5),),
    signs=(Sign("zoo", 0.5, 0.85, 0.2),),
)
FRAMES, QUERIES = FAVOR_MINI.causal_qformer.resolutions[0]


def told(facts, kind, block, query):
    return int(facts[block, query, PLACES[kind]])


def test_figures_are_told_where_and_when_they_are():
    facts = scene_facts(SCENE, SCENE, FAVOR_MINI)
    assert facts.shape == (2, QUERIES, len(KINDS))
    red, shapes = 1 + list(COLOURS).index("red"), LOOKS["shape"]
    for query in range(0, 30, 3):  # top row of each half second of the first block
        assert told(facts, "shape2", 0, query) == 1 + shapes.index("star")
        assert told(facts, "colour2", 0, query) == red
    middle = facts[0, 1:30:3]
    columns = [next((c for c in range(3) if row[PLACES[f"shape{c}"]]), None) for row in middle]
    assert columns == [0, 0, 0, 1, 2, 2, None, None, None, None]
    colour = middle[:, PLACES["colour2"]]
    assert colour[4] == 1 + list(COLOURS).index("blue")
    assert colour[5] == 1 + list(COLOURS).index("pink")
    assert [int(light) for light in middle[:, PLACES["light2"]]][4:6] == [1, 2]


def test_a_sound_begins_in_its_sixth_of_a_second():
    bell = scene_facts(SCENE, SCENE, FAVOR_MINI)[0, :30, PLACES["sound_bell"]]
    assert np.flatnonzero(bell).tolist() == [9, 10, 11, 12]  # 1.5 s to 2.05 s
    assert bell[9:13].tolist() == [1, 2, 2, 2]


def test_what_stays_is_told_by_the_last_queries():
    facts = scene_facts(SCENE, SCENE, FAVOR_MINI)
    for query in (30, 31):
        assert told(facts, "background", 1, query) == 1 + list(BACKGROUNDS).index("grey")
        letters = [told(facts, f"letter{place}", 1, query) for place in range(4)]
        assert letters == [1 + LETTERS.index(letter) for letter in "zoo"] + [0]


@pytest.mark.parametrize("index", range(40))
def test_the_words_in_their_order_are_the_transcript(index):
    made = generate(2, index, ("asr", "avsr", "isqa"))
    facts = scene_facts(made.scene, made.scene, FAVOR_MINI)
    words = facts[:, :30, PLACES["word"]].ravel()
    said = [WORDS[word - 1] for word, _ in groupby(words) if word]
    expected = [word for word, _ in groupby(made.scene.transcript.split())]
    assert said == expected or said == made.scene.transcript.split()


@pytest.mark.parametrize("task", ["vqa", "ac", "isqa", "video_qa", "avssd", "avm"])
def test_there_are_as_many_blocks_as_the_model_makes(task):
    made = generate(2, 7, (task,))
    clip, speech = made.clip, FAVOR_MINI.speech
    heard = 0 if clip.audio is None else -(-len(clip.audio) // speech.piece_samples) * speech.piece_frames
    seen = 0 if clip.frames is None else max(heard, speech.piece_frames) if clip.still else len(clip.frames)
    assert len(scene_facts(made.scene, made.scene, FAVOR_MINI)) == -(-max(seen, heard) // FRAMES)


def test_picture_and_sound_may_be_of_two_scenes():
    silent = dataclasses.replace(SCENE, sounds=(), seconds=2.0)
    mixed = scene_facts(silent, SCENE, FAVOR_MINI)
    assert len(mixed) == 2
    assert not mixed[0, 12:30, PLACES["shape2"]].any()  # the picture ends after two seconds
    assert mixed[0, 9, PLACES["sound_bell"]] == 1


def test_too_few_queries_are_refused():
    few = dataclasses.replace(FAVOR_7B.causal_qformer, resolutions=((10, 20),))
    with pytest.raises(FavorError, match="20 queries for 10 frames"):
        scene_facts(SCENE, SCENE, dataclasses.replace(FAVOR_7B, causal_qformer=few))
