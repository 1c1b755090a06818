import json
import subprocess
import sys

import numpy as np
import pytest

from favor.errors import FavorError
from favor.media.clip import Clip
from favor.models.base import GenerationOptions, Prompt
from favor.models.placement import Placement
from favor.models.registry import describe, open_model

HEAVY = """
import sys
from favor import FavorError, describe
try:
    print(describe({name!r}).name)
except FavorError as error:
    print(error)
assert not {{"torch", "transformers", "apache_beam"}} & set(sys.modules), "heavy"
"""


@pytest.mark.parametrize(("name", "printed"), [("favor-mini", "favor-mini\n"), ("nowhere", "nowhere is neither")])
def test_describing_a_model_is_light(name, printed):
    run = subprocess.run([sys.executable, "-c", HEAVY.format(name=name)], capture_output=True, text=True, check=True)
    assert run.stdout.startswith(printed)


def test_an_unknown_name_is_told_what_there_is(toy):
    with pytest.raises(FavorError, match=r"^nowhere is neither a model folder .* favor-mini, .*-13b, (.*, )?toy\b"):
        describe("nowhere")


def test_a_packaged_model_answers_as_its_card_says():
    model = open_model("favor-mini", Placement("cpu"))
    assert model.card == describe("favor-mini")
    assert model.device == "cpu"
    encoded = model.encode([Clip(np.zeros((2, 32, 32, 3), np.uint8))])
    (answer,) = model.answer(encoded, [Prompt(model.card.prompts.caption)], GenerationOptions(max_new_tokens=2))
    assert len(answer.token_ids) <= 2


def test_a_registered_name_opens_its_family(toy):
    assert describe("toy").revision == "toy-7"
    assert open_model("toy").card == describe("toy")


def test_a_folder_says_which_family_it_is_of(toy, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "toy"}))
    assert describe(str(tmp_path)).knows == "colours and loudness"


def test_a_folder_of_a_family_that_is_not_installed(toy, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma9"}))
    with pytest.raises(FavorError, match=r"of type 'gemma9', which no installed distribution opens; there are toy"):
        describe(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"model_type": "\xff"}', "config.json is not JSON: 'utf-8' codec can't decode"),
        (b'{"model_type": ["toy"]}', r"the model_type in .*config.json must be text; got \['toy'\]$"),
    ],
)
def test_a_broken_config_is_named_in_one_line(toy, tmp_path, content, message):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(FavorError, match=message):
        describe(str(tmp_path))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("missing_module:FAMILY", "ModuleNotFoundError: No module named 'missing_module'"),
        ("json:FAMILY", "AttributeError: module 'json' has no attribute 'FAMILY'"),
        ("json:JSONDecoder", "is a class; register an instance of it"),
        ("json:loads", r"has no method describe\(\)"),
    ],
)
def test_a_broken_entry_point_is_named_in_one_line(register, value, message):
    register({"broken": value})
    with pytest.raises(FavorError, match=f"^the model 'broken' that others registers as {value} .*{message}.*$"):
        describe("broken")
    assert describe("favor-mini").name == "favor-mini"


RAISING = """
class Family:
    def describe(self, name):
        return {}[name]
    def open(self, name):
        pass
FAMILY = Family()
"""


def test_what_a_family_of_others_raises_is_named_in_one_line(register, tmp_path):
    (tmp_path / "raising.py").write_text(RAISING)
    register({"raising": "raising:FAMILY"}, tmp_path / "raising.py")
    with pytest.raises(FavorError, match=r"^the model 'raising' that others registers cannot be described: KeyError: "):
        describe("raising")
    with pytest.raises(FavorError, match=r"^the model 'raising' that others registers cannot be opened: TypeError: "):
        open_model("raising")


def test_a_placement_is_checked_before_anything_is_loaded():
    with pytest.raises(FavorError, match="dtype 'float8' is unknown"):
        Placement(dtype="float8")
    with pytest.raises(FavorError, match="quantization 'int2' is not supported"):
        Placement(quantization="int2")
