import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from favor.models.favor.config import SpeechConfig
from favor.models.favor.encoders.speech import LogMel, SpeechEncoder, cut_pieces

pytestmark = pytest.mark.numeric

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
    torch.testing.assert_close(
        LogMel(80)(cut_pieces(torch.from_numpy(samples), 30 * RATE)), expected, atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize(("seconds", "pieces"), [(0, 1), (3, 1), (30, 1), (30.5, 2), (60, 2)])
def test_long_sound_is_cut_into_pieces_of_30_seconds(seconds, pieces):
    samples = torch.ones(int(seconds * RATE))
    cut = cut_pieces(samples, 30 * RATE)
    assert cut.shape == (pieces, 30 * RATE)
    assert torch.equal(cut.flatten()[: len(samples)], samples)
    assert not cut.flatten()[len(samples) :].any()


@pytest.mark.parametrize(("seconds", "tokens"), [(30, 1500), (5, 250)])
def test_a_piece_becomes_50_tokens_a_second(seconds, tokens):
    sizes = SpeechConfig(8, 1, 2, 8, max_source_positions=tokens)
    assert (sizes.piece_samples, sizes.piece_frames) == (seconds * RATE, seconds * 2)
    with torch.no_grad():
        assert SpeechEncoder(sizes)(torch.zeros(2, seconds * RATE)).shape == (2, tokens, 8)
