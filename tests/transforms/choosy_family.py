"""A family whose model answers every question but one."""

from favor.media.needs import ClipNeeds
from favor.models.base import Answer, ModelCard, TaskPrompts

CARD = ModelCard(
    name="choosy", revision="choosy-1", trained=True, knows="manners", needs=ClipNeeds(), prompts=TaskPrompts("Well?")
)


class ChoosyModel:
    card, device = CARD, "cpu"

    def encode(self, clips):
        return [None for _ in clips]

    def answer(self, encoded, prompts, options):
        if any(prompt.text == "Refuse" for prompt in prompts):
            raise ValueError("I refuse")
        return [Answer(prompt.text) for prompt in prompts]


class ChoosyFamily:
    def describe(self, name):
        return CARD

    def open(self, name, placement):
        return ChoosyModel()


FAMILY = ChoosyFamily()
