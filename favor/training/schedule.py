"""How the learning rate rises and falls."""

import math

from favor.training.recipe import Stage


def learning_rate(stage: Stage, step: int) -> float:
    """The learning rate of a step of a stage, counted from 0."""
    if step < stage.warmup:
        return stage.learning_rate * (step + 1) / stage.warmup
    done = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
    left = {"none": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[stage.decay]
    return stage.learning_rate * (stage.final + (1 - stage.final) * left)
