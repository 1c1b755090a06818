import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from favor.importing.names import released_names
from favor.models.favor.aligner import Aligner, Modalities, audio_frames, pad_to_blocks, synchronise
from favor.models.favor.presets import FAVOR_13B, VIDEO_SALMONN_13B

pytestmark = pytest.mark.numeric

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
# Attention of random weights is peaked, which lets rounding grow: the released code's own float32 tokens, of up to 14,
# are up to 1e-3 from those in float64. Another instruction set moves single values by 9e-4, and by 6e-5 in the mean.
TOLERANCE = {"atol": 3e-3, "rtol": 1e-3}
MEAN_TOLERANCE = 2e-4
TINY = {
    "image_qformer": {"hidden_size": 48, "num_attention_heads": 12},
    "speech": {"d_model": 40, "encoder_attention_heads": 4},
    "causal_qformer": {"hidden_size": 48, "num_attention_heads": 12, "intermediate_size": 96},
    "language": {"hidden_size": 64, "num_attention_heads": 4},
    "lora": None,
}
CONFIGS = {
    "favor": FAVOR_13B.override(TINY),
    "video_salmonn": VIDEO_SALMONN_13B.override(TINY | {"sound": {"encoder_embed_dim": 48}}),
}


@pytest.fixture(scope="module", params=CONFIGS)
def golden(request):
    """The reference's tensors, its list of cases, and an aligner with its weights."""
    path = GOLDEN / f"{request.param}_tiny.safetensors"
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        cases = {case["name"]: case for case in json.loads(file.metadata()["cases"])}
    return tensors, cases, load_aligner(request.param, tensors)


def load_aligner(model, tensors):
    config = CONFIGS[model]
    aligner = Aligner(config).eval()
    names = {ours: f"weights/{theirs}" for ours, theirs in released_names(config).items()}
    state = {ours.removeprefix("aligner."): tensors[theirs] for ours, theirs in names.items()}
    aligner.load_state_dict(state, strict=True)
    used = {name for name in tensors if name.startswith("weights/") and not name.startswith("weights/low_Qformer")}
    assert used == set(names.values())
    return aligner


def modalities(tensors, case):
    name, (has_video, has_audio) = case["name"], case["mask"]
    beats = tensors.get(f"{name}/beats")
    return Modalities(
        visual=tensors[f"{name}/visual"].view(-1, 32, 48) if has_video else None,
        speech=tensors[f"{name}/whisper"][0] if has_audio else None,
        sound=beats[0] if has_audio and beats is not None else None,
    )


def assert_released(actual, expected):
    torch.testing.assert_close(actual, expected, **TOLERANCE)
    assert (actual - expected).abs().mean() < MEAN_TOLERANCE


@pytest.mark.parametrize("name", ["case0", "case1", "case2", "case3"])
def test_llm_tokens_are_those_of_the_released_code(golden, name):
    tensors, cases, aligner = golden
    clip = modalities(tensors, cases[name])
    with torch.no_grad():
        outputs = aligner.join(aligner.query([aligner.frames(clip)]))
        tokens = aligner.llm_proj(outputs).flatten(0, 1)
    assert_released(tokens, tensors[f"{name}/llm_tokens"][0])
    expected = tensors[f"{name}/query_output"]
    assert_released(outputs.reshape(expected.shape), expected)


def test_clips_of_unequal_length_do_not_change_each_other(golden):
    tensors, cases, aligner = golden
    clips = [modalities(tensors, case) for case in cases.values()]
    with torch.no_grad():
        together = aligner(clips)
    for tokens, case in zip(together, cases.values(), strict=True):
        assert_released(tokens, tensors[f"{case['name']}/llm_tokens"][0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_finite_where_a_fine_block_is_padding_only(dtype):
    aligner = Aligner(CONFIGS["video_salmonn"]).eval().to(dtype)
    for parameter in aligner.parameters():
        torch.nn.init.normal_(parameter)
    (tokens,) = aligner([Modalities(visual=torch.randn(8, 32, 48, dtype=dtype))])
    assert tokens.shape == (30, 64)
    assert tokens.isfinite().all()


def test_a_missing_modality_is_zero_after_the_projection_not_before():
    """Missing audio has no bias, while features of zero do."""
    aligner = Aligner(CONFIGS["favor"])
    torch.nn.init.ones_(aligner.speech_proj.bias)
    visual = torch.randn(60, 32, 48)
    missing, silent = (aligner.frames(Modalities(visual, speech)) for speech in (None, torch.zeros(1500, 40)))
    assert not missing[..., 48:].any()
    assert silent[:, :25, 48:].eq(1).all()
    assert not silent[:, 25:, 48:].any()


def test_a_model_that_hears_sound_events_asks_for_their_features():
    aligner = Aligner(CONFIGS["video_salmonn"])
    with pytest.raises(ValueError, match="features hold none"):
        aligner([Modalities(speech=torch.zeros(1500, 40))])


def test_audio_takes_25_slots_and_leaves_7_zero():
    tokens = torch.arange(1.0, 51).unsqueeze(1)
    frames = audio_frames(tokens, slots=32)
    assert frames.shape == (2, 32, 1)
    assert frames[1, :25, 0].tolist() == list(range(26, 51))
    assert not frames[:, 25:].any()


def test_vision_stands_before_audio_and_the_shorter_is_filled_with_zero_frames():
    frames = synchronise([torch.ones(2, 32, 3), torch.full((4, 32, 3), 2.0)])
    assert frames.shape == (4, 32, 6)
    assert frames[:2, :, :3].eq(1).all()
    assert frames[:, :, 3:].eq(2).all()
    assert not frames[2:, :, :3].any()


def test_a_missing_modality_is_zero():
    picture = torch.ones(2, 32, 3)
    assert torch.equal(synchronise([picture, None]), synchronise([picture, torch.zeros(2, 32, 3)]))
    assert torch.equal(synchronise([None, picture]), synchronise([torch.zeros(2, 32, 3), picture]))


def test_a_clip_without_any_modality_is_refused():
    with pytest.raises(ValueError, match="without any modality"):
        synchronise([None, None])


def test_windows_are_padded_to_whole_blocks():
    padded, is_frame = pad_to_blocks([torch.ones(3, 2, 1), torch.ones(10, 2, 1), torch.ones(11, 2, 1)], block_frames=10)
    assert len(padded) == 10 + 10 + 20
    assert is_frame.tolist() == [True] * 3 + [False] * 7 + [True] * 10 + [True] * 11 + [False] * 9
    assert torch.equal(padded[:, 0, 0].bool(), is_frame)
