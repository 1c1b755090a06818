"""Placing sound: resampling decoded audio to mono samples at the times given in the file."""

import functools
import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from favor.media.clip import SAMPLE_RATE, Samples

JUMP_MS = 10  # one hop of Whisper's spectrogram; a smaller jump is rounding (milliseconds in Matroska)
FULL_SCALE = np.float32(2**-15)  # converts 16-bit samples to [-1, 1]
UNSIGNED = frozenset({"u8", "u8p"})  # formats in which zero is not silence
CHUNKS_A_SECOND = 4  # how many chunks per second the resampler returns


class SoundPlacer:
    """A resampler of decoded audio that determines the position of each sample on the file's sample grid.

    The resampler runs as long as timestamps are continuous; where they jump, or the format changes, it restarts at the
    new time, so that silence, gaps and overlaps in the file are preserved. It always starts where the sample grids of
    the source and the result coincide, so that a window has the same samples wherever decoding began.

    Args:
        second: ticks per second of the clock of the frames' times.
        sample_rate: the sample rate of the result, in Hz.
    """

    def __init__(self, second: int, sample_rate: int = SAMPLE_RATE) -> None:
        self._second = second
        self._sample_rate = sample_rate
        self._jump = JUMP_MS * second // 1000
        self._resampler: AudioResampler | None = None
        self._format: tuple[object, ...] = ()
        self._began = 0  # when the resampler started
        self._fed = 0  # samples since then
        self._expected = 0  # when the next frame starts if timestamps are continuous
        self._position = 0  # the position of the next sample that the resampler returns
        self._silence = 0  # samples still to drop, from the silence inserted before the first frame

    def feed(self, time: int | None, frame: AudioFrame) -> Iterator[tuple[int, Samples]]:
        """Yields ``(position, samples)``: mono samples in [-1, 1], and the position of the first on the sample grid.

        Args:
            time: when the frame starts, in ticks; None, if the file has no time for it, means right after the last one.
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
        """Yields the samples that the resampler still holds; the next frame restarts it."""
        if self._resampler is not None:
            yield from self._resample(None)
        self._resampler, self._format = None, ()

    def _start(self, time: int, frame: AudioFrame) -> None:
        # 16 bits, as in Whisper's training; mixed down so as never to be louder than the source
        self._resampler = AudioResampler("s16", "mono", self._sample_rate, self._sample_rate // CHUNKS_A_SECOND)
        self._began, self._fed = time, 0
        rate, start = frame.sample_rate, Fraction(time, self._second)
        lead = round(start * rate) % (rate // math.gcd(rate, self._sample_rate))  # source samples since grids coincided
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
    """Returns a silent frame in the format of another one."""
    frame = AudioFrame(like.format, like.layout, samples)
    frame.sample_rate = like.sample_rate
    for plane in frame.planes:
        plane.update((b"\x80" if like.format.name in UNSIGNED else b"\0") * plane.buffer_size)
    return frame


class SoundTrack:
    """The sound of one window and of a margin on both sides; silence where the file has none.

    Args:
        start_ms: when the window begins.
        end_ms: when it ends.
        sample_rate: the sample rate of the sound, in Hz.
        margin_ms: how much additional sound is collected before and after the window.

    Attributes:
        margin_ms: the margin on each side.
        sample_rate: the sample rate in Hz.
        start: where the sound begins on the file's sample grid; negative if that is before the file's start.
        heard: whether the file has had sound for any part of the window.
        full: whether sound up to the end has been placed.
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
        """The samples of the window and its margins, (n,) float32; allocated when first used."""
        return np.zeros(self._count, np.float32)

    def place(self, position: int, samples: Samples) -> None:
        """Copies the samples that belong to the window or its margins.

        Args:
            position: the position of the first sample on the file's sample grid.
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
