"""The sound-event encoder against BEATs' released code, against its formulae in slow motion, and worked examples.

``beats_tiny.safetensors`` holds a tiny model with random weights under the released names (with the ``cfg`` in its
metadata), two clips, Kaldi's filterbank of the first by torchaudio, and the features that BEATs' code makes of both.
"""

import math

import numpy as np
import pytest
import torch

from favor.errors import ConfigError
from favor.models.favor.config import SoundConfig
from favor.models.favor.encoders.filterbank import samples_of
from favor.models.favor.encoders.sound import (
    SoundEncoder,
    is_unused,
    normalised_fbank,
    position_buckets,
    sound_config_from_cfg,
    token_count,
)
from favor.models.favor.loading import initialise

pytestmark = pytest.mark.numeric

TINY = SoundConfig(
    encoder_embed_dim=12,
    encoder_layers=3,
    encoder_attention_heads=3,
    encoder_ffn_embed_dim=20,
    embed_dim=8,
    conv_pos=6,
    conv_pos_groups=2,
    num_buckets=16,
    max_distance=20,
)
RELEASED_CFG = {
    "input_patch_size": 16,
    "embed_dim": 512,
    "conv_bias": False,
    "encoder_layers": 12,
    "encoder_embed_dim": 768,
    "encoder_ffn_embed_dim": 3072,
    "encoder_attention_heads": 12,
    "activation_fn": "gelu",
    "layer_wise_gradient_decay_ratio": 0.6,
    "layer_norm_first": False,
    "deep_norm": True,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "encoder_layerdrop": 0.05,
    "dropout_input": 0.0,
    "conv_pos": 128,
    "conv_pos_groups": 16,
    "relative_position_embedding": True,
    "num_buckets": 320,
    "max_distance": 800,
    "gru_rel_pos": True,
    "finetuned_model": True,
    "predictor_dropout": 0.0,
    "predictor_class": 527,
}
RELEASED_SHAPES = {
    "patch_embedding.weight": (512, 1, 16, 16),
    "layer_norm.weight": (512,),
    "layer_norm.bias": (512,),
    "post_extract_proj.weight": (768, 512),
    "post_extract_proj.bias": (768,),
    "encoder.pos_conv.0.weight_g": (1, 1, 128),
    "encoder.pos_conv.0.weight_v": (768, 48, 128),
    "encoder.pos_conv.0.bias": (768,),
    "encoder.layer_norm.weight": (768,),
    "encoder.layer_norm.bias": (768,),
    "encoder.layers.0.self_attn.relative_attention_bias.weight": (320, 12),
}
RELEASED_LAYER_SHAPES = {
    "self_attn.grep_a": (1, 12, 1, 1),
    "self_attn.grep_linear.weight": (8, 64),
    "self_attn.grep_linear.bias": (8,),
    **{f"self_attn.{p}_proj.weight": (768, 768) for p in ("q", "k", "v", "out")},
    **{f"self_attn.{p}_proj.bias": (768,) for p in ("q", "k", "v", "out")},
    "self_attn_layer_norm.weight": (768,),
    "self_attn_layer_norm.bias": (768,),
    "fc1.weight": (3072, 768),
    "fc1.bias": (3072,),
    "fc2.weight": (768, 3072),
    "fc2.bias": (768,),
    "final_layer_norm.weight": (768,),
    "final_layer_norm.bias": (768,),
}


@pytest.fixture
def tiny_encoder():
    """A tiny encoder in which no parameter is at its neutral value, and what a token hears shows in its features."""
    encoder = SoundEncoder(TINY).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            centre = 1.0 if name.endswith(("norm.weight", "weight_g", "grep_a")) else 0.0
            spread = 0.3 if parameter.ndim == 1 or centre else 1.5 * parameter[0].numel() ** -0.5
            parameter.copy_(centre + spread * torch.randn(parameter.shape, generator=generator))
    return encoder


