"""The whole video-SALMONN at tiny sizes with random weights: clips in, texts out."""

import numpy as np
import pytest
import torch

from favor.media.clip import Clip
from favor.models.base import GenerationOptions
from favor.models.favor.folder import find_folder, write_config
from favor.models.favor.language import read_prompter
from favor.models.favor.model import FavorModel
from favor.models.favor.presets import FAVOR_MINI, VIDEO_SALMONN_13B

pytestmark = pytest.mark.numeric

QUESTION = "What is the source of the sound?"
SHORT = GenerationOptions(max_new_tokens=5)
RATE = 16_000
SIZES = {
    "encoder_embed_dim": 48,
    "encoder_layers": 2,
    "encoder_attention_heads": 4,
    "encoder_ffn_embed_dim": 96,
    "embed_dim": 32,
    "conv_pos": 16,
    "conv_pos_groups": 4,
}
RESOLUTIONS = [list(resolution) for resolution in VIDEO_SALMONN_13B.causal_qformer.resolutions]
TINY = FAVOR_MINI.override(
    {
        "name": "tiny-video-salmonn",
        "seed": 0,
        "sound": SIZES,
        "speech": {
            "d_model": 48,
            "encoder_layers": 1,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 96,
            "max_source_positions": 1500,
        },
        "causal_qformer": {"resolutions": RESOLUTIONS, "direction": "released"},
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model folder without weights, so that loading makes random ones."""
    folder = tmp_path_factory.mktemp("tiny")
    prompter = read_prompter(find_folder("favor-mini"), FAVOR_MINI)
    prompter.language.save_pretrained(folder / "language_tokenizer")
    prompter.question.save_pretrained(folder / "question_tokenizer")
    write_config(TINY, folder)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return FavorModel.from_pretrained(folder, device="cpu")


def picture(seed, frames):
    return np.random.default_rng(seed).integers(0, 255, (frames, 128, 128, 3)).astype(np.uint8)


def noise(seed, seconds):
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


@pytest.fixture(scope="module")
def clips():
    """Sound of unequal length, of equal length, and none."""
    return [
        Clip(frames=picture(0, 3), audio=noise(0, 3.7)),
        Clip(frames=picture(1, 12)),
        Clip(audio=noise(2, 2)),
        Clip(frames=picture(3, 2), audio=noise(3, 2)),
        Clip(audio=noise(4, 31)),
    ]


def test_features_of_sound_events(model, clips):
    features = model.encode(clips)
    assert [None if f.sound is None else tuple(f.sound.shape) for f in features] == [
        (23 * 8, 48),
        None,
        (12 * 8, 48),
        (12 * 8, 48),
        (1500 + 6 * 8, 48),
    ]


def test_an_answer_does_not_depend_on_its_batch(model, clips, leads):
    """Each token is the likeliest for the clip by itself, but where two are as likely within rounding."""
    for clip, answer in zip(clips, model.answer(clips, [QUESTION] * len(clips), SHORT), strict=True):
        assert leads(model, clip, QUESTION, answer.token_ids).min() > -1e-3
        assert answer.finish_reason == "stop" or len(answer.token_ids) == SHORT.max_new_tokens


def test_features_do_not_depend_on_their_batch(model, clips):
    for found, clip in zip(model.encode(clips), clips, strict=True):
        (alone,) = model.encode([clip])
        for name in ("visual", "speech", "sound"):
            torch.testing.assert_close(getattr(found, name), getattr(alone, name), atol=1e-4, rtol=1e-4)


def test_sound_events_change_what_the_language_model_sees(model, clips):
    (features,) = model.encode(clips[:1])
    changed = type(features)(**{**vars(features), "sound": features.sound.flip(0)})
    one, other = (model.prompt_embeddings([f], [QUESTION])[0] for f in (features, changed))
    assert (one - other).abs().max() > 1e-2


def test_long_sound_keeps_its_place_in_time(model):
    """What is heard from 30 s on has the features of a clip that starts there, 1500 tokens after the beginning."""
    audio = noise(5, 70)
    features, last = model.encode([Clip(audio=audio), Clip(audio=audio[60 * RATE :])])
    assert features.speech.shape == (4500, 48)
    assert features.sound.shape == (3000 + 62 * 8, 48)
    torch.testing.assert_close(features.sound[3000:], last.sound, atol=1e-4, rtol=1e-4)
    assert features.sound[1496:1500].eq(0).all()
    embeddings, _ = model.prompt_embeddings([features], [QUESTION])
    text = len(model.prompter.before_ids()) + len(model.prompter.after_ids([QUESTION])[0])
    assert embeddings.shape[1] - text == 3 * 180
    assert model.answer([features], [QUESTION], SHORT)[0].token_ids


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_finite_where_fine_blocks_are_padding_only(folder, dtype):
    model = FavorModel.from_pretrained(folder, device="cpu", dtype=dtype)
    clips = [Clip(frames=picture(0, 3)), Clip(frames=picture(1, 2), audio=noise(1, 1))]
    embeddings, mask = model.prompt_embeddings(clips, [QUESTION] * 2)
    with torch.inference_mode():
        logits = model.llm(inputs_embeds=embeddings, attention_mask=mask).logits
    assert embeddings.isfinite().all()
    assert logits.isfinite().all()
    assert all(np.isfinite(answer.mean_logprob) for answer in model.answer(clips, [QUESTION] * 2, SHORT))
