"""The speech encoder: 16 kHz samples become Whisper's features, 50 per second."""

import dataclasses

import torch
from torch import Tensor, nn
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from favor.models.favor.budget import rows_per_pass
from favor.models.favor.config import SpeechConfig


class SpeechEncoder(nn.Module):
    """Whisper's encoder over pieces of equal length, 30 s unless the configuration says otherwise.

    Args:
        config: the sizes.
    """

    def __init__(self, config: SpeechConfig) -> None:
        super().__init__()
        self.config = config
        self.log_mel = LogMel(config.num_mel_bins)
        self.whisper = WhisperEncoder(WhisperConfig(**dataclasses.asdict(config)))

    def forward(self, pieces: Tensor) -> Tensor:
        """Encodes (n, piece samples) at 16 kHz into (n, tokens, width): (n, 480000) into (n, 1500, width) for 30 s."""
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
        bins: number of mel bins.
    """

    def __init__(self, bins: int) -> None:
        extractor = WhisperFeatureExtractor(feature_size=bins)
        self.n_fft, self.hop = extractor.n_fft, extractor.hop_length
        self.filters = torch.from_numpy(extractor.mel_filters.T).float()  # (bins, n_fft / 2 + 1)

    def __call__(self, samples: Tensor) -> Tensor:
        """Maps (n, samples) float32 at 16 kHz to (n, bins, samples / 160) float32."""
        window = torch.hann_window(self.n_fft, device=samples.device)
        spectrum = torch.stft(samples, self.n_fft, self.hop, window=window, return_complex=True)
        power = spectrum[..., :-1].abs().square()  # (n, n_fft / 2 + 1, samples / 160)
        log_mel = (self.filters.to(samples.device) @ power).clamp(min=1e-10).log10()
        loudest = log_mel.amax(dim=(1, 2), keepdim=True)
        return (torch.maximum(log_mel, loudest - 8.0) + 4.0) / 4.0


def cut_pieces(samples: Tensor, length: int) -> Tensor:
    """Cuts (n,) samples into (pieces, length); pads the last with silence; no samples give one silent piece."""
    pieces = max(1, -(-len(samples) // length))
    return nn.functional.pad(samples, (0, pieces * length - len(samples))).view(pieces, length)
