import json

import pytest
import torch
from transformers import LogitsProcessor

from favor.models.base import GenerationOptions
from favor.models.favor import generation
from favor.models.favor.config import LanguageConfig, LoraConfig
from favor.models.favor.generation import Draw, TokenLogprobs, generate_tokens, score_tokens
from favor.models.favor.language import build_llm, pad_left
from favor.models.favor.loading import initialise

pytestmark = pytest.mark.numeric

SIZES = LanguageConfig(vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4)
GREEDY = GenerationOptions(max_new_tokens=8)


@pytest.fixture(scope="module")
def llm():
    llm = build_llm(SIZES, LoraConfig(rank=2, alpha=2)).eval()
    initialise(llm, seed=3)
    return llm


@pytest.fixture(scope="module")
def prompts():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(length, 32, generator=generator) for length in (5, 3, 9, 4)]


@pytest.fixture
def ending_llm(llm, prompts):
    """The LLM, whose end token is the third one of the first prompt's greedy answer."""
    end = ids_of(llm, prompts[:1], GREEDY)[0][2]
    before, llm.config.eos_token_id = llm.config.eos_token_id, end
    yield llm
    llm.config.eos_token_id = before


def run(llm, prompts, options):
    with torch.inference_mode():
        return generate_tokens(llm, *pad_left(prompts), options)


def ids_of(llm, prompts, options):
    return [row.token_ids for row in run(llm, prompts, options)]


class Leads(LogitsProcessor):
    """Notes by how much the best token of each step leads the next one, when all else is done to the logits."""

    def __init__(self):
        self.noted = []

    def __call__(self, input_ids, scores):
        best, second = scores.topk(2).values.T
        self.noted += (best - second).tolist()
        return scores


@pytest.fixture
def leads(monkeypatch):
    """By how much each token was chosen in all that is generated."""
    leads, processors = Leads(), generation._processors
    monkeypatch.setattr(generation, "_processors", lambda *arguments: [*processors(*arguments), leads])
    return leads.noted


@pytest.mark.parametrize(
    "options",
    [
        GREEDY,
        GenerationOptions(max_new_tokens=8, temperature=1.0, seed=5),
        GenerationOptions(max_new_tokens=8, repetition_penalty=1.5),
    ],
)
def test_a_row_does_not_depend_on_its_batch(llm, prompts, options, leads):
    alone = [row for prompt in prompts for row in run(llm, [prompt], options)]
    together = run(llm, prompts, options)
    assert min(leads) > 1e-3  # and rounding, which depends on batch and processor, changes logits by less than 1e-6
    assert [row.token_ids for row in together] == [row.token_ids for row in alone]
    assert [row.mean_logprob for row in together] == pytest.approx([row.mean_logprob for row in alone], abs=1e-4)


def test_beams_do_not_depend_on_their_batch(llm, prompts):
    """Of two beams that are as likely either may win."""
    options = GenerationOptions(max_new_tokens=8, num_beams=3)
    alone = [row for prompt in prompts for row in run(llm, [prompt], options)]
    together = run(llm, prompts, options)
    assert [row.mean_logprob for row in together] == pytest.approx([row.mean_logprob for row in alone], abs=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        GREEDY,
        GenerationOptions(max_new_tokens=8, repetition_penalty=1.5),
        GenerationOptions(max_new_tokens=8, temperature=0.7, top_k=10, top_p=0.9),
        GenerationOptions(max_new_tokens=8, num_beams=3, repetition_penalty=1.5),
    ],
)
def test_mean_logprob_is_the_models_own(ending_llm, prompts, options):
    """Recomputed for each row by itself, without penalties or temperature."""
    for prompt, row in zip(prompts, run(ending_llm, prompts, options), strict=True):
        ids = torch.tensor(row.token_ids)
        inputs = torch.cat([prompt, ending_llm.get_input_embeddings()(ids[:-1])])[None]
        with torch.no_grad():
            logprobs = ending_llm(inputs_embeds=inputs).logits[0, len(prompt) - 1 :].log_softmax(-1)
        own = logprobs.gather(-1, ids[:, None]).mean().item()
        assert row.mean_logprob == pytest.approx(own, abs=1e-4)


