import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from favor.errors import FavorError
from favor.media.clip import Clip
from favor.models.base import GenerationOptions
from favor.models.favor.features import Features
from favor.models.favor.model import FavorModel
from favor.models.favor.presets import VIDEO_SALMONN_13B

pytestmark = pytest.mark.numeric

QUESTION = "What is the source of the sound?"
SHORT = GenerationOptions(max_new_tokens=6)
TIE = 1e-3  # nats within which two tokens are as likely: rounding chooses between them


@pytest.fixture(scope="module")
def model():
    return FavorModel.from_pretrained("favor-mini", device="cpu")


def picture(seed, frames):
    """Coloured squares that brighten with time."""
    squares = np.random.default_rng(seed).integers(0, 200, (1, 4, 4, 3)).repeat(32, 1).repeat(32, 2)
    return (squares + np.arange(frames)[:, None, None, None]).astype(np.uint8)


def tone(hertz, seconds=2.0):
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * 16_000)) / 16_000)).astype(np.float32)


@pytest.fixture(scope="module")
def clips():
    """Of unequal length, with and without sound or picture."""
    return [
        Clip(frames=picture(0, 3)),
        Clip(frames=picture(1, 12)),
        Clip(frames=picture(2, 4), audio=tone(440)),
        Clip(audio=tone(880)),
        Clip(frames=picture(4, 1)[0]),
        Clip(frames=picture(5, 21)),
    ]


@pytest.fixture(scope="module")
def features(model, clips):
    return model.encode(clips)


def test_it_is_small_trained_and_named(model):
    assert sum(parameter.numel() for parameter in model.parameters()) <= 20_000_000
    assert model.card.name == "favor-mini"
    assert model.card.trained
    assert len(model.card.revision) == 12


def test_the_speech_encoder_has_the_shape_of_whisper_tiny(model):
    assert sum(parameter.numel() for parameter in model.speech.parameters()) == 7_728_384


def test_random_weights_are_the_same_each_time_and_leave_the_random_state_alone(untrained_folder):
    torch.manual_seed(7)
    state = torch.get_rng_state()
    model, again = (FavorModel.from_pretrained(untrained_folder, device="cpu") for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert not model.card.trained
    weights = model.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in again.state_dict().items())
    assert again.card.revision == model.card.revision


@pytest.fixture
def check_alone(model, leads):
    """The function that makes sure that answers are what greedy search finds for each clip by itself."""

    def check(clips, questions, answers, options=SHORT):
        for clip, question, answer in zip(clips, questions, answers, strict=True):
            assert leads(model, clip, question, answer.token_ids).min() > -TIE
            assert answer.finish_reason == "stop" or len(answer.token_ids) == options.max_new_tokens
            assert answer.text == model.prompter.decode(answer.token_ids)

    return check


def test_an_answer_does_not_depend_on_its_batch(model, clips, check_alone):
    questions = [QUESTION, "Why?", QUESTION, "Describe what you see and hear.", QUESTION, "Who is it?"]
    check_alone(clips, questions, model.answer(clips, questions, SHORT))


@pytest.mark.parametrize(("budget", "batches"), [(1, [1] * 6), (700, [5, 1]), (10**6, [6])])
def test_an_answer_does_not_depend_on_the_token_budget(model, features, monkeypatch, budget, batches, check_alone):
    questions = [QUESTION + " Why?" * place for place in range(len(features))]
    seen = []
    answer = model._answer
    monkeypatch.setattr(model, "_answer", lambda batch, *rest: seen.append(len(batch)) or answer(batch, *rest))
    monkeypatch.setattr(model, "token_budget", budget)
    found = model.answer(features, questions, SHORT)
    assert seen == batches
    check_alone(features, questions, found)


def test_the_length_of_a_prompt_is_known_before_it_is_made(model, features):
    questions = [QUESTION] * len(features)
    assert model._prompt_lengths(features, questions) == [len(p) for p in model.prompts(features, questions)]


def test_different_clips_give_different_answers(untrained_folder, clips):
    model = FavorModel.from_pretrained(untrained_folder, device="cpu")
    answers = model.answer(clips, [QUESTION] * len(clips), SHORT)
    assert len({answer.token_ids for answer in answers}) >= len(clips) - 1


def test_features_serve_wherever_a_clip_does(model, clips, features, check_alone):
    options = GenerationOptions(max_new_tokens=4)
    mixed = [clips[0], features[1], features[2]]
    check_alone(clips[:3], [QUESTION] * 3, model.answer(mixed, [QUESTION] * 3, options), options)


def test_each_distinct_clip_is_encoded_once(model, clips, monkeypatch):
    seen = []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda clips: seen.extend(clips) or encode(clips))
    model.prompt_embeddings([clips[0], clips[1], clips[0]], [QUESTION, QUESTION, "Why?"])
    assert seen == clips[:2]