def test_normalisation():
    fbank = normalised_fbank(torch.zeros(1, 2800), 16)
    torch.testing.assert_close(fbank, torch.full((1, 16, 128), (-23 * math.log(2) - 15.41663) / 13.11164))


# --- position buckets


def naive_bucket(distance, buckets, max_distance):
    half, exact = buckets // 2, buckets // 4
    first = half if distance > 0 else 0
    if abs(distance) < exact:
        return first + abs(distance)
    fraction = math.log(abs(distance) / exact) / math.log(max_distance / exact)
    return first + min(half - 1, exact + math.floor(fraction * (half - exact)))


@pytest.mark.parametrize(
    ("distance", "bucket"),
    [
        (0, 0),
        (-1, 1),
        (1, 161),
        (-79, 79),
        (79, 239),
        (-80, 80),  # log10(1) * 80 = 0 buckets on
        (-100, 87),  # log10(1.25) * 80 = 7.75
        (-253, 120),  # log10(3.1625) * 80 = 40.0006
        (-252, 119),  # log10(3.15) * 80 = 39.86
        (-799, 159),
        (-800, 159),
        (800, 319),
        (1495, 319),
    ],
)
def test_released_buckets_by_hand(distance, bucket):
    assert position_buckets(torch.tensor(distance), 320, 800) == bucket


@pytest.mark.parametrize(("buckets", "max_distance"), [(320, 800), (320, 1280), (16, 20), (32, 128)])
def test_buckets_in_slow_motion(buckets, max_distance):
    distances = range(-1600, 1601)
    # At some round distances the exact fraction is a whole number, which rounding may miss by one bucket.
    whole = {d for d in distances if abs(_fraction(d, buckets, max_distance) % 1 - 0.5) > 0.5 - 1e-4}
    actual = position_buckets(torch.tensor(list(distances)), buckets, max_distance).tolist()
    for distance, bucket in zip(distances, actual, strict=True):
        if distance not in whole:
            assert bucket == naive_bucket(distance, buckets, max_distance), distance


