"""Placing sound: decoded audio becomes mono samples of one rate at the times the file gives them."""

import functools
import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from favor.media.clip import SAMPLE_RATE, Samples

JUMP_MS = 10  # one hop of Whisper's spectrogram; less is rounding (milliseconds in Matroska)
FULL_SCALE = np.float32(2**-15)  # of 16 bits
UNSIGNED = frozenset({"u8", "u8p"})  # formats whose zero is not silence
CHUNKS_A_SECOND = 4  # samples that the resampler returns at once


class SoundPlacer:
    """Resamples a stream of decoded audio and says where on the grid of samples each of them belongs.

    The resampler runs on while the timestamps do; where they jump, or the format changes, it starts anew at the
    new time, so that silence, gaps and overlaps in the file stay where they are. It always starts where the grids of
    the source and of the result meet, so that a window sounds the same wherever decoding began.

    Args:
        second: ticks in a second of the clock that frames are timed by.
        sample_rate: of the result, in Hz.
    """

    def __init__(self, second: int, sample_rate: int = SAMPLE_RATE) -> None:
        self._second = second
        self._sample_rate = sample_rate
        self._jump = JUMP_MS * second // 1000
        self._resampler: AudioResampler | None = None
        self._format: tuple[object, ...] = ()
        self._began = 0  # when the resampler started
        self._fed = 0  # samples since then
        self._expected = 0  # when the next frame starts if nothing jumps
        self._position = 0  # of the next sample that the resampler returns
        self._silence = 0  # samples still to drop that stem from the silence before the first frame

    def feed(self, time: int | None, frame: AudioFrame) -> Iterator[tuple[int, Samples]]:
        """Yields ``(position, samples)``: mono samples in [-1, 1] and where the first of them belongs.

        Args:
            time: when the frame starts in ticks; None, where the file does not say, is right after the last one.
            frame: the decoded frame.
        """
        time = self._expected if time is None else time
        audio_format = (frame.format.name, frame.layout.name, frame.sample_rate)
        if audio_format != self._format or abs(time - self._expected) > self._jump:
            yield from self.flush()
            self._format = audio_format
            self._start(time, frame)
        self._fed += frame.samples
        self._expected = self._began + self._fed * self._second // frame.sample_rate
        yield from self._resample(frame)

    def flush(self) -> Iterator[tuple[int, Samples]]:
        """Yields what the resampler still holds back; the next frame starts it anew."""
        if self._resampler is not None:
            yield from self._resample(None)
        self._resampler, self._format = None, ()

    def _start(self, time: int, frame: AudioFrame) -> None:
        # 16 bits, as Whisper was trained: mixed so as never to be louder than the source
        self._resampler = AudioResampler("s16", "mono", self._sample_rate, self._sample_rate // CHUNKS_A_SECOND)
        self._began, self._fed = time, 0
        rate, start = frame.sample_rate, Fraction(time, self._second)
        lead = round(start * rate) % (rate // math.gcd(rate, self._sample_rate))  # source samples since the grids met
        self._position = round((start - Fraction(lead, rate)) * self._sample_rate)
        self._silence = round(start * self._sample_rate) - self._position
        if lead:
            list(self._resample(_silence(lead, frame)))

    def _resample(self, frame: AudioFrame | None) -> Iterator[tuple[int, Samples]]:
        assert self._resampler is not None
        for mono in self._resampler.resample(frame):
            samples = mono.to_ndarray()[0] * FULL_SCALE
            silence = min(self._silence, len(samples))
            self._silence -= silence
            yield self._position + silence, samples[silence:]
            self._position += len(samples)


def _silence(samples: int, like: AudioFrame) -> AudioFrame:
    """Returns a frame of silence in the format of another one."""
    frame = AudioFrame(like.format, like.layout, samples)
    frame.sample_rate = like.sample_rate
    for plane in frame.planes:
        plane.update((b"\x80" if like.format.name in UNSIGNED else b"\0") * plane.buffer_size)
    return frame


class SoundTrack:
    """The sound of one window, and of a margin on both sides; silence where the file has none.

    Args:
        start_ms: when the window begins.
        end_ms: when it ends.
        sample_rate: of the sound, in Hz.
        margin_ms: how much sound before the window and behind it is collected too.

    Attributes:
        margin_ms: likewise.
        sample_rate: likewise.
        start: where the sound begins on the file's grid of samples, before the file's own start perhaps.
        heard: whether the file has had sound for any of the window.
        full: whether the sound has reached its end.
    """

    def __init__(self, start_ms: int, end_ms: int, sample_rate: int = SAMPLE_RATE, margin_ms: int = 0) -> None:
        self.heard = self.full = False
        self.sample_rate = sample_rate
        self.margin_ms = margin_ms
        moments = (start_ms - margin_ms, start_ms, end_ms, end_ms + margin_ms)
        self.start, *window, end = (moment * sample_rate // 1000 for moment in moments)
        self._count = end - self.start
        self._window = tuple(position - self.start for position in window)

    @functools.cached_property
    def samples(self) -> Samples:
        """(n,) float32 of the window and its margins; they take memory from the first sound on."""
        return np.zeros(self._count, np.float32)

    def place(self, position: int, samples: Samples) -> None:
        """Copies what belongs into the window.

        Args:
            position: where on the file's grid the first sample belongs.
            samples: (n,) float32.
        """
        first = position - self.start
        last = first + len(samples)
        self.full = self.full or last >= self._count
        if last <= 0 or first >= self._count:
            return
        self.samples[max(first, 0) : last] = samples[max(-first, 0) : self._count - first]
        window_start, window_end = self._window
        self.heard = self.heard or (first < window_end and last > window_start)
