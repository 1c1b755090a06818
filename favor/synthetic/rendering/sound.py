"""Audio of a scene: synthesized sounds, and the speech of `favor.synthetic.rendering.voices`."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from favor.media.clip import SAMPLE_RATE, Samples
from favor.synthetic.rendering.voices import add_speech
from favor.synthetic.scene import Scene, Sound

Wave = NDArray[np.floating]
RAMP = SAMPLE_RATE // 200  # 5 ms, to avoid clicks
TWO_PI = np.float32(2 * np.pi)


def render_sound(scene: Scene) -> Samples:
    """Returns (n,) float32 samples of a whole scene at 16 kHz, within [-1, 1]."""
    count = round(scene.seconds * SAMPLE_RATE)
    samples = np.zeros(count, np.float32)
    if scene.noise:
        samples += scene.noise * np.random.default_rng(scene.seed).standard_normal(count, np.float32)
    for sound in scene.sounds:
        first = round(sound.time * SAMPLE_RATE)
        part = samples[first : first + round(sound.seconds * SAMPLE_RATE)]
        part += sound.gain * sound_samples(sound)[: len(part)]
    for utterance in scene.utterances:
        add_speech(samples, utterance)
    return np.clip(samples, -1, 1, out=samples)


def sound_samples(sound: Sound) -> Samples:
    """Returns the (n,) samples of one sound, with a peak of about 1."""
    times = np.arange(round(sound.seconds * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    samples = WAVES[sound.kind](times, sound.pitch).astype(np.float32)
    ramp = np.linspace(0, 1, RAMP, dtype=np.float32)
    samples[:RAMP] *= ramp[: len(samples)]
    samples[-RAMP:] *= ramp[::-1][-len(samples) :]
    return samples


def _sine(times: Wave, frequency: float | Wave) -> Wave:
    return np.sin(TWO_PI * frequency * times)


def _sweep(frequencies: Wave) -> Wave:
    """Returns a sine with a varying frequency, given as (n,) Hz."""
    return np.sin(TWO_PI * (np.cumsum(frequencies, dtype=np.float64) / SAMPLE_RATE % 1).astype(np.float32))


def _hiss(count: int) -> Wave:
    """Returns deterministic white noise within [-1, 1]."""
    return np.random.default_rng(count).uniform(-1, 1, count).astype(np.float32)


def bell(times: Wave, pitch: float) -> Wave:
    """Returns a sum of inharmonic partials, of which the higher ones decay faster."""
    partials = ((1, 0.5, 4), (2.76, 0.3, 7), (5.4, 0.2, 12))
    return sum(a * _sine(times, 700 * pitch * f) * np.exp(-d * times) for f, a, d in partials)  # type: ignore[return-value]


def drum(times: Wave, pitch: float) -> Wave:
    """Returns a low strike that falls in pitch."""
    blow = _sweep(pitch * (70 + 90 * np.exp(-25 * times))) * np.exp(-9 * times)
    return 0.85 * blow + 0.15 * _hiss(len(times)) * np.exp(-60 * times)


def horn(times: Wave, pitch: float) -> Wave:
    """Returns two square waves a third apart."""
    return 0.5 * np.tanh(4 * _sine(times, 330 * pitch)) + 0.5 * np.tanh(4 * _sine(times, 415 * pitch))


def whistle(times: Wave, pitch: float) -> Wave:
    """Returns a high warbling tone with breath noise."""
    return 0.8 * _sweep(pitch * (2300 + 150 * _sine(times, 22))) + 0.15 * _hiss(len(times))


def tone(times: Wave, pitch: float) -> Wave:
    """Returns a pure tone."""
    return _sine(times, 1000 * pitch)


def bird(times: Wave, pitch: float) -> Wave:
    """Returns six short rising calls per second."""
    phase = times * 6 % 1
    return _sweep(pitch * (3000 + 2500 * phase)) * (phase < 0.6)


def engine(times: Wave, pitch: float) -> Wave:
    """Returns a low sawtooth wave with a beat."""
    phase = times * 65 * pitch % 1
    return (2 * phase - 1) * (0.7 + 0.3 * _sine(times, 9))


def siren(times: Wave, pitch: float) -> Wave:
    """Returns a tone that rises and falls twice per second."""
    return _sweep(pitch * (850 + 350 * _sine(times, 2)))


def clock(times: Wave, pitch: float) -> Wave:
    """Returns five dry ticks per second."""
    phase = times * 5 % 1 / 5
    return _sine(phase, 1800 * pitch) * np.exp(-150 * phase)


def rain(times: Wave, pitch: float) -> Wave:
    """Returns white noise."""
    return 0.6 * _hiss(len(times))


WAVES: dict[str, Callable[[Wave, float], Wave]] = {
    "bell": bell,
    "drum": drum,
    "horn": horn,
    "whistle": whistle,
    "tone": tone,
    "bird": bird,
    "engine": engine,
    "siren": siren,
    "clock": clock,
    "rain": rain,
}
