import dataclasses
import json
from fractions import Fraction
from typing import Literal

import pytest

from favor.errors import ConfigError
from favor.structs import SignedInt, read_dataclass, to_json


@dataclasses.dataclass(frozen=True)
class Circle:
    radius: int


@dataclasses.dataclass(frozen=True)
class Box:
    width: int
    height: int = 1


@dataclasses.dataclass(frozen=True)
class Picture:
    name: str
    rate: Fraction | None = None
    shape: Circle | Box | None = None
    shapes: tuple[Circle | Box, ...] = ()
    labels: dict[str, int] = dataclasses.field(default_factory=dict)
    named: dict[str, Box] = dataclasses.field(default_factory=dict)
    loud: bool = False
    seed: SignedInt = 0
    rule: Literal["even", "odd"] | None = None
    weight: float = 1.0
    crop: Box | None = None
    marks: frozenset[Literal["new", "odd"]] = frozenset()


def read(**values):
    return read_dataclass(Picture, {"name": "a", **values}, "picture")


@pytest.mark.parametrize(
    "picture",
    [
        Picture("plain"),
        Picture("fraction", rate=Fraction(30000, 1001)),
        Picture("whole fraction", rate=Fraction(2)),
        Picture("first of the union", shape=Circle(3)),
        Picture("second of the union", shape=Box(3, 4), shapes=(Box(1), Circle(2), Box(3))),
        Picture("dictionaries", labels={"b": 2, "a": 1}, named={"x": Box(5)}),
        Picture("flags", loud=True, seed=-7, rule="odd", weight=0.5, crop=Box(1, 2), marks=frozenset({"odd", "new"})),
    ],
    ids=lambda picture: picture.name,
)
def test_what_is_written_as_json_reads_back(picture):
    assert read_dataclass(Picture, json.loads(json.dumps(to_json(picture))), "picture") == picture


def test_a_fraction_is_written_as_text():
    assert to_json(Picture("a", rate=Fraction(1, 2)))["rate"] == "1/2"
    assert read(rate="1/2").rate == read(rate=0.5).rate == Fraction(1, 2)
    assert read(rate=3).rate == 3


def test_keys_tell_which_of_several_dataclasses_is_meant():
    assert read(shape={"width": 2}).shape == Box(2)
    assert read(shape={"radius": 2}).shape == Circle(2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shape": {"radius": 1, "width": 2}}, r"picture.shape has the keys radius, width; .*Circle \(radius\) or Box"),
        ({"shape": {}}, r"picture.shape is empty; it must be Circle \(radius\) or Box \(width, height\)"),
        ({"shape": {"width": -2}}, "picture.shape.width is -2; it must not be negative"),
        ({"shape": 4}, "picture.shape must be an object"),
        ({"crop": {"depth": 4}}, "picture.crop has no key 'depth'"),
        ({"rate": "1/0"}, "picture.rate must be a number or a fraction such as \"1/2\"; got '1/0'"),
        ({"rate": "half"}, "picture.rate must be a number or a fraction"),
        ({"rate": True}, "picture.rate must be a number or a fraction"),
        ({"rate": "-1/2"}, "picture.rate is -1/2; it must not be negative"),
        ({"labels": {"a": "b"}}, "picture.labels.a must be int; got 'b'"),
        ({"labels": [1]}, "picture.labels must be an object"),
        ({"named": {"x": {"width": "w"}}}, "picture.named.x.width must be int"),
        ({"marks": ["old"]}, "picture.marks is 'old'; it must be one of new, odd"),
        ({"loud": 1}, "picture.loud must be bool; got 1"),
        ({"seed": True}, "picture.seed must be int; got True"),
        ({"seed": "1"}, "picture.seed must be int; got '1'"),
        ({"weight": True}, "picture.weight must be float; got True"),
        ({"rule": "third"}, "picture.rule is 'third'; it must be one of even, odd"),
        ({"name": None}, "picture.name must be str; got None"),
    ],
)
def test_what_does_not_fit_is_named(values, message):
    with pytest.raises(ConfigError, match=message):
        read(**values)