def _fraction(distance, buckets, max_distance):
    exact = buckets // 4
    if abs(distance) < exact or abs(distance) > max_distance:
        return 0.5
    return math.log(abs(distance) / exact) / math.log(max_distance / exact) * (buckets // 2 - exact)


# --- the encoder in slow motion


def linear(p, name, x):
    return p[f"{name}.weight"] @ x + p[f"{name}.bias"]


def norm(p, name, x):
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


def gelu(x):
    return np.array([v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in np.ravel(x)]).reshape(np.shape(x))


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def naive_patches(p, fbank):
    """(frames, 128) -> one vector a patch: all bands of the first 16 frames, then of the next."""
    kernels = p["patch_embedding.weight"][:, 0]
    corners = [(t, m) for t in range(0, len(fbank) - 15, 16) for m in range(0, 128, 16)]
    return [np.array([(k * fbank[t : t + 16, m : m + 16]).sum() for k in kernels]) for t, m in corners]


def naive_positions(p, xs):
    """What the grouped convolution adds at each token, before the GELU."""
    v, g = p["encoder.pos_conv.0.weight_v"], p["encoder.pos_conv.0.weight_g"]
    width, inputs, taps = v.shape
    weight = np.stack([g[0, 0, t] * v[:, :, t] / np.sqrt((v[:, :, t] ** 2).sum()) for t in range(taps)], axis=-1)
    outputs = []
    for token in range(len(xs)):
        output = p["encoder.pos_conv.0.bias"].copy()
        for channel in range(width):
            first = channel // (width // TINY.conv_pos_groups) * inputs
            for tap in range(taps):
                source = token + tap - taps // 2
                if 0 <= source < len(xs):
                    output[channel] += weight[channel, :, tap] @ xs[source][first : first + inputs]
        outputs.append(output)
    return outputs


def naive_attention(p, name, xs):
    heads, size = TINY.encoder_attention_heads, TINY.encoder_embed_dim // TINY.encoder_attention_heads
    table = p["encoder.layers.0.self_attn.relative_attention_bias.weight"]
    q, k, v = ([linear(p, f"{name}.{proj}", x) for x in xs] for proj in ("q_proj", "k_proj", "v_proj"))
    outputs = []
    for i in range(len(xs)):
        mixed = []
        for h in range(heads):
            own = slice(h * size, (h + 1) * size)
            features = linear(p, f"{name}.grep_linear", q[i][own])
            update, reset = sigmoid(features[:4].sum()), sigmoid(features[4:].sum())
            gate = update * (reset * p[f"{name}.grep_a"][0, h, 0, 0] - 1) + 2
            bias = [table[naive_bucket(j - i, TINY.num_buckets, TINY.max_distance), h] for j in range(len(xs))]
            scores = np.array([q[i][own] @ k[j][own] / math.sqrt(size) + gate * bias[j] for j in range(len(xs))])
            weights = np.exp(scores - scores.max())
            mixed.append(sum(w * v[j][own] for j, w in enumerate(weights / weights.sum())))
        outputs.append(linear(p, f"{name}.out_proj", np.concatenate(mixed)))
    return outputs


def naive_encoder(p, fbank):
    xs = [linear(p, "post_extract_proj", norm(p, "layer_norm", x)) for x in naive_patches(p, fbank)]
    xs = [norm(p, "encoder.layer_norm", x + gelu(c)) for x, c in zip(xs, naive_positions(p, xs), strict=True)]
    alpha = (2 * TINY.encoder_layers) ** (1 / 4)
    for index in range(TINY.encoder_layers):
        name = f"encoder.layers.{index}"
        attended = naive_attention(p, f"{name}.self_attn", xs)
        xs = [norm(p, f"{name}.self_attn_layer_norm", alpha * x + a) for x, a in zip(xs, attended, strict=True)]
        inner = [linear(p, f"{name}.fc2", gelu(linear(p, f"{name}.fc1", x))) for x in xs]
        xs = [norm(p, f"{name}.final_layer_norm", alpha * x + f) for x, f in zip(xs, inner, strict=True)]
    return np.stack(xs)


def test_encoder_in_slow_motion(tiny_encoder, noise):
    waveform = noise(1, samples_of(3 * 16 + 5))  # 24 tokens: the farthest share buckets
    parameters = {name: value.detach().double().numpy() for name, value in tiny_encoder.named_parameters()}
    with torch.no_grad():
        actual = tiny_encoder(waveform)[0]
    expected = naive_encoder(parameters, normalised_fbank(waveform, 16)[0].double().numpy())
    np.testing.assert_allclose(actual, expected, atol=1e-4, rtol=1e-4)


# --- the released code


def test_features_are_the_released_codes(golden):
    tensors, cfg = golden
    encoder = SoundEncoder(sound_config_from_cfg(cfg)).eval()
    released = {name.removeprefix("model/"): value for name, value in tensors.items() if name.startswith("model/")}
    encoder.load_state_dict({name: value for name, value in released.items() if not is_unused(name)})
    with torch.no_grad():
        features = encoder(tensors["waveform"].float() / 2**15)
    torch.testing.assert_close(features, tensors["features"], atol=1e-4, rtol=1e-4)


def test_released_names_and_shapes():
    with torch.device("meta"):
        encoder = SoundEncoder(sound_config_from_cfg(RELEASED_CFG))
    expected = RELEASED_SHAPES | {
        f"encoder.layers.{index}.{name}": shape for index in range(12) for name, shape in RELEASED_LAYER_SHAPES.items()
    }
    assert {name: tuple(value.shape) for name, value in encoder.state_dict().items()} == expected
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 90_311_792  # BEATs' paper says 90 M


@pytest.mark.parametrize(
    ("name", "unused"),
    [
        ("predictor.weight", True),
        ("encoder.layers.1.self_attn.relative_attention_bias.weight", True),
        ("encoder.layers.11.self_attn.relative_attention_bias.weight", True),
        ("encoder.layers.0.self_attn.relative_attention_bias.weight", False),
        ("encoder.layers.1.self_attn.grep_a", False),
        ("layer_norm.weight", False),
    ],
)
def test_what_the_released_file_holds_in_vain(name, unused):
    assert is_unused(name) == unused


def test_released_cfg_is_the_default():
    assert sound_config_from_cfg(RELEASED_CFG) == SoundConfig()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer_norm_first": True}, "layer_norm_first = True; only False"),
        ({"deep_norm": False}, "deep_norm = False; only True"),
        ({"gru_rel_pos": None}, "gru_rel_pos = None; only True"),
        ({"activation_fn": "glu"}, "activation_fn = 'glu'; only 'gelu'"),
        ({"conv_bias": True}, "conv_bias = True"),
        ({"relative_position_embedding": False}, "relative_position_embedding = False"),
        ({"encoder_layers": "12"}, "encoder_layers = '12'; it must be a whole number"),
        ({"encoder_layers": None}, "encoder_layers = None"),
        ({"encoder_attention_heads": 7}, "width 768 cannot be split over 7"),
        ({"conv_pos_groups": 7}, "sound.conv_pos_groups 7"),
        ({"max_distance": 80}, "sound.max_distance 80 must exceed the 80"),
        ({"input_patch_size": 129}, "sound.input_patch_size 129"),
    ],
)
def test_cfg_that_cannot_be_built(change, message):
    with pytest.raises(ConfigError, match=message):
        sound_config_from_cfg(RELEASED_CFG | change)


