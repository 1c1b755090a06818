import dataclasses
import struct

import numpy as np
import pytest
import torch

from favor.errors import FavorError
from favor.models.favor.encoders.speech import SpeechEncoder
from favor.models.favor.model import FavorModel
from favor.models.favor.presets import FAVOR_MINI
from mini.initial_weights import place, read_variables, waves, whisper_encoder

SIZES = FAVOR_MINI.speech


def text(value):
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def write_model(path, variables, version=6):
    """Writes a file as CTranslate2 does."""
    content = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, value in variables.items():
        kind = {"float32": 0, "int8": 1, "float16": 4}[value.dtype.name]
        head = struct.pack(f"<B{value.ndim}IBI", value.ndim, *value.shape, kind, value.nbytes)
        content += text(name) + head + value.tobytes()
    path.write_bytes(content)
    return path


def half(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float16)


def variables():
    width, inner = SIZES.d_model, SIZES.encoder_ffn_dim
    norm = {"gamma": half(width), "beta": half(width)}
    layer = {
        "self_attention/linear_0/weight": half(3 * width, width),
        "self_attention/linear_0/bias": half(3 * width),
        "self_attention/linear_1/weight": half(width, width),
        "self_attention/linear_1/bias": half(width),
        "ffn/linear_0/weight": half(inner, width),
        "ffn/linear_0/bias": half(inner),
        "ffn/linear_1/weight": half(width, inner),
        "ffn/linear_1/bias": half(width),
        **{f"{kind}/layer_norm/{name}": v for kind in ("self_attention", "ffn") for name, v in norm.items()},
    }
    return {
        "decoder/embeddings/weight": half(3, width),
        "encoder/conv1/weight": half(width, 80, 3),
        "encoder/conv1/bias": half(width),
        "encoder/conv2/weight": half(width, width, 3),
        "encoder/conv2/bias": half(width),
        "encoder/num_heads": np.array(6, np.int8),
        "encoder/position_encodings/encodings": half(1500, width),
        **{f"encoder/layer_norm/{name}": value for name, value in norm.items()},
        **{f"encoder/layer_{n}/{name}": value for n in range(4) for name, value in layer.items()},
    }


def test_every_weight_of_the_encoder_is_found(tmp_path):
    given = variables()
    weights = whisper_encoder(read_variables(write_model(tmp_path / "model.bin", given)), SIZES.max_source_positions)
    whisper = SpeechEncoder(SIZES).whisper
    whisper.load_state_dict(weights)
    query, key, value = torch.from_numpy(given["encoder/layer_2/self_attention/linear_0/weight"]).float().chunk(3)
    attention = whisper.layers[2].self_attn
    assert torch.equal(attention.q_proj.weight, query)
    assert torch.equal(attention.k_proj.weight, key)
    assert torch.equal(attention.v_proj.weight, value)
    positions = given["encoder/position_encodings/encodings"][: SIZES.max_source_positions]
    assert torch.equal(whisper.embed_positions.weight, torch.from_numpy(positions).float())


def test_another_file_is_refused(tmp_path):
    with pytest.raises(FavorError, match="version 5, wants 6"):
        read_variables(write_model(tmp_path / "old.bin", {}, version=5))
    (tmp_path / "short.bin").write_bytes(write_model(tmp_path / "model.bin", variables()).read_bytes()[:4000])
    with pytest.raises(FavorError, match=r"is no model\.bin of CTranslate2"):
        read_variables(tmp_path / "short.bin")


def test_queries_of_each_resolution_start_at_times_of_their_own_block():
    resolutions = ((10, 30), (1, 3))
    qformer = dataclasses.replace(FAVOR_MINI.causal_qformer, resolutions=resolutions)
    prompter = FavorModel.from_pretrained("favor-mini").prompter
    model = FavorModel(dataclasses.replace(FAVOR_MINI, causal_qformer=qformer), prompter)
    place(model)
    slots = FAVOR_MINI.slots
    for (frames, count), queries in zip(resolutions, model.aligner.query_tokens, strict=True):
        times = torch.linspace(0, frames * slots, 2 * count + 1)[1::2]  # the middles of equal parts
        torch.testing.assert_close(queries[0], waves(times, queries.shape[-1]), atol=1e-4, rtol=1e-4)
