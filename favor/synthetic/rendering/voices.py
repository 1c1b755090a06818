"""Speech assembled from the word recordings of the voice bank."""

import functools
import json
from pathlib import Path

import av
import numpy as np

from favor.media.clip import SAMPLE_RATE, Samples
from favor.synthetic.scene import Utterance

FOLDER = Path(__file__).parent / "voice_bank"
WORD_INDEX = FOLDER / "words.json"
VOICES = {name: FOLDER / f"{name}.opus" for name in ("awb", "rms", "slt")}


@functools.cache
def index() -> dict[str, dict[str, tuple[int, int]]]:
    """Returns voice -> word -> (first sample, number of samples)."""
    return json.loads(WORD_INDEX.read_text(encoding="utf-8"))


@functools.cache
def recording(voice: str) -> Samples:
    """Returns the (n,) samples of a voice's recording of all words."""
    with av.open(VOICES[voice]) as container:
        resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        frames += resampler.resample(None)
    pcm = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    return (pcm / np.float32(32_768)).astype(np.float32)


@functools.lru_cache(4096)
def word_samples(voice: str, word: str, percent: int) -> Samples:
    """Returns (n,) samples of a word.

    Args:
        voice: one of ``VOICES``.
        word: a word of the vocabulary.
        percent: pitch and pace, relative to the voice's own; 110 is a tenth higher and faster.
    """
    start, count = index()[voice][word]
    samples = recording(voice)[start : start + count]
    length = count * 100 // percent
    return np.interp(np.arange(length) * (percent / 100), np.arange(count), samples).astype(np.float32)


def length(voice: str, word: str, percent: int) -> float:
    """Returns the duration of `word_samples` in seconds."""
    return index()[voice][word][1] * 100 // percent / SAMPLE_RATE


def add_speech(samples: Samples, utterance: Utterance) -> None:
    """Adds an utterance to (n,) samples in place, cut off at their end."""
    for word in utterance.words:
        voice = word_samples(utterance.voice, word.text, utterance.percent)
        first = round(word.start * SAMPLE_RATE)
        part = samples[first : first + len(voice)]
        part += utterance.gain * voice[: len(part)]
