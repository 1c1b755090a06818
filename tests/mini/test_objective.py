import dataclasses

import pytest
import torch
from torch.nn import functional as F

from favor.models.favor.model import FavorModel
from favor.synthetic import SPLITS, Item, generate_clips
from favor.synthetic.questions.items import BOTH
from favor.synthetic.world import render_clip
from mini import batches, objective
from mini.batches import SceneBatches
from mini.fact_tokens import FactCodes
from mini.objective import NOTHING, Grouped, PretrainingObjective, perceive

pytestmark = pytest.mark.numeric


def scene_of(task, **changes):
    return dataclasses.replace(generate_clips(SPLITS["validation"], 0, (task,)).scene, **changes)


SCENES = {
    "video": scene_of("video_qa", seconds=4.2),
    "long video": scene_of("video_qa", seconds=11.3),
    "silent video": scene_of("video_qa", seconds=3.6, audible=False),
    "long silent video": scene_of("video_qa", seconds=7.0, audible=False),
    "still image": scene_of("vqa"),
    "still image with a voice": scene_of("isqa"),
    "still image with long sound": scene_of("isqa", seconds=6.5),
    "sound alone": scene_of("ac"),
    "long sound alone": scene_of("ac", seconds=5.1),
}


@pytest.fixture
def batch_of(monkeypatch):
    """The function that makes a batch of scenes, each of which is asked its own question."""

    def make(model, scenes, clips):
        written = iter([(one, [Item("ic", f"What is in {name}?", "all", None, BOTH)]) for name, one in scenes.items()])
        monkeypatch.setattr(batches, "write_for", lambda rng, task: next(written))
        return SceneBatches(model.prompter, model.config, clips, len(scenes) - clips)[0]

    return make


def test_what_is_perceived_is_what_the_model_shows_its_llm(batch_of, monkeypatch):
    model = FavorModel.from_pretrained("favor-mini", device="cpu")
    monkeypatch.setattr(objective, "GRAIN", 0.0)
    questions = [f"What is in {name}?" for name in SCENES]
    with torch.no_grad():
        tokens = perceive(model, batch_of(model, SCENES, len(SCENES)).clips).tokens
        seen = model.modalities(model.encode([render_clip(scene) for scene in SCENES.values()]), questions)
        aligner = model.aligner
        expected = aligner.join(aligner.query([aligner.frames(one) for one in seen]))
    torch.testing.assert_close(tokens, expected, atol=1e-4, rtol=1e-4)


def test_pictures_are_learnt_from_with_grain(tiny, batch_of):
    clips = batch_of(tiny, {"it": SCENES["still image"]}, 1).clips
    with torch.no_grad():
        slots = [perceive(tiny, clips).slots for _ in range(2)]
    assert 0 < (slots[0] - slots[1]).abs().max() < 1


def test_kinds_cost_their_cross_entropies(tiny):
    sizes, weights = {"a": 3, "b": 5, "c": 2}, {"b": 4.0}
    generator = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(40, 10, generator=generator)
    logits[:, 3:8] -= 20  # kinds may lie far apart
    wanted = torch.stack([torch.randint(size, (40,), generator=generator) for size in sizes.values()], dim=1)
    costs = [
        F.cross_entropy(told, wanted[:, place], weight=torch.tensor([NOTHING] + [1.0] * (size - 1)))
        for place, (told, size) in enumerate(zip(logits.split(list(sizes.values()), 1), sizes.values(), strict=True))
    ]
    expected = (costs[0] + 4 * costs[1] + costs[2]) / 6
    torch.testing.assert_close(Grouped(sizes, weights)(logits, wanted), expected, atol=1e-4, rtol=1e-4)


def test_of_what_is_there_is_counted_what_is_told_right():
    logits = torch.zeros(4, 5)
    logits[:, [0, 3]] = 1.0
    wanted = torch.tensor([[0, 1], [1, 1], [1, 2], [0, 0]])
    grouped = Grouped({"a": 2, "b": 3}, {})
    assert [int(count) for count in grouped.right(logits, wanted, "a")] == [0, 2]
    assert [int(count) for count in grouped.right(logits, wanted, "b")] == [2, 3]


@pytest.mark.parametrize("joined", [False, True])
def test_a_few_steps_on_one_batch_lower_all_that_it_costs(tiny, batch_of, joined):
    torch.manual_seed(0)
    batch = batch_of(tiny, {name: SCENES[name] for name in ("video", "still image", "sound alone")}, 2)
    codes = FactCodes(tiny.config.causal_qformer.hidden_size)
    learner = PretrainingObjective(tiny.requires_grad_(True), codes)
    optimiser = torch.optim.AdamW(learner.parameters(), lr=3e-3)
    costs = []
    for _ in range(10):
        loss, measures = learner(batch, joined)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        costs.append([measures[name][0].item() for name in ("answers", "perception")])
    assert costs[-1][0] < 0.7 * costs[0][0]
    assert costs[-1][1] < 0.9 * costs[0][1]


def test_perception_does_not_move_what_it_is_to_make(tiny, batch_of):
    """Once all is told from what is perceived, nothing pulls the codes."""
    codes = FactCodes(tiny.config.causal_qformer.hidden_size)
    loss, _ = PretrainingObjective(tiny, codes)(batch_of(tiny, {"it": SCENES["still image"]}, 1), joined=True)
    loss.backward()
    assert not codes.codes.weight.grad.any()


def test_it_is_reported_how_many_questions_of_a_kind_are_answered(tiny, batch_of):
    codes = FactCodes(tiny.config.causal_qformer.hidden_size)
    batch = batch_of(tiny, {name: SCENES[name] for name in ("video", "sound alone")}, 1)
    with torch.no_grad():
        _, measures = PretrainingObjective(tiny, codes)(batch, joined=False)
    assert [int(count) for count in measures["ic"]] == [0, 2]
    assert [int(count) for count in measures["asr"]] == [0, 0]