def test_a_row_stops_at_its_end_token_while_others_go_on(ending_llm, prompts):
    rows = run(ending_llm, prompts, GREEDY)
    assert len(rows[0].token_ids) == 3
    assert rows[0].token_ids[-1] == ending_llm.config.eos_token_id
    assert rows[0].finish_reason == "stop"
    cut = [row for row in rows if row.finish_reason == "length"]
    assert cut
    assert {len(row.token_ids) for row in cut} == {8}


@pytest.mark.filterwarnings("error::FutureWarning")  # users would see it
def test_min_new_tokens_puts_the_end_off(ending_llm, prompts):
    options = GenerationOptions(max_new_tokens=8, min_new_tokens=5)
    assert len(ids_of(ending_llm, prompts[:1], options)[0]) >= 5


def test_drawing_repeats_and_leaves_the_global_random_state_alone(llm, prompts):
    options = GenerationOptions(max_new_tokens=8, temperature=1.0, seed=1)
    state = torch.get_rng_state()
    first = ids_of(llm, prompts, options)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert ids_of(llm, prompts, options) == first
    assert ids_of(llm, prompts, GenerationOptions(max_new_tokens=8, temperature=1.0, seed=2)) != first


def test_drawing_follows_the_distribution():
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    draws = [Draw(seed)(torch.empty(1, 0), probabilities.log()[None]).argmax().item() for seed in range(2000)]
    found = torch.bincount(torch.tensor(draws), minlength=4) / len(draws)
    torch.testing.assert_close(found, probabilities, atol=0.05, rtol=0)  # 4.5 standard deviations


def test_drawing_among_one_is_greedy(llm, prompts):
    options = GenerationOptions(max_new_tokens=8, temperature=1.0, top_k=1)
    assert ids_of(llm, prompts, options) == ids_of(llm, prompts, GREEDY)


def test_more_beams_find_likelier_answers(llm, prompts):
    greedy = run(llm, prompts, GREEDY)
    beams = run(llm, prompts, GenerationOptions(max_new_tokens=8, num_beams=8))
    assert sum(row.mean_logprob for row in beams) >= sum(row.mean_logprob for row in greedy)


def test_one_steps_logits_are_kept_and_no_more():
    recorder = TokenLogprobs()
    for step in range(5):
        recorder(torch.zeros(2, step, dtype=torch.long), torch.zeros(2, 50))
    assert recorder._logits.shape == (2, 50)
    assert [noted.shape for noted in recorder._steps] == [(2,)] * 4
    assert recorder.finish(torch.zeros(2, 5, dtype=torch.long)).shape == (2, 5)


def test_score_of_continuations_of_unequal_length(llm, prompts):
    rows = [[4, 5, 6], [7], [8, 9], [10]]
    with torch.no_grad():
        together = score_tokens(llm, *pad_left(prompts), rows)
        for prompt, row, logprobs in zip(prompts, rows, together, strict=True):
            alone = score_tokens(llm, *pad_left([prompt]), [row])[0]
            torch.testing.assert_close(logprobs[: len(row)], alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens must be 1 or more; got 0"),
        ({"num_beams": 0}, "num_beams must be 1 or more"),
        ({"top_k": -1}, "top_k must be 0 or more"),
        ({"max_new_tokens": 4, "min_new_tokens": 5}, "min_new_tokens 5 exceeds max_new_tokens 4"),
        ({"temperature": -1.0}, "needs temperature >= 0"),
        ({"top_p": 0.0}, "0 < top_p <= 1"),
        ({"num_beams": 2, "temperature": 1.0}, "beam search does not sample"),
        ({"beams": 2}, "no generation option 'beams'; there are max_new_tokens"),
    ],
)
def test_options_name_what_is_wrong(values, message):
    with pytest.raises(ValueError, match=message):
        GenerationOptions.from_dict(values)


def test_options_survive_json():
    options = GenerationOptions.released()
    assert GenerationOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options
