from collections import Counter

import pytest

from favor.evaluation.metrics import WordErrors, exact_match, normalise_text, precision, recall, word_errors


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
    assert exact_match(["Yes.", "no", "red"], ["yes", "no!", "blue"]) == pytest.approx(2 / 3)


def test_what_is_named_and_what_is_wanted():
    wanted, named = [Counter(["cat", "dog"]), Counter(["bell"])], [Counter(["cat", "cow", "cow"]), Counter()]
    assert recall(wanted, named) == pytest.approx(1 / 3)
    assert precision(wanted, named) == pytest.approx(1 / 3)
    assert recall([], []) == precision([], []) == 0
