import numpy as np
import pytest

from favor.model import FavorModel
from favor.synthetic import TASKS
from favor.training.scoring import interval, plain, score, things


def test_objects_and_sounds_of_a_caption_are_found_with_their_names():
    caption = (
        "A large blue square is on the left. A bell rings twice, then a red circle vanishes. The blue square moves."
    )
    assert set(things(caption)) == {"blue square", "red circle", "bell rings"}
    assert not things("A voice says: the farmer sees a square.")


def test_texts_are_compared_without_case_and_stops():
    assert plain(" The red  Circle. ") == plain("the red circle")
    assert plain("at the top left") != plain("at the top")


def test_random_weights_score_nothing_and_the_table_is_whole(untrained_folder):
    scores = score(FavorModel.from_pretrained(untrained_folder, device="cpu"), len(TASKS))
    assert {name.split()[0] for name in scores} == {*TASKS, "all"}
    for values in scores.values():
        assert values["n"] >= 1
        measured = [name for name in ("accuracy", "wer", "recall") if name in values]
        assert len(measured) == 1
        assert measured == ["wer"] or values[measured[0]] == pytest.approx(0, abs=0.6)
        low, high = values[f"{measured[0]}_interval"]
        assert low <= min(1, values[measured[0]]) <= high


def test_what_is_asked_of_all_tasks_is_scored_together(untrained_folder):
    scores = score(FavorModel.from_pretrained(untrained_folder, device="cpu"), len(TASKS))
    for kind in ("static", "causal"):
        parts = [values["n"] for name, values in scores.items() if name.endswith(kind) and not name.startswith("all")]
        assert scores[f"all {kind}"]["n"] == sum(parts)


def test_clips_of_some_tasks_may_be_taken_from_a_place_on(untrained_folder):
    model = FavorModel.from_pretrained(untrained_folder, device="cpu")
    assert set(score(model, 2, first=500, tasks=["asr", "ocr"])) == {"asr", "ocr static", "all static"}
    assert score(model, 1, first=500, tasks=["asr"]) != score(model, 1, first=501, tasks=["asr"])


@pytest.mark.parametrize(("without", "gone"), [("audio", {"asr", "ac"}), ("video", {"ic", "ocr", "vqa"})])
def test_clips_may_lose_their_sound_or_picture(without, gone):
    scores = score(FavorModel.from_pretrained("favor-mini", device="cpu"), 2 * len(TASKS), without=without)
    assert not {name.split()[0] for name in scores} & gone
    assert all(name.endswith((f" needs {without}", f" does not need {without}")) for name in scores)
    assert f"avssd needs {without}" in scores


@pytest.mark.parametrize(
    ("right", "clips", "low", "high"),
    [  # computed by hand from Wilson's formula
        (180, 200, 0.8506, 0.9343),
        (200, 200, 0.9812, 1),
        (0, 200, 0, 0.0188),
    ],
)
@pytest.mark.parametrize("questions", [1, 3])
def test_questions_that_stand_and_fall_together_count_as_one(right, clips, low, high, questions):
    answers = np.repeat(np.arange(clips) < right, questions).astype(float)
    owners = np.repeat(np.arange(clips), questions)
    assert interval(answers, np.ones(len(answers)), owners) == pytest.approx((low, high), abs=2e-3)


def test_intervals_hold_the_truth_in_about_95_of_100_cases():
    dice = np.random.default_rng(0)
    held = []
    for _ in range(1000):
        ease = np.repeat(dice.beta(4, 1, 100), 2)  # some clips are easier than others; the mean is 0.8
        low, high = interval(dice.random(200) < ease, np.ones(200), np.repeat(np.arange(100), 2))
        held.append(low <= 0.8 <= high)
    assert 0.93 <= np.mean(held) <= 0.97
