"""Kaldi's filterbank against torchaudio's, transformers' and its recipe in slow motion."""

import math
import warnings

import numpy as np
import pytest
import torch
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from favor.models.favor.encoders.filterbank import frame_count, log_mel, samples_of

pytestmark = pytest.mark.numeric


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16_000, 98), (480_000, 2998)]
)
def test_frame_count(samples, frames):
    assert frame_count(samples) == frames
    assert samples_of(frames) <= samples
    assert frame_count(samples_of(frames)) == frames


def test_filterbank_is_torchaudios(golden):
    tensors, _ = golden
    fbank = log_mel(tensors["waveform"][:1].float() / 2**15, 128)
    # The floor that rounding leaves in a loud frame lies under its quietest bins.
    torch.testing.assert_close(fbank, tensors["fbank"], atol=5e-3, rtol=0)
    assert (fbank - tensors["fbank"]).abs().mean() < 1e-5


def test_filterbank_is_transformers_numpy_path(noise):
    waveform = noise(2, 4000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that a filter is empty, which Kaldi's is too
        filters = mel_filter_bank(257, 128, 20, 8000, 16_000, mel_scale="kaldi", triangularize_in_mel_space=True)
    expected = [
        spectrogram(
            samples.numpy() * 2.0**15,
            window_function(400, "povey", periodic=False),
            frame_length=400,
            hop_length=160,
            fft_length=512,
            power=2.0,
            center=False,
            preemphasis=0.97,
            mel_filters=filters,
            log_mel="log",
            mel_floor=2.0**-23,
            remove_dc_offset=True,
        ).T
        for samples in waveform
    ]
    np.testing.assert_allclose(log_mel(waveform, 128), np.stack(expected), atol=1e-3)


def naive_frame(samples, bins):
    """Kaldi's recipe for one frame of 400 samples, step by step."""
    x = [float(s) * 2**15 for s in samples]
    x = [s - sum(x) / 400 for s in x]
    x = [x[i] - 0.97 * x[max(i - 1, 0)] for i in range(400)]
    x = [x[i] * (0.5 - 0.5 * math.cos(2 * math.pi * i / 399)) ** 0.85 for i in range(400)]
    power = [abs(sum(x[i] * np.exp(-2j * math.pi * k * i / 512) for i in range(400))) ** 2 for k in range(257)]

    def mel(hertz):
        return 1127 * math.log(1 + hertz / 700)

    step = (mel(8000) - mel(20)) / (bins + 1)
    heights = [[1 - abs(mel(k * 31.25) - (mel(20) + (b + 1) * step)) / step for k in range(257)] for b in range(bins)]
    return [math.log(max(sum(max(h, 0) * p for h, p in zip(row, power, strict=True)), 2**-23)) for row in heights]


def test_filterbank_is_kaldis_recipe(noise):
    frame = noise(1, 400, seed=5)
    np.testing.assert_allclose(log_mel(frame, 20)[0, 0], naive_frame(frame[0].tolist(), 20), atol=1e-3)


def test_constant_sound_is_silence():
    fbank = log_mel(torch.full((1, 400), 0.25), 128)  # its offset is removed; 2^-23 is the floor
    torch.testing.assert_close(fbank, torch.full_like(fbank, -23 * math.log(2)))


def test_a_tone_is_loudest_in_its_filter():
    step = 1127 * math.log((1 + 8000 / 700) / (1 + 20 / 700)) / 129
    centre = 700 * ((1 + 20 / 700) * math.exp(61 * step / 1127) - 1)  # of filter 60: 1639.5 Hz
    tone = torch.sin(2 * torch.pi * centre * torch.arange(400) / 16_000)
    assert log_mel(tone[None], 128).argmax() == 60


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_filterbank_ignores_autocast(dtype, noise):
    waveform = 20 * noise(1, 4000)
    with torch.autocast("cpu", dtype=dtype):
        inside = log_mel(waveform, 128)
    torch.testing.assert_close(inside, log_mel(waveform, 128), atol=0, rtol=0)
