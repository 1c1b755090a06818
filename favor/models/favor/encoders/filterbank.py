"""Kaldi's log-mel filterbank for whole batches of 16 kHz samples: 25 ms frames every 10 ms, without dither."""

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from favor.media.clip import SAMPLE_RATE

FRAME_SAMPLES = SAMPLE_RATE * 25 // 1000
HOP_SAMPLES = SAMPLE_RATE * 10 // 1000
FFT_SIZE = 512  # the frame, padded with zeros to a power of two
LOWEST_HZ = 20  # of the lowest filter; the highest ends at half the sample rate
PREEMPHASIS = 0.97
INT16_SCALE = 2**15  # Kaldi reads samples as 16-bit integers
POWER_FLOOR = torch.finfo(torch.float32).eps  # keeps the logarithm of digital silence finite


def frame_count(samples: int) -> int:
    """Counts the whole frames in a number of samples; the remainder is dropped, as with Kaldi's ``snip_edges``."""
    return max(0, 1 + (samples - FRAME_SAMPLES) // HOP_SAMPLES)


def samples_of(frames: int) -> int:
    """Returns the smallest number of samples that gives a number of frames."""
    return FRAME_SAMPLES + (frames - 1) * HOP_SAMPLES if frames else 0


def log_mel(waveform: Tensor, bins: int) -> Tensor:
    """Computes Kaldi's ``compute-fbank-feats --dither=0`` in float32, even under autocast.

    Args:
        waveform: (batch, samples) of any floating type, at 16 kHz, full scale at 1; at least one frame.
        bins: number of mel filters.

    Returns:
        (batch, frame_count(samples), bins) float32, natural logarithms of power.
    """
    frames = (waveform.float() * INT16_SCALE).unfold(-1, FRAME_SAMPLES, HOP_SAMPLES)  # (batch, frames, 400)
    frames = frames - frames.mean(-1, keepdim=True)
    previous = F.pad(frames, (1, 0), mode="replicate")[..., :-1]  # the first sample of a frame precedes itself
    window, filters = (torch.from_numpy(table).to(waveform.device) for table in _tables(bins))
    power = torch.fft.rfft((frames - PREEMPHASIS * previous) * window, FFT_SIZE).abs().square()  # (batch, frames, 257)
    with torch.autocast(waveform.device.type, enabled=False):  # the power of loud sound overflows float16
        return (power @ filters).clamp(min=POWER_FLOOR).log()


@functools.cache
def _tables(bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Computes Kaldi's "povey" window (400,) and filters (257, bins): triangles, evenly spaced on the mel axis.

    Low filters narrower than an FFT bin may be empty, as in Kaldi.
    """
    window = np.hanning(FRAME_SAMPLES) ** 0.85
    mel = _mel(np.arange(FFT_SIZE // 2 + 1) * SAMPLE_RATE / FFT_SIZE)[:, None]
    edges = np.linspace(_mel(LOWEST_HZ), _mel(SAMPLE_RATE / 2), bins + 2)
    rising = (mel - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mel) / (edges[2:] - edges[1:-1])
    filters = np.minimum(rising, falling).clip(min=0)
    return window.astype(np.float32), filters.astype(np.float32)


def _mel(hertz: Any) -> Any:
    return 1127 * np.log1p(hertz / 700)
