"""What favor-mini says of the clips in ``samples/``, against the very scenes that they were made of."""

import importlib.util
from pathlib import Path

import pytest

from favor.media.decode import read_clip
from favor.models.favor.model import FavorModel
from favor.prompts import CAPTION_PROMPT, TRANSCRIBE_PROMPT
from favor.synthetic.questions.captions import caption

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture(scope="module")
def model():
    return FavorModel.from_pretrained("favor-mini", device="cpu")


@pytest.fixture(scope="module")
def scenes():
    """The functions that make the scenes."""
    spec = importlib.util.spec_from_file_location("make_samples", SAMPLES / "make_samples.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["shapes", "speech", "silent", "rotated"])
def test_captions_are_right(model, scenes, name):
    (answer,) = model.answer([read_clip(str(SAMPLES / f"{name}.mp4"))], [CAPTION_PROMPT])
    assert answer.text == caption(getattr(scenes, name)())


def test_the_transcript_is_right(model, scenes):
    (answer,) = model.answer([read_clip(str(SAMPLES / "speech.mp4"))], [TRANSCRIBE_PROMPT])
    assert answer.text == scenes.speech().transcript


def test_answers_are_right(model):
    asked = {
        ("shapes", "Which sound is heard first?"): "a bell",
        ("shapes", "What colour is the circle?"): "red",
        ("shapes", "Which object flashes?"): "the green star",
        ("shapes", "How many objects are there?"): "three",
        ("rotated", "Which object flashes?"): "the red car",
        ("rotated", "What colour is the background?"): "beige",
        ("silent", "How many objects are there?"): "two",
        ("speech", "What does the sign say?"): "hotel",
    }
    clips = [read_clip(str(SAMPLES / f"{name}.mp4")) for name, _ in asked]
    answers = model.answer(clips, [question for _, question in asked])
    assert [answer.text for answer in answers] == list(asked.values())