# --- lengths, batches and precision


@pytest.mark.parametrize(
    ("samples", "tokens"),
    [(0, 8), (399, 8), (2800, 8), (5359, 8), (5360, 16), (16_000, 48), (160_000, 496), (480_000, 1496)],
)
def test_token_count(tiny_encoder, samples, tokens):
    assert token_count(samples, 16) == tokens
    with torch.no_grad():
        assert tiny_encoder(torch.zeros(1, samples)).shape == (1, tokens, 12)


def test_short_sound_is_filled_up_with_silence(tiny_encoder, noise):
    short = noise(1, 1000)
    with torch.no_grad():
        filled = tiny_encoder(torch.nn.functional.pad(short, (0, 1800)))
        torch.testing.assert_close(tiny_encoder(short), filled, atol=1e-4, rtol=1e-4)


def test_a_clip_does_not_see_its_batch(tiny_encoder, noise):
    clips = noise(11, 6000)  # more than one pass
    with torch.no_grad():
        together, alone = tiny_encoder(clips), torch.cat([tiny_encoder(clip[None]) for clip in clips])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    assert (together[0] - together[1]).abs().max() > 0.1


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.05), (torch.bfloat16, 0.4)])
def test_half_precision(tiny_encoder, dtype, tolerance, noise):
    initialise(tiny_encoder, seed=0)
    clips = torch.stack([noise(6000), torch.zeros(6000), 10 * noise(6000).sign()])  # silence, and clipped sound
    with torch.no_grad():
        exact = tiny_encoder(clips)
        features = tiny_encoder.to(dtype)(clips)
    assert features.dtype == dtype
    torch.testing.assert_close(features.float(), exact, atol=tolerance, rtol=0)


def test_deterministic(tiny_encoder, noise):
    clips = noise(2, 6000)
    with torch.no_grad():
        assert torch.equal(tiny_encoder(clips), tiny_encoder(clips))


def test_gradients_reach_every_parameter(tiny_encoder, noise):
    tiny_encoder(noise(1, 6000)).square().sum().backward()
    assert all(
        parameter.grad is not None and parameter.grad.isfinite().all() for parameter in tiny_encoder.parameters()
    )


def test_wrong_shape_is_refused(tiny_encoder):
    with pytest.raises(ValueError, match=r"shape \(16000,\); it must be \(batch, samples\)"):
        tiny_encoder(torch.zeros(16_000))
