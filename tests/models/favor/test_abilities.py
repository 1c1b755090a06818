"""What FAVOR's card says that it can do besides answering one question about a clip."""

import numpy as np
import pytest
import torch

from favor.media.clip import Clip
from favor.models.base import GenerationOptions, Prompt
from favor.models.favor.model import FavorModel
from favor.prompts import CAPTION_PROMPT, dialogue

QUESTION = "What is the source of the sound?"
PICTURE, SOUND = frozenset({"picture"}), frozenset({"sound"})
TEXT = "a bell rings."


@pytest.fixture(scope="module")
def model():
    return FavorModel.from_pretrained("favor-mini", device="cpu")


@pytest.fixture(scope="module")
def clip():
    squares = np.random.default_rng(0).integers(0, 200, (4, 4, 4, 3)).repeat(32, 1).repeat(32, 2)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    return Clip(squares.astype(np.uint8), tone.astype(np.float32))


@pytest.fixture(scope="module")
def silent(clip):
    return Clip(clip.frames)


@pytest.fixture(scope="module")
def unseen(clip):
    return Clip(audio=clip.audio)


def score(model, clip, question, text=TEXT):
    return model.score([clip], [question], [text])[0]


def test_the_card_names_them_all(model):
    assert model.card.abilities == {"score", "modalities", "dialogue", "no_clip"}


def test_the_score_of_an_answer_is_what_generation_reports(model, clip, silent, unseen):
    clips, questions = [clip, silent, unseen, None], [CAPTION_PROMPT, QUESTION, QUESTION, "Who are you?"]
    answers = model.answer(clips, questions, GenerationOptions(max_new_tokens=60))
    scores = model.score(clips, questions, [answer.text for answer in answers])
    written = model.prompter.answer_ids([answer.text for answer in answers])
    compared = [
        (mine, answer)
        for mine, answer, ids in zip(scores, answers, written, strict=True)
        if tuple(ids) == answer.token_ids  # it ended by itself, in the tokens in which its text is written
    ]
    assert compared
    for mine, answer in compared:
        assert len(mine) == len(answer.token_ids)
        assert np.mean(mine) == pytest.approx(answer.mean_logprob, abs=1e-4)


@pytest.mark.parametrize("budget", [1, 10**6])
def test_a_score_depends_neither_on_its_batch_nor_on_the_budget(model, clip, silent, unseen, monkeypatch, budget):
    clips, questions = [clip, None, silent, unseen], [QUESTION, "Why?", CAPTION_PROMPT, QUESTION]
    texts = ["yes", "a long answer to a short question.", TEXT, "no"]
    alone = [score(model, *row) for row in zip(clips, questions, texts, strict=True)]
    monkeypatch.setattr(model, "token_budget", budget)
    for mine, expected in zip(model.score(clips, questions, texts), alone, strict=True):
        assert mine == pytest.approx(expected, abs=1e-4)


def test_what_is_masked_is_not_there(model, clip, silent, unseen):
    (encoded,) = model.encode([clip])
    whole = score(model, encoded, QUESTION)
    for mask, rest in ((PICTURE, silent), (SOUND, unseen)):
        masked = score(model, encoded, Prompt(QUESTION, modalities=mask))
        assert masked == pytest.approx(score(model, rest, QUESTION), abs=1e-4)
        assert masked != pytest.approx(whole, abs=1e-2)


def test_a_mask_that_leaves_nothing_leaves_the_question(model, silent):
    expected = score(model, None, QUESTION)
    assert score(model, silent, Prompt(QUESTION, modalities=SOUND)) == pytest.approx(expected, abs=1e-4)


def test_a_question_without_a_clip_is_text_alone(model):
    embeddings, mask = model.prompt_embeddings([None], [QUESTION])
    ids = [*model.prompter.before_ids(), *model.prompter.after_ids([QUESTION])[0]]
    torch.testing.assert_close(embeddings[0], model.llm.get_input_embeddings()(torch.tensor(ids)))
    assert mask.all()


def test_the_turns_of_a_dialogue_are_one_instruction(model, clip):
    turns = (("Who sings?", "A woman."),)
    found, _ = model.prompt_embeddings([clip], [Prompt("Why?", turns)])
    expected, _ = model.prompt_embeddings([clip], [dialogue(turns, "Why?")])
    torch.testing.assert_close(found, expected)
    assert found.shape != model.prompt_embeddings([clip], ["Why?"])[0].shape


def test_a_string_is_a_prompt(model, clip):
    options = GenerationOptions(max_new_tokens=4)
    assert model.answer([clip], [Prompt(QUESTION)], options) == model.answer([clip], [QUESTION], options)
