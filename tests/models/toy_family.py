"""A second family: it names the mean colour and the loudness of a clip, by arithmetic alone."""

from fractions import Fraction

import numpy as np

from favor.media.needs import ClipNeeds, Fit
from favor.models.base import Answer, MemoryNeed, ModelCard, TaskPrompts

COLOURS = np.array(["red", "green", "blue"])


class ToyCard(ModelCard):
    def memory_need(self, batch, placement):
        return MemoryNeed(weights=1_000_000_000, cache=0, features=batch.windows * 1_000_000_000, activations=0)


CARD = ToyCard(
    name="toy",
    revision="toy-7",
    trained=True,
    knows="colours and loudness",
    needs=ClipNeeds(
        frames_per_second=Fraction(1), frame_size=Fit(multiple=28, max_pixels=28 * 28 * 6), sample_rate=8000
    ),
    prompts=TaskPrompts(caption="Which colour, and how loud?"),
)


class ToyModel:
    card, device = CARD, "cpu"

    def encode(self, clips):
        return [f"{seen(clip.frames)}, {heard(clip.audio)}" for clip in clips]

    def answer(self, encoded, prompts, options):
        return [Answer(measured) for measured, _ in zip(encoded, prompts, strict=True)]


class ToyFamily:
    def describe(self, name):
        return CARD

    def open(self, name, placement):
        return ToyModel()


FAMILY = ToyFamily()


def seen(frames):
    if frames is None:
        return "no picture"
    count, height, width, _ = frames.shape
    return f"{COLOURS[frames.mean(axis=(0, 1, 2)).argmax()]} in {count} frames of {width} x {height}"


def heard(audio):
    if audio is None:
        return "no sound"
    return f"{20 * np.log10(np.sqrt((audio**2).mean())):.0f} dB in {len(audio)} samples"
