import dataclasses
from fractions import Fraction

import pytest

from favor.media.corpus.files import Entry, WindowKey
from favor.media.needs import ClipNeeds, Square
from favor.media.sampling import SCENES, Windowing
from favor.models.base import GenerationOptions
from transforms.elements import Identity, Question
from transforms.rows import CAPTIONS

IDENTITY = Identity("favor-mini", "r1", "auto", Windowing(), ClipNeeds(), GenerationOptions())
CAPTION = Question(CAPTIONS, "caption", "What?")
KEY = WindowKey("m", 0, 1)


def ids(entry=Entry(), question=CAPTION, key=KEY, **changed):  # noqa: B008
    identity = dataclasses.replace(IDENTITY, **changed)
    window_id = identity.window_id(key)
    return window_id, identity.result_id(window_id, question, entry)


@pytest.mark.parametrize(
    "changed",
    [
        {"key": WindowKey("m", 0, 2)},
        {"key": WindowKey("n", 0, 1)},
        {"windowing": Windowing(audio_track=0)},
        {"windowing": Windowing(split=SCENES)},
    ],
)
def test_another_window_has_other_ids(changed):
    assert ids(**changed)[0] != ids()[0]
    assert ids(**changed)[1] != ids()[1]


@pytest.mark.parametrize(
    "changed",
    [
        {"model_revision": "r2"},
        {"precision": "float16"},
        {"needs": ClipNeeds(Fraction(1, 2))},
        {"needs": ClipNeeds(frame_size=Square(32))},
        {"generation": GenerationOptions(num_beams=2)},
        {"question": Question(CAPTIONS, "caption", "Who?")},
        {"question": Question(CAPTIONS, "other", "What?")},
        {"entry": Entry(labels=(("id", "a"),))},
    ],
)
def test_another_answer_about_a_window_keeps_the_id_of_the_window(changed):
    assert ids(**changed)[0] == ids()[0]
    assert ids(**changed)[1] != ids()[1]


def test_ids_do_not_depend_on_the_length_of_windows_and_the_name_of_the_model():
    assert ids(windowing=Windowing(10_000), model="copy") == ids()


def test_the_length_of_windows_is_a_setting_only_where_scenes_are_sought():
    assert dataclasses.replace(IDENTITY, windowing=Windowing(10_000)).settings == IDENTITY.settings
    at_scenes = dataclasses.replace(IDENTITY, windowing=Windowing(10_000, SCENES)).settings
    assert at_scenes["windows"] == {"split": "scenes", "audio_track": None, "window_ms": 10_000}
