from pathlib import Path

import pytest

from favor.errors import ConfigError
from favor.training.recipe import Recipe

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_of_the_repository_can_be_read(path):
    recipe = Recipe.read(path)
    assert Recipe.read(path).to_dict() == recipe.to_dict()
    assert all(abs(sum(stage.mix.kinds.values()) - 1) < 1e-9 for stage in recipe.stages)


def test_what_the_paper_does_not_say_is_marked():
    recipe = Recipe.read(RECIPES / "favor-13b.toml")
    assert any("learning_rate" in line for line in recipe.unknown)
    (stage,) = recipe.stages
    assert (stage.parts.aligner, stage.parts.language, stage.parts.visual) == ("full", "lora", "frozen")
    assert (stage.clip_norm, stage.matching) == (1.0, 0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = 'm'", "lacks 'stages'"),
        ("model = 'm'\nstages = []", "needs at least one stage"),
        ("model = 'm'\nsteps = 3\nstages = []", "has no key 'steps'; it knows model, stages"),
        ("model = 'm'\n[[stages]]\nname = 'a'\nsteps = 0\nmix = { vqa = 1 }", "stage a: steps is 0"),
        ("model = 'm'\n[[stages]]\nname = 'a'\nsteps = 1", "stage a: mix is empty"),
        ("model = 'm'\n[[stages]]\nname = 'a'\nsteps = 1\nmix = { vqa = 1, smell = 1 }", "has no key 'smell'"),
        ("model = 'm'\n[[stages]]\nname = 'a'\nsteps = 1\ndecay = 'fast'", "'fast'; it must be one of linear, cosine"),
        ("model = ", "is not TOML"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_named(tmp_path, text, message):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        Recipe.read(path)


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read"):
        Recipe.read(tmp_path / "none.toml")
