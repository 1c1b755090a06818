import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file

from favor.errors import FavorError
from favor.media.clip import Clip
from favor.media.decode import read_clip
from favor.media.needs import ClipNeeds, Square
from favor.models.base import GenerationOptions
from favor.models.favor.model import FavorModel
from favor.training import checkpoints
from favor.training.checkpoints import Position
from favor.training.recipe import Mix, Parts, Recipe, Stage, learning_rate
from favor.training.sources import ManifestSource, read_examples
from favor.training.train import train
from favor.training.trainer import Trainer, make_accelerator

pytestmark = pytest.mark.numeric

ALL = Parts("full", "full", "full", "full", "full", "full")


def recipe_of(manifest, *stages):
    return Recipe("tiny", stages, manifests=(str(manifest),), workers=0, checkpoint_every=10)


def write_recipe(folder, model, manifest, steps):
    stage = {"name": "one", "steps": steps, "mix": {"video_qa": 1}, "clips": 1}
    path = folder / "recipe.json"
    path.write_text(json.dumps({"model": str(model), "stages": [stage], "manifests": [str(manifest)], "workers": 0}))
    return path


def trained(folder, recipe, output, limit=None):
    model = FavorModel.from_pretrained(folder, device="cpu")
    source = ManifestSource(recipe.manifests, model.config)
    trainer = Trainer(recipe, model, source, output, make_accelerator("float32", "cpu"))
    trainer.run(limit)
    return model


def test_a_resumed_training_ends_with_the_very_same_weights(tiny_folder, manifest, tmp_path):
    first = Stage("first", 7, ALL, Mix(video_qa=1, ac=1, image_foreign=0), clips=2, accumulate=2, warmup=3)
    second = Stage("second", 13, Parts(), Mix(video_qa=1, video_foreign=1), clips=3, questions=2, decay="cosine")
    recipe = recipe_of(manifest, first, second)
    straight = trained(tiny_folder, recipe, tmp_path / "straight")
    for limit in (4, 12, None):
        resumed = trained(tiny_folder, recipe, tmp_path / "resumed", limit)
    weights = resumed.state_dict()
    assert all(torch.equal(values, weights[name]) for name, values in straight.state_dict().items())
    totals = [json.loads(line)["total"] for line in (tmp_path / "resumed" / "metrics.jsonl").open()]
    assert totals == sorted(set(totals))
    assert totals[-1] == 20


def test_a_tiny_model_learns_eight_clips_by_heart(tiny_folder, manifest, tmp_path, leads):
    mix, cosine = Mix(video_qa=1, ac=1), {"decay": "cosine", "final": 0.1, "dropout": "none"}
    stage = Stage("all", 120, ALL, mix, clips=4, learning_rate=3e-3, warmup=10, matching=0, **cosine)
    recipe = recipe_of(manifest, stage)
    model = trained(tiny_folder, recipe, tmp_path).eval()
    rows = read_examples(manifest)
    clips = [read_clip(row.uri, needs=ClipNeeds(frame_size=Square(32))) for row in rows]
    heard = [Clip(audio=clip.audio) if row.task == "ac" else clip for row, clip in zip(rows, clips, strict=True)]
    answers = model.answer(heard, [row.question for row in rows])
    assert [answer.text for answer in answers] == [row.answer for row in rows]
    for clip, row, answer in zip(heard, rows, answers, strict=True):
        assert (
            leads(model, clip, row.question, answer.token_ids).min() > 1
        )  # a processor that rounds otherwise learns it too


def test_checkpoints_of_another_recipe_are_left_alone(tiny_folder, manifest, tmp_path):
    path = write_recipe(tmp_path, tiny_folder, manifest, steps=1)
    train(Recipe.read(path), tmp_path / "out", None, "cpu", False)
    write_recipe(tmp_path, tiny_folder, manifest, steps=2)
    with pytest.raises(FavorError, match="checkpoints of another recipe"):
        train(Recipe.read(path), tmp_path / "out", None, "cpu", False)
    folder = train(Recipe.read(path), tmp_path / "out", None, "cpu", True)
    facts = json.loads((folder / "recipe.json").read_text())
    assert facts["steps"] == 2
    model = FavorModel.from_pretrained(folder, device="cpu")
    assert model.card.trained
    assert all(values.dtype == torch.float16 for values in load_file(folder / "model.safetensors").values())


def test_half_precision_trains_and_scores_weights_in_single_precision(tiny_folder, manifest, example, tmp_path):
    stage = Stage("half", 2, Parts(image_qformer="full"), Mix(video_qa=1, ac=1), clips=2)
    recipe = dataclasses.replace(recipe_of(manifest, stage), precision="bfloat16")
    accelerator = make_accelerator("bfloat16", "cpu")
    model = FavorModel.from_pretrained(tiny_folder, device="cpu", dtype="bfloat16")
    texts = []

    def score(trained):
        texts.extend(trained.answer([example.clip], [example.question], GenerationOptions(max_new_tokens=2)))
        return {"n": 1}

    Trainer(recipe, model, ManifestSource(recipe.manifests, model.config), tmp_path, accelerator, score).run()
    assert len(texts) == 1
    kept = load_file(checkpoints.latest(tmp_path / "checkpoints") / "trained.safetensors")
    assert all(values.dtype == torch.float32 and values.isfinite().all() for values in kept.values())
    assert model.visual.vit.dtype == torch.bfloat16


def test_interrupted_writing_leaves_the_checkpoint_before(tiny, tmp_path, monkeypatch):
    optimiser = torch.optim.AdamW(tiny.aligner.parameters())
    names = {name for name, _ in tiny.named_parameters() if name.startswith("aligner")}
    checkpoints.save(tmp_path, tiny, names, optimiser, Position(0, 10, 10, 1.0))

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(tmp_path, tiny, names, optimiser, Position(0, 20, 20, 2.0))
    assert checkpoints.load_position(checkpoints.latest(tmp_path)).total == 10
    assert checkpoints.restore_weights(checkpoints.latest(tmp_path), tiny) == names


@pytest.mark.parametrize(("decay", "middle"), [("none", 1.0), ("linear", 0.55), ("cosine", 0.55)])
def test_the_learning_rate_rises_and_falls(decay, middle):
    stage = Stage("s", 110, mix=Mix(vqa=1), learning_rate=1.0, warmup=10, decay=decay, final=0.1)
    assert [learning_rate(stage, step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert learning_rate(stage, 60) == pytest.approx(middle)
    assert learning_rate(stage, 110) == pytest.approx(1.0 if decay == "none" else 0.1)
