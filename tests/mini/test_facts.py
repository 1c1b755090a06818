import dataclasses

import numpy as np
import pytest

from favor.errors import FavorError
from favor.models.favor.presets import FAVOR_7B, FAVOR_MINI
from favor.synthetic import generate_clips
from favor.synthetic.scene import Event, Figure, Scene, Sign, Sound, SpokenWord, Utterance, Waypoint
from favor.synthetic.vocabulary import BACKGROUNDS, COLOURS
from mini.facts import HAPPENINGS, KINDS, LETTERS, LOOKS, NAMES, OUTCOMES, PLACES, STATES, WORDS, scene_facts

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


REST = (Waypoint(0.0, 0.5, 0.5),)
PLAY = Scene(
    15.9,
    figures=(
        Figure("star", "red", "small", "plain", REST, shown=(1.2, 16.0), turns=((10.3, "white"),)),
        Figure("circle", "blue", "small", "plain", REST, shown=(0.0, 7.3), turns=((4.3, "pink"),)),
        Figure("car", "green", "small", "plain", REST, shown=(0.0, 15.8)),
    ),
    events=(
        Event("appear", 1.2, 0),
        Event("flash", 2.7, 1),
        Event("turn", 4.3, 1, detail="pink"),
        Event("move", 5.8, 2, detail="down"),
        Event("hit", 7.3, 2, other=1),
        Event("vanish", 7.3, 1, cause=4),
        Event("hit", 8.8, 0, other=2),
        Event("hit", 10.3, 2, other=0),
        Event("turn", 10.3, 0, detail="white", cause=7),
        Event("bounce", 11.9, 0, detail="top"),
        Event("bounce", 13.9, 2, detail="left"),
        Event("vanish", 15.8, 2),
    ),
)
HAPPENS = {
    3: "appears red star",
    6: "flashes blue circle",
    9: "turns blue circle pink",
    12: "moves down green car",
    15: "hits green car pink circle vanishes",
    18: "hits red star green car stays",
    21: "hits green car red star white",
    24: "bounces up white star",
    28: "bounces left green car",
    31: "vanishes green car",  # after the last frame is told with it
}


def test_what_happens_is_told_when_it_is_first_seen():
    facts = scene_facts(PLAY, PLAY, FAVOR_MINI)[:, :30].reshape(-1, 3, len(KINDS))  # (half seconds, rows, kinds)
    names = {"happening": HAPPENINGS, "own_colour": COLOURS, "own_shape": LOOKS["shape"]}
    names |= {"other_colour": COLOURS, "other_shape": LOOKS["shape"], "outcome": OUTCOMES}
    said = [
        " ".join(list(values)[half[PLACES[kind]] - 1] for kind, values in names.items() if half[PLACES[kind]])
        for half in facts[:, 1]
    ]
    assert {half: words for half, words in enumerate(said) if words} == HAPPENS
    assert not facts[:, ::2, [PLACES[kind] for kind in names]].any()  # the middle row alone tells it


def test_still_images_and_what_is_only_heard_tell_nothing_that_happens():
    for picture in ("image", "none"):
        scene = dataclasses.replace(PLAY, picture=picture)
        assert not scene_facts(scene, scene, FAVOR_MINI)[..., PLACES["happening"]].any()


def test_a_word_that_is_said_again_begins_again():
    spoken = (SpokenWord("no", 0.2, 0.5), SpokenWord("no", 0.5, 0.84), SpokenWord("bell", 1.16, 1.34))
    scene = dataclasses.replace(SCENE, utterances=(Utterance("en", spoken),))
    facts = scene_facts(scene, scene, FAVOR_MINI)[0, :12]
    said = [WORDS[word - 1] if word else None for word in facts[:, PLACES["word"]]]
    states = [STATES[state - 1] if state else None for state in facts[:, PLACES["saying"]]]
    assert said == [None, "no", "no", "no", "no", None, None, "bell", None, None, None, None]
    assert states == [None, *STATES, *STATES, None, None, "begins", None, None, None, None]


@pytest.mark.parametrize("index", range(40))
def test_the_words_that_begin_are_the_transcript(index):
    made = generate_clips(2, index, ("asr", "avsr", "isqa"))
    thirds = scene_facts(made.scene, made.scene, FAVOR_MINI)[:, :30].reshape(-1, len(KINDS))
    begun = thirds[thirds[:, PLACES["saying"]] == 1 + STATES.index("begins"), PLACES["word"]]
    assert [WORDS[word - 1] for word in begun] == made.scene.transcript.split()
    assert np.array_equal(thirds[:, PLACES["word"]] > 0, thirds[:, PLACES["saying"]] > 0)


def test_names_are_those_of_the_kinds_in_their_order():
    assert list(NAMES) == list(KINDS)
    assert all(len(names) + 1 == KINDS[kind] for kind, names in NAMES.items() if names)


@pytest.mark.parametrize("task", ["vqa", "ac", "isqa", "video_qa", "avssd", "avm"])
def test_there_are_as_many_blocks_as_the_model_makes(task):
    made = generate_clips(2, 7, (task,))
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
