import json
from fractions import Fraction

import pytest

from favor.errors import ConfigError
from favor.media.needs import ClipNeeds, Fit, Square
from favor.structs import read_dataclass, to_json


def test_squares_forget_the_aspect():
    assert Square(224).fitted(1920, 1080) == (224, 224)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), (504, 280)),
        ((1080, 1920), (280, 504)),
        ((300, 200), (308, 196)),  # not enlarged, but to the nearest multiples
        ((5, 5), (28, 28)),
        ((10_000, 10), (5348, 28)),
        ((10, 10_000), (28, 5348)),
    ],
)
def test_fits_keep_the_aspect_as_far_as_multiples_do(size, expected):
    fit = Fit(28, 150_000)
    width, height = fit.fitted(*size)
    assert (width, height) == expected
    assert (width % 28, height % 28) == (0, 0)
    assert width * height <= 150_000


def test_what_fits_already_fits_as_it_is():
    fit = Fit(28, 150_000)
    for width in range(50, 2000, 130):
        for height in range(50, 2000, 170):
            assert fit.fitted(*fit.fitted(width, height)) == fit.fitted(width, height)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frames_per_second": Fraction(0)}, "frames_per_second must be positive; got 0"),
        ({"frames_per_second": float("nan")}, "frames_per_second must be a number or a fraction .*; got nan"),
        ({"frames_per_second": "fast"}, "frames_per_second must be a number or a fraction .*; got 'fast'"),
        ({"max_frames": 1.5}, "max_frames must be positive and whole; got 1.5"),
        ({"frame_rule": "odd"}, "there is no frame_rule 'odd'; there are even, released"),
        ({"frame_size": 28}, "frame_size must be a Square, a Fit or None; got 28"),
        ({"max_frames": 0}, "max_frames must be positive and whole; got 0"),
        ({"sample_rate": -1}, "sample_rate must be positive and whole; got -1"),
        ({"max_sound_ms": 0}, "max_sound_ms must be positive and whole; got 0"),
        ({"sound_margin_ms": -5}, "sound_margin_ms must not be negative; got -5"),
        ({"max_sound_ms": 2000, "sound_margin_ms": 1000}, "got max_sound_ms 2000 and sound_margin_ms 1000"),
        ({"sees": False, "hears": False}, "must see or hear"),
        (
            {"frame_rule": "released", "frames_per_second": Fraction(1)},
            "takes 2 frames a second of any window; got 1 and",
        ),
        ({"frame_rule": "released", "max_frames": 60}, "got 2 and max_frames 60"),
    ],
)
def test_impossible_needs_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        ClipNeeds(**values)


@pytest.mark.parametrize(("multiple", "max_pixels"), [(0, 100), (28, 700)])
def test_impossible_fits_are_refused(multiple, max_pixels):
    with pytest.raises(ConfigError, match=f"got multiple {multiple} and max_pixels {max_pixels}"):
        Fit(multiple, max_pixels)
    with pytest.raises(ConfigError, match="size must be positive; got 0"):
        Square(0)


def test_margins_shorten_the_longest_window():
    assert ClipNeeds(max_sound_ms=30_000, sound_margin_ms=1000).longest_window_ms == 28_000
    assert ClipNeeds(hears=False, max_sound_ms=30_000).longest_window_ms is None
    assert ClipNeeds().longest_window_ms is None


@pytest.mark.parametrize(
    "needs",
    [
        ClipNeeds(),
        ClipNeeds(Fraction(3, 2), "even", Fit(28, 150_000), 32, True, True, 24_000, 30_000, 500),
        ClipNeeds(frames_per_second=None, frame_size=Square(224), hears=False),
    ],
)
def test_needs_are_written_as_json(needs):
    assert read_dataclass(ClipNeeds, json.loads(json.dumps(to_json(needs))), "needs") == needs


@pytest.mark.parametrize(("rate", "exact"), [(2, Fraction(2)), (0.5, Fraction(1, 2)), (0.1, Fraction(1, 10))])
def test_equal_rates_are_written_alike(rate, exact):
    assert ClipNeeds(frames_per_second=rate).frames_per_second == exact
    assert to_json(ClipNeeds(frames_per_second=rate)) == to_json(ClipNeeds(frames_per_second=exact))
