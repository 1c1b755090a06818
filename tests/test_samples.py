"""What favor-mini says of the clips in ``samples/``, against the very scenes that they were made of."""

import importlib.util
from pathlib import Path

import pytest

from favor.media.decode import read_clip
from favor.models.favor.model import FavorModel
from favor.prompts import CAPTION_PROMPT, TRANSCRIBE_PROMPT
from favor.synthetic.questions.captions import caption

pytestmark = pytest.mark.numeric

SAMPLES = Path(__file__).parents[1] / "samples"
SURE = 0.02  # nats by which each token must be likelier than any other; instruction sets differ by 2e-5


@pytest.fixture(scope="module")
def model():
    return FavorModel.from_pretrained("favor-mini", device="cpu")


@pytest.fixture
def ask(model, leads):
    """The function that asks about a sample and makes sure that no rounding could change the answer."""

    def answer_of(name, question):
        clip = read_clip(str(SAMPLES / f"{name}.mp4"))
        (answer,) = model.answer([clip], [question])
        assert leads(model, clip, question, answer.token_ids).min() > SURE
        return answer.text

    return answer_of


@pytest.fixture(scope="module")
def scenes():
    """The functions that make the scenes."""
    spec = importlib.util.spec_from_file_location("make_samples", SAMPLES / "make_samples.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["shapes", "speech", "silent", "rotated"])
def test_captions_are_right(ask, scenes, name):
    assert ask(name, CAPTION_PROMPT) == caption(getattr(scenes, name)())


def test_the_transcript_is_right(ask, scenes):
    assert ask("speech", TRANSCRIBE_PROMPT) == scenes.speech().transcript


def test_answers_are_right(ask):
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
    assert {about: ask(*about) for about in asked} == asked
