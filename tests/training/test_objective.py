import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch.nn import functional as F

from favor.errors import ConfigError, FavorError
from favor.models.favor.generation import score_tokens
from favor.training.objective import Objective, diversity_loss
from favor.training.parts import unfreeze
from favor.training.recipe import Mix, Parts, Stage

pytestmark = pytest.mark.numeric

STAGE = Stage("s", 1, mix=Mix(vqa=1))


def test_the_loss_is_that_of_the_answers_tokens_alone(tiny, example):
    other = dataclasses.replace(example, question="Why?", answer="Because the bell rings.")
    with torch.no_grad():
        losses = Objective(tiny)([example, other])
    answers = tiny.prompter.answer_ids([example.answer, other.answer])
    assert all(ids[-1] == tiny.config.language.eos_token_id for ids in answers)
    prompts, mask = tiny.prompt_embeddings([example.clip] * 2, [example.question, other.question])
    logprobs = score_tokens(tiny.llm, prompts, mask, answers)  # as the tokens of an answer are scored in generation
    by_hand = -torch.cat([row[: len(ids)] for row, ids in zip(logprobs, answers, strict=True)]).mean()
    torch.testing.assert_close(losses.answer, by_hand, atol=1e-4, rtol=1e-4)


def test_the_diversity_is_that_of_the_coarse_queries(tiny, example):
    with torch.no_grad():
        windows = [
            tiny.aligner.frames(seen) for seen in tiny.modalities(tiny.encode([example.clip]), [example.question])
        ]
        expected = diversity_loss(tiny.aligner.query(windows)[0])
        torch.testing.assert_close(Objective(tiny)([example]).diversity, expected, atol=1e-4, rtol=1e-4)


def test_text_alone_is_a_prompt_without_audio_visual_tokens(tiny, example):
    text = dataclasses.replace(example, clip=None)
    with torch.no_grad():
        losses = Objective(tiny)([text])
    prompter, (answer,) = tiny.prompter, tiny.prompter.answer_ids([text.answer])
    ids = [*prompter.before_ids(), *prompter.after_ids([text.question])[0], *answer]
    with torch.no_grad():
        logits = tiny.llm(input_ids=torch.tensor([ids])).logits[0, -len(answer) - 1 : -1]
    torch.testing.assert_close(losses.answer, F.cross_entropy(logits, torch.tensor(answer)), atol=1e-4, rtol=1e-4)
    assert losses.diversity == 0


@pytest.mark.parametrize(
    ("parts", "trained"),
    [
        (Parts(), {"aligner", "llm"}),
        (Parts(aligner="frozen", language="full"), {"llm"}),
        (
            Parts("full", "full", "full", "full", "full", "full"),
            {"visual", "image_qformer", "speech", "aligner", "llm"},
        ),
    ],
)
def test_frozen_parts_get_no_gradient(tiny, example, parts, trained):
    free = unfreeze(tiny, dataclasses.replace(STAGE, parts=parts))
    Objective(tiny)([example]).answer.backward()
    moved = {name for name, parameter in tiny.named_parameters() if parameter.grad is not None}
    assert moved <= set(free)
    assert {name.partition(".")[0] for name in moved} == trained
    if parts.language == "lora":
        assert all("lora_" in name for name in moved if name.startswith("llm"))


def test_dropout_is_active_in_trained_parts_only(tiny):
    unfreeze(tiny, STAGE)
    assert (tiny.aligner.causal_qformer.training, tiny.visual.training) == (True, False)
    unfreeze(tiny, dataclasses.replace(STAGE, dropout="none"))
    assert not tiny.aligner.causal_qformer.training


def test_nothing_to_train_is_refused(tiny):
    with pytest.raises(FavorError, match="every part is frozen"):
        unfreeze(tiny, dataclasses.replace(STAGE, parts=Parts(aligner="frozen", language="frozen")))
    with pytest.raises(ConfigError, match=r"parts\.visual is 'lora'"):
        Parts(visual="lora")


GOLDEN = Path(__file__).parents[1] / "data" / "golden"


@pytest.mark.parametrize("model", ["favor", "video_salmonn"])
def test_diversity_loss_is_that_of_the_released_code(model):
    with safe_open(GOLDEN / f"{model}_tiny.safetensors", framework="pt") as file:
        queries, expected = file.get_tensor("diversity/queries"), file.get_tensor("diversity/loss")
    torch.testing.assert_close(diversity_loss(queries), expected[0], atol=1e-4, rtol=1e-4)


def test_equal_queries_cost_one_and_orthogonal_ones_nothing():
    assert diversity_loss(torch.ones(2, 3, 4)).item() == pytest.approx(1)
    assert diversity_loss(torch.eye(3)[None]).item() == pytest.approx(0)


def test_one_query_has_nothing_to_differ_from():
    with pytest.raises(ValueError, match="got 1, needs 2"):
        diversity_loss(torch.ones(1, 1, 4))