def test_only_distinct_frames_pass_the_vision_transformer(model):
    clip = Clip(frames=picture(0, 3), frame_times=np.array([0.0, 0.1, 2.0]))
    (features,) = model.encode([clip])
    assert features.visual.shape == (2, 65, model.config.visual.hidden_size)
    assert features.slots.tolist() == [0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("frames", "speech_pieces", "tokens"),
    [(20, 1, 192), (60, 1, 192), (61, 1, 224), (120, 1, 384), (8, 0, 32), (0, 1, 192), (0, 2, 384)],
)
def test_token_counts_are_those_of_the_release(model, frames, speech_pieces, tokens):
    features = Features(
        visual=torch.zeros(1, 65, model.config.visual.hidden_size) if frames else None,
        slots=torch.zeros(frames, dtype=torch.long) if frames else None,
        speech=torch.zeros(1500 * speech_pieces, 384) if speech_pieces else None,
    )
    embeddings, mask = model.prompt_embeddings([features], [QUESTION])
    text = len(model.prompter.before_ids()) + len(model.prompter.after_ids([QUESTION])[0])
    assert embeddings.shape == (1, tokens + text, model.config.language.hidden_size)
    assert mask.all()


def test_a_still_image_is_shown_for_as_long_as_the_sound(model):
    piece = model.config.speech.piece_frames
    shown = picture(0, 1)[0]
    clips = [Clip(frames=shown), Clip(frames=shown, audio=tone(440)), Clip(shown, np.zeros(481_600, np.float32))]
    frames = [piece, piece, -(-61 // piece) * piece]
    features = model.encode(clips)
    assert [f.slots.tolist() for f in features] == [[0] * count for count in frames]
    assert [f.frames for f in features] == frames


def test_prompts_are_padded_on_the_left(model, features):
    embeddings, mask = model.prompt_embeddings(features[:2], [QUESTION, QUESTION])
    assert mask[1].all()
    assert (mask.diff(dim=1) >= 0).all()
    assert not embeddings[mask == 0].any()


def test_the_prompt_is_spelled_as_in_the_release(model):
    prompter = model.prompter
    assert prompter.language.decode(prompter.before_ids()) == "<s> USER: <Img>"
    assert prompter.decode(prompter.after_ids(["Why?"])[0]) == "</Img> Why?\nASSISTANT:"


def test_long_questions_lose_their_beginning(model):
    limit = model.config.prompt.max_question_tokens
    ids, mask = model.prompter.question_ids(["dog " * 2 * limit + "cat", "cat"])
    assert ids.shape == (2, limit)
    assert ids[0, -2] == ids[1, 1]
    assert mask[1].sum() == 3


def test_threads_may_ask_at_the_same_time(model, features, check_alone):
    questions = [QUESTION + " Why?" * index for index in range(4)]

    def ask(index):
        return model.answer([features[index]], [questions[index]], SHORT)[0]

    with ThreadPoolExecutor(4) as pool:
        check_alone(features[:4], questions, list(pool.map(ask, range(4))))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_answers(dtype, clips):
    model = FavorModel.from_pretrained("favor-mini", device="cpu", dtype=dtype)
    assert {parameter.dtype for parameter in model.parameters()} == {getattr(torch, dtype)}
    answers = model.answer(clips[:1], [QUESTION], GenerationOptions(max_new_tokens=2))
    assert all(np.isfinite(answer.mean_logprob) for answer in answers)


def test_gradients_reach_what_is_trained(model, features):
    model.prompts(features[:1], [QUESTION])[0].sum().backward()
    assert model.aligner.query_tokens[0].grad.abs().sum() > 0
    model.zero_grad(set_to_none=True)


@pytest.mark.parametrize(("clip_count", "questions"), [(1, []), (0, []), (1, ["a", "b"])])
def test_pairs_must_be_pairs(model, features, clip_count, questions):
    with pytest.raises(ValueError, match="one question for each clip"):
        model.answer(features[:clip_count], questions)


def test_what_is_not_supported_is_refused():
    with pytest.raises(ValueError, match="quantization 'int2' is not supported"):
        FavorModel.from_pretrained("favor-mini", quantization="int2")
    with pytest.raises(ValueError, match="dtype 'float8' is unknown"):
        FavorModel.from_pretrained("favor-mini", dtype="float8")


def test_a_model_built_by_hand_says_what_it_lacks():
    with torch.device("meta"):
        model = FavorModel(VIDEO_SALMONN_13B)
    with pytest.raises(FavorError, match="without tokenizers"):
        _ = model.prompter
    with pytest.raises(FavorError, match="has a card"):
        _ = model.card


def test_importing_favor_does_not_import_torch():
    code = "import sys, favor; favor.Clip; favor.FavorError; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
