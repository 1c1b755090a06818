import json

from click.testing import CliRunner

from favor.models.favor.model import FavorModel
from jobs.main import main

STAGE = {"name": "one", "steps": 3, "clips": 1, "warmup": 1, "mix": {"vqa": 1}}


def run(*args):
    return CliRunner().invoke(main, ["train", *map(str, args)])


def test_a_recipe_becomes_a_model_that_other_commands_take(tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps({"model": "favor-mini", "stages": [STAGE], "workers": 0}))
    output = tmp_path / "out"
    for steps in (1, 3):  # the second goes on where the first stopped
        done = run(path, "-o", output, "--steps", steps)
        assert done.exit_code == 0, done.output
        assert f"{output / 'model'}: use it as --model" in done.output
        assert json.loads((output / "model" / "recipe.json").read_text())["steps"] == steps
    assert [json.loads(line)["total"] for line in (output / "metrics.jsonl").open()] == [1, 3]
    assert FavorModel.from_pretrained(output / "model", device="cpu").trained


def test_errors_are_one_line(tmp_path):
    done = run(tmp_path / "none.toml", "-o", tmp_path)
    assert (done.exit_code, done.output) == (
        1,
        f"Error: {tmp_path}/none.toml cannot be read: No such file or directory\n",
    )
