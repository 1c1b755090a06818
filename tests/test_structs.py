import dataclasses
import json
from fractions import Fraction

import pytest

from favor.errors import ConfigError
from favor.structs import read_dataclass, to_json


@dataclasses.dataclass(frozen=True)
class Circle:
    radius: int


@dataclasses.dataclass(frozen=True)
class Box:
    width: int
    height: int = 1


@dataclasses.dataclass(frozen=True)
class Drawing:
    rate: Fraction | None = Fraction(2)
    shape: Circle | Box | None = None
    filled: bool = False


@pytest.mark.parametrize(
    "drawing",
    [
        Drawing(),
        Drawing(Fraction(3, 2), Circle(3)),
        Drawing(None, Box(3, 4), filled=True),
        Drawing(shape=Box(3)),
    ],
)
def test_what_is_written_is_read_back(drawing):
    assert read_dataclass(Drawing, json.loads(json.dumps(to_json(drawing))), "drawing") == drawing


def test_a_fraction_is_written_as_people_write_it():
    assert to_json(Drawing(Fraction(1, 2)))["rate"] == "1/2"
    assert read_dataclass(Drawing, {"rate": 3}, "drawing").rate == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rate": "fast"}, "drawing.rate must be a number or a fraction such as \"3/2\"; got 'fast'"),
        ({"rate": "1/0"}, "drawing.rate must be a number or a fraction"),
        ({"shape": {"radius": 1, "height": 2}}, "drawing.shape has no key 'height'; it knows radius"),
        ({"shape": {"height": 2}}, "drawing.shape lacks 'width'"),
        ({"shape": 3}, "drawing.shape must be an object with the fields of Circle; got 3"),
        ({"filled": 1}, "drawing.filled must be bool; got 1"),
    ],
)
def test_impossible_values_are_refused(values, message):
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
        read_dataclass(Drawing, values, "drawing")
