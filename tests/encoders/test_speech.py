import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from favor.config import SpeechConfig
from favor.encoders.speech import LogMel, SpeechEncoder, cut_pieces

RATE = 16_000


def noise(seconds):
    generator = np.random.default_rng(0)
    return (0.1 * generator.standard_normal(round(seconds * RATE))).astype(np.float32)


@pytest.mark.parametrize(
    "samples", [noise(3.2), noise(30), np.zeros(RATE, np.float32)], ids=["short", "full", "silent"]
)
def test_log_mel_is_that_of_transformers(samples):
    extractor = WhisperFeatureExtractor(feature_size=80)
    expected = extractor(samples, sampling_rate=RATE, return_tensors="pt").input_features
    torch.testing.assert_close(LogMel(80)(cut_pieces(torch.from_numpy(samples))), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("seconds", "pieces"), [(0, 1), (3, 1), (30, 1), (30.5, 2), (60, 2)])
def test_long_sound_is_cut_into_pieces_of_30_seconds(seconds, pieces):
    samples = torch.ones(int(seconds * RATE))
    cut = cut_pieces(samples)
    assert cut.shape == (pieces, 30 * RATE)
    assert torch.equal(cut.flatten()[: len(samples)], samples)
    assert not cut.flatten()[len(samples) :].any()


def test_a_piece_becomes_1500_tokens():
    encoder = SpeechEncoder(SpeechConfig(d_model=8, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=8))
    with torch.no_grad():
        assert encoder(torch.zeros(2, 30 * RATE)).shape == (2, 1500, 8)
