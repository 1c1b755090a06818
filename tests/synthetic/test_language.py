"""Captions, questions and answers of scenes that were written, and described, by hand."""

import numpy as np
import pytest

from favor.synthetic.questions import tasks
from favor.synthetic.questions.captions import caption
from favor.synthetic.questions.dialogues import dialogues
from favor.synthetic.rendering import voices
from favor.synthetic.scene import Event, Figure, Scene, Sign, Sound, SpokenWord, Utterance, Waypoint
from favor.synthetic.vocabulary import spoken_words, wording
from favor.synthetic.world import write


def still(x, y):
    return (Waypoint(0.0, x, y),)


COLLISION = Scene(
    6.0,
    "grey",
    figures=(
        Figure("circle", "red", "large", "plain", (Waypoint(0.8, 0.2, 0.5), Waypoint(1.5, 0.54, 0.5))),
        Figure("square", "blue", "large", "striped", still(0.8, 0.5), shown=(0.0, 1.5)),
        Figure("star", "green", "small", "plain", still(0.5, 0.2), flashes=((3.8, 4.6),)),
    ),
    events=(
        Event("hit", 1.5, 0, other=1, sound=0),
        Event("vanish", 1.5, 1, cause=0),
        Event("flash", 3.8, 2, sound=1),
    ),
    sounds=(Sound("bell", 1.5, 0.8), Sound("whistle", 3.8, 0.7, source=2)),
)
CHANGES = Scene(
    9.0,
    "beige",
    figures=(
        Figure("car", "orange", "large", "spotted", (Waypoint(1.0, 0.2, 0.8), Waypoint(1.9, 0.8, 0.8))),
        Figure("cross", "pink", "small", "plain", still(0.2, 0.2), turns=((3.0, "white"),)),
        Figure("drum", "red", "small", "plain", still(0.8, 0.2), shown=(5.0, np.inf), flashes=((7.0, 7.7),)),
    ),
    events=(
        Event("move", 1.0, 0, detail="right", sound=0),
        Event("turn", 3.0, 1, detail="white"),
        Event("appear", 5.0, 2, sound=1),
        Event("flash", 7.0, 2, sound=2),
    ),
    sounds=(Sound("horn", 1.0, 0.6), Sound("rain", 5.0, 0.6), Sound("drum", 7.0, 0.6, source=2)),
)
ANSWERS = [
    (COLLISION, "Is there a green circle?", "no", "static"),
    (COLLISION, "Where is the green star?", "at the top", "static"),
    (COLLISION, "Which object flashes?", "the green star", "fine-grained"),
    (COLLISION, "What is heard when the red circle hits the blue square?", "a bell", "fine-grained"),
    (COLLISION, "Is the bell heard when the green star flashes?", "no", "fine-grained"),
    (COLLISION, "Is the whistle heard when the green star flashes?", "yes", "fine-grained"),
    (COLLISION, "Why does the blue square vanish?", "the red circle hits it", "causal"),
    (COLLISION, "What happens to the blue square when the red circle hits it?", "it vanishes", "causal"),
    (COLLISION, "Is it before or after the bell rings that the green star flashes?", "after", "causal"),
    (COLLISION, "Which sound is heard first?", "a bell", "causal"),
    (COLLISION, "How many flashes are there?", "one", "causal"),
    (CHANGES, "What colour is the background?", "beige", "static"),
    (CHANGES, "What is heard when the red drum appears?", None, None),  # a drum has a sound of its own: not asked
    (CHANGES, "In which direction does the orange car move?", "right", "causal"),
    (CHANGES, "Why does the pink cross turn white?", "nothing hits it", "causal"),
    (CHANGES, "What colour is the cross at first?", "pink", "causal"),
    (CHANGES, "What colour is the cross at the end?", "white", "causal"),
    (CHANGES, "What happens after the horn sounds?", "the pink cross turns white", "causal"),
    (CHANGES, "What happens before the rain falls?", "the pink cross turns white", "causal"),
    (CHANGES, "Which sound is heard last?", "a drum", "causal"),
]


def asked(scene):
    """Every question that a scene allows, and its answer and kind."""
    found = {}
    for seed in range(150):
        for item in tasks.watching(np.random.default_rng(seed), scene):
            assert found.setdefault(item.question, (item.answer, item.kind)) == (item.answer, item.kind)
    return found


@pytest.fixture(scope="module")
def questions():
    return {id(scene): asked(scene) for scene in (COLLISION, CHANGES)}


@pytest.mark.parametrize(("scene", "question", "answer", "kind"), ANSWERS)
def test_questions_have_the_answers_that_a_person_would_give(questions, scene, question, answer, kind):
    assert questions[id(scene)].get(question, (None, None)) == (answer, kind)


def test_videos_are_described_in_the_order_of_time():
    assert caption(COLLISION) == (
        "A green star, a red circle and a blue square are on a grey background. The red circle hits the blue square, "
        "which vanishes, and a bell rings. Then the green star flashes, and a whistle blows."
    )
    assert caption(CHANGES) == (
        "A pink cross and an orange car are on a beige background. The orange car moves to the right, and a horn "
        "sounds. Then the pink cross turns white. Then the red drum appears, and rain falls. Then the red drum "
        "flashes, and a drum beats."
    )


def test_images_sounds_and_speech_are_described():
    figure = Figure("bird", "orange", "small", "striped", still(0.5, 0.5))
    picture = Scene(1.0, "brown", figures=(figure,), signs=(Sign("exit", 0.5, 0.87, 0.2),), picture="image")
    assert caption(picture) == (
        "A small striped orange bird is in the middle. The background is brown. The sign says exit."
    )
    sounds = tuple(Sound(kind, time, 0.5) for time, kind in enumerate(("bell", "bell", "siren")))
    assert caption(Scene(4.0, sounds=sounds, picture="none")) == "A bell rings twice, then a siren wails."
    words = tuple(SpokenWord(text, start, start + 0.5) for start, text in enumerate(("open", "the", "door")))
    assert caption(Scene(4.0, utterances=(Utterance("slt", words),), picture="none")) == "A voice says: open the door."


def test_a_dialogue_ends_with_a_question_about_it():
    last = {}
    for seed in range(60):
        for item in dialogues(np.random.default_rng(seed), COLLISION):
            assert item.question.count("ASSISTANT: ") in (1, 2)
            last[item.question.split(" USER: ")[-1]] = item.answer
    assert last["What is heard when it flashes?"] == "a whistle"
    assert last["Does it vanish?"] == "no"
    assert last["Is it small or large?"] == "small"


def test_every_voice_says_every_word():
    for voice in voices.VOICES:
        assert sorted(voices.index()[voice]) == list(spoken_words())
        last = max(start + count for start, count in voices.index()[voice].values())
        assert last <= len(voices.recording(voice))


def test_transcripts_and_spoken_questions_are_never_empty():
    for task in ("asr", "avsr", "isqa"):
        for index in range(20):
            scene, _ = write(5, index, [task])
            assert scene.transcript
            assert all(word.end > word.start for utterance in scene.utterances for word in utterance.words)


def test_questions_of_one_form_share_their_wording():
    assert wording("Where is the red star?") == wording("Where is the blue bell?") == "Where is the X X?"
    assert wording("What flashes? ASSISTANT: the red star USER: Where is it?") == "Where is it?"
    assert wording("What is on the left?") != wording("What is on the right?")
