"""A model of your own, which all commands can use by name once this folder is installed.

    pip install ./examples
    favor caption films --model brightness --output out

The ``pyproject.toml`` next to this file registers ``FAMILY`` as an entry point of the group ``favor.models``, under the
name ``brightness``. A real family loads its weights in ``open``; decoding, batching, failures and tables are handled
for it.
"""

from collections.abc import Sequence
from fractions import Fraction

import favor

CARD = favor.ModelCard(
    name="brightness",
    revision="brightness-1",  # no other model's; must change whenever the same question may get another answer
    trained=True,
    knows="how bright a picture is, and how loud a sound",
    needs=favor.ClipNeeds(frames_per_second=Fraction(1), frame_size=favor.Square(64)),
    prompts=favor.TaskPrompts(caption="How bright and how loud is it?"),
)


class Brightness:
    """A model that measures brightness and loudness, so it needs no weights."""

    card, device = CARD, "cpu"

    def encode(self, clips: Sequence[favor.Clip]) -> list[str]:
        """Measures each clip once, for all questions."""
        return [f"{_brightness(clip)} and {_loudness(clip)}" for clip in clips]

    def answer(
        self, encoded: Sequence[str], prompts: Sequence[favor.Prompt], options: favor.GenerationOptions
    ) -> list[favor.Answer]:
        """Answers each prompt about its clip."""
        return [favor.Answer(measured) for measured, _ in zip(encoded, prompts, strict=True)]


class Family:
    """The model family that the entry point refers to."""

    def describe(self, name: str) -> favor.ModelCard:
        """Returns the card without loading the model."""
        return CARD

    def open(self, name: str, placement: favor.Placement) -> Brightness:
        """Returns the loaded model."""
        return Brightness()


FAMILY = Family()


def _brightness(clip: favor.Clip) -> str:
    return "unseen" if clip.frames is None else "bright" if clip.frames.mean() > 127 else "dark"


def _loudness(clip: favor.Clip) -> str:
    return "unheard" if clip.audio is None else "loud" if (clip.audio**2).mean() > 0.01 else "quiet"
