"""Placing sound: decoded audio becomes 16 kHz mono samples at the times the file gives them."""

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from favor.media.clip import SAMPLE_RATE

Samples = NDArray[np.float32]

JUMP = Fraction(10, 1000)  # s, one hop of Whisper's spectrogram; less is rounding (milliseconds in Matroska)


class SoundPlacer:
    """Resamples a stream of decoded audio and says where on the 16 kHz grid its samples belong.

    The resampler runs on while the timestamps do; where they jump, or the format changes, it starts anew at the
    new time, so that silence, gaps and overlaps in the file stay where they are. It always starts where the grids of
    the source and of the result meet, so that a window sounds the same wherever decoding began.
    """

    def __init__(self) -> None:
        self._mixer: AudioResampler | None = None  # to mono
        self._resampler: AudioResampler | None = None  # to 16 kHz
        self._format: tuple[object, ...] = ()
        self._expected = Fraction(0)  # when the next frame starts if nothing jumps
        self._position = 0  # of the next sample that the resampler returns
        self._silence = 0  # samples still to drop that stem from the silence before the first frame

    def feed(self, time: Fraction | None, frame: AudioFrame) -> Iterator[tuple[int, Samples]]:
        """Yields ``(position, samples)``: mono samples in [-1, 1] and where the first of them belongs.

        Args:
            time: when the frame starts in seconds; None, where the file does not say, is right after the last one.
            frame: the decoded frame.
        """
        time = self._expected if time is None else time
        audio_format = (frame.format.name, frame.layout.name, frame.sample_rate)
        if audio_format != self._format or abs(time - self._expected) > JUMP:
            yield from self.flush()
            self._format = audio_format
            self._start(time, frame.sample_rate)
        self._expected += Fraction(frame.samples, frame.sample_rate)
        assert self._mixer is not None
        for mono in self._mixer.resample(frame):
            yield from self._resample(mono)

    def flush(self) -> Iterator[tuple[int, Samples]]:
        """Yields what the resampler still holds back; the next frame starts it anew."""
        if self._resampler is not None:
            yield from self._resample(None)
        self._resampler, self._format = None, ()

    def _start(self, time: Fraction, rate: int) -> None:
        self._mixer = AudioResampler(
            "s16", "mono", rate
        )  # 16 bits, as Whisper was trained: never louder than the source
        self._resampler = AudioResampler("fltp", "mono", SAMPLE_RATE)
        self._expected = time
        lead = round(time * rate) % (rate // math.gcd(rate, SAMPLE_RATE))  # source samples since the grids met
        self._position = round((time - Fraction(lead, rate)) * SAMPLE_RATE)
        self._silence = round(time * SAMPLE_RATE) - self._position
        if lead:
            list(self._resample(_mono_silence(lead, rate)))

    def _resample(self, frame: AudioFrame | None) -> Iterator[tuple[int, Samples]]:
        assert self._resampler is not None
        for mono in self._resampler.resample(frame):
            if mono is None:  # how a resampler with nothing to do answers a flush
                continue
            samples = np.clip(mono.to_ndarray()[0], -1, 1)
            silence = min(self._silence, len(samples))
            self._silence -= silence
            yield self._position + silence, samples[silence:]
            self._position += len(samples)


def _mono_silence(samples: int, rate: int) -> AudioFrame:
    frame = AudioFrame.from_ndarray(np.zeros((1, samples), np.int16), "s16", "mono")
    frame.sample_rate = rate
    return frame


class SoundTrack:
    """The sound of one window; silence where the file has none.

    Attributes:
        samples: (n,) float32, 16 for each millisecond of the window.
        heard: whether the file has had sound for any of them.
        full: whether the sound has reached the window's end.
    """

    def __init__(self, start_ms: int, end_ms: int) -> None:
        self.heard = self.full = False
        self._start = start_ms * SAMPLE_RATE // 1000
        self.samples: Samples = np.zeros((end_ms - start_ms) * SAMPLE_RATE // 1000, np.float32)

    def place(self, position: int, samples: Samples) -> None:
        """Copies what belongs into the window.

        Args:
            position: where on the file's 16 kHz grid the first sample belongs.
            samples: (n,) float32.
        """
        first = position - self._start
        last = first + len(samples)
        self.full = self.full or last >= len(self.samples)
        if last <= 0 or first >= len(self.samples):
            return
        self.samples[max(first, 0) : last] = samples[max(-first, 0) : len(self.samples) - first]
        self.heard = True
