"""Hearing speech: 16 kHz samples become Whisper's features, 50 a second."""

import dataclasses

import torch
from torch import Tensor, nn
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from favor.config import SpeechConfig
from favor.encoders.passes import rows_per_pass

SAMPLE_RATE = 16_000  # Hz
PIECE_SECONDS = 30  # Whisper pads every input to 30 s
PIECE_SAMPLES = PIECE_SECONDS * SAMPLE_RATE


class SpeechEncoder(nn.Module):
    """Whisper's encoder over pieces of 30 s.

    Args:
        config: the sizes.
    """

    def __init__(self, config: SpeechConfig) -> None:
        super().__init__()
        self.config = config
        self.log_mel = LogMel(config.num_mel_bins)
        self.whisper = WhisperEncoder(WhisperConfig(**dataclasses.asdict(config)))

    def forward(self, pieces: Tensor) -> Tensor:
        """Encodes (n, 480000) samples into (n, 1500, width)."""
        dtype = self.whisper.dtype
        count = rows_per_pass(self.config.max_source_positions * self.config.encoder_ffn_dim, dtype)
        passes = [
            self.whisper(input_features=self.log_mel(chunk).to(dtype)).last_hidden_state
            for chunk in pieces.split(count)
        ]
        return torch.cat(passes)


class LogMel:
    """Whisper's log-mel spectrogram on the samples' own device, with the filters of ``WhisperFeatureExtractor``.

    Args:
        bins: mel bins.
    """

    def __init__(self, bins: int) -> None:
        extractor = WhisperFeatureExtractor(feature_size=bins)
        self.n_fft, self.hop = extractor.n_fft, extractor.hop_length
        self.filters = torch.from_numpy(extractor.mel_filters.T).float()  # (bins, n_fft / 2 + 1)

    def __call__(self, samples: Tensor) -> Tensor:
        """Maps (n, 480000) float32 samples to (n, bins, 3000) float32."""
        window = torch.hann_window(self.n_fft, device=samples.device)
        spectrum = torch.stft(samples, self.n_fft, self.hop, window=window, return_complex=True)
        power = spectrum[..., :-1].abs().square()  # (n, n_fft / 2 + 1, 3000)
        log_mel = (self.filters.to(samples.device) @ power).clamp(min=1e-10).log10()
        loudest = log_mel.amax(dim=(1, 2), keepdim=True)
        return (torch.maximum(log_mel, loudest - 8.0) + 4.0) / 4.0


def cut_pieces(samples: Tensor) -> Tensor:
    """Cuts (n,) samples into (pieces, 480000); the last is filled up with silence, no samples are one silent piece."""
    pieces = max(1, -(-len(samples) // PIECE_SAMPLES))
    return nn.functional.pad(samples, (0, pieces * PIECE_SAMPLES - len(samples))).view(pieces, PIECE_SAMPLES)
