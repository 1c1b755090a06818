from collections import Counter

import numpy as np
import pytest

from favor.evaluation.metrics import (
    WordErrors,
    exactness,
    interval,
    invention,
    normalise_text,
    recall,
    share,
    word_errors,
)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (" The red  Circle. ", "the red circle"),
        ("Don\u2019t, DON'T", "dont dont"),
        ("a well-known \u201cfact\u201d", "a well known fact"),
        ("25.5 % of \u20ac3", "25 5 of \u20ac3"),
        ("\u00dcber\nNacht!", "\u00fcber nacht"),
        ("...", ""),
    ],
)
def test_texts_are_compared_without_case_punctuation_and_spaces(text, same):
    assert normalise_text(text) == normalise_text(same) == same


def test_other_words_are_other_texts():
    assert normalise_text("at the top left") != normalise_text("at the top")


def test_words_are_replaced_lost_and_added():
    found = word_errors(["two boats sail", "A cat.", "one"], ["Two ships sail!", "a cat sleeps", ""])
    assert found == WordErrors(words=6, errors=3)
    assert found.rate == 0.5
    assert sum([found, found], WordErrors()).rate == 0.5


def test_where_nothing_was_said_there_is_no_rate():
    assert word_errors([""], ["a b"]) == WordErrors(0, 2)
    assert word_errors([""], ["a b"]).rate is None
    assert word_errors([], []) == WordErrors()


def test_exact_matches_are_a_share():
    pairs = [("Yes.", "yes"), ("no", "no!"), ("red", "blue")]
    assert share([exactness(*pair) for pair in pairs]) == pytest.approx(2 / 3)


def test_what_is_named_and_what_is_wanted():
    pairs = [(Counter(["cat", "dog"]), Counter(["cat", "cow", "cow"])), (Counter(["bell"]), Counter())]
    assert [recall(*pair) for pair in pairs] == [(1, 2), (0, 1)]
    assert [invention(*pair) for pair in pairs] == [(2, 3), (0, 0)]
    assert share([invention(*pair) for pair in pairs]) == pytest.approx(2 / 3)
    assert share([]) == 0


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
    answers = [(int(clip < right), 1) for clip in range(clips) for _ in range(questions)]
    owners = np.repeat(np.arange(clips), questions)
    assert interval(answers, owners) == pytest.approx((low, high), abs=2e-3)


def test_intervals_hold_the_truth_in_about_95_of_100_cases():
    dice = np.random.default_rng(0)
    held = []
    for _ in range(1000):
        ease = np.repeat(dice.beta(4, 1, 100), 2)  # some clips are easier than others; the mean is 0.8
        answers = [(int(answer), 1) for answer in dice.random(200) < ease]
        low, high = interval(answers, np.repeat(np.arange(100), 2))
        held.append(low <= 0.8 <= high)
    assert 0.93 <= np.mean(held) <= 0.97
