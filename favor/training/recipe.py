"""Training recipes: what is trained, on what data and for how long; read from TOML or JSON."""

import dataclasses
import json
import math
import tomllib
from pathlib import Path
from typing import Literal, Self

from favor.errors import ConfigError
from favor.models.favor.folder import find_folder
from favor.structs import read_dataclass, to_json

Freedom = Literal["frozen", "lora", "full"]
Decay = Literal["linear", "cosine", "none"]
Dropout = Literal["own", "none"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclasses.dataclass(frozen=True)
class Parts:
    """Which parts are trained; FAVOR trains the aligner between encoders and LLM, and the LLM's adapters.

    Attributes:
        visual: the ViT and its last norm.
        image_qformer: InstructBLIP's Q-Former.
        speech: Whisper's encoder.
        sound: BEATs.
        aligner: projections, positions, causal Q-Former and the projection to the LLM.
        language: the LLM, of which ``lora`` trains the adapters only.
    """

    visual: Freedom = "frozen"
    image_qformer: Freedom = "frozen"
    speech: Freedom = "frozen"
    sound: Freedom = "frozen"
    aligner: Freedom = "full"
    language: Freedom = "lora"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) == "lora" and field.name != "language":
                raise ConfigError(f"parts.{field.name} is 'lora', but only the language model has adapters; give full")


@dataclasses.dataclass(frozen=True)
class Mix:
    """How often a batch is of each kind, as relative weights.

    The first twelve are tasks on their own clips. The rest are mixtures (spec section 6): ``video_foreign`` and
    ``image_foreign`` show a clip with the sound of another, ``spoken`` asks whether a spoken text fits an image, and
    ``text`` is question and answer without any clip, for a language model trained from scratch.
    """

    asr: float = 0
    ac: float = 0
    ic: float = 0
    ocr: float = 0
    vqa: float = 0
    video_qa: float = 0
    avsr: float = 0
    avsd: float = 0
    isqa: float = 0
    avm: float = 0
    avssd: float = 0
    caption: float = 0
    video_foreign: float = 0
    image_foreign: float = 0
    spoken: float = 0
    text: float = 0

    @property
    def kinds(self) -> dict[str, float]:
        """The kinds that occur, with their probabilities."""
        given = {kind: weight for kind, weight in dataclasses.asdict(self).items() if weight > 0}
        return {kind: weight / sum(given.values()) for kind, weight in given.items()}


@dataclasses.dataclass(frozen=True)
class Stage:
    """A span of training with its own optimiser.

    Attributes:
        name: name in metrics and messages.
        steps: optimiser steps.
        parts: the parts to train.
        mix: kinds of batches.
        clips: clips per batch.
        questions: maximum number of questions per clip.
        accumulate: batches per step.
        learning_rate: peak learning rate.
        warmup: steps of linear warm-up.
        decay: shape of the decay after warm-up.
        final: learning rate at the end, as a share of the peak.
        betas: betas of AdamW.
        weight_decay: weight decay of matrices; vectors have none.
        clip_norm: limit to which the gradient's norm is clipped.
        diversity: weight of the diversity loss relative to the cross-entropy.
        dropout: "own" for the trained parts' own dropout, or "none", for data in which no example repeats.
        matching: share of the examples of paired video that become an audio-visual matching question.
    """

    name: str
    steps: int
    parts: Parts = Parts()
    mix: Mix = Mix()
    clips: int = 8
    questions: int = 1
    accumulate: int = 1
    learning_rate: float = 5e-4
    warmup: int = 100
    decay: Decay = "linear"
    final: float = 0.0
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.001
    clip_norm: float = 1.0
    diversity: float = 0.01
    matching: float = 0.1
    dropout: Dropout = "own"

    def __post_init__(self) -> None:
        for name in ("steps", "clips", "questions", "accumulate"):
            if getattr(self, name) < 1:
                raise ConfigError(f"stage {self.name}: {name} is {getattr(self, name)}; it must be 1 or more")
        if not self.mix.kinds:
            raise ConfigError(f"stage {self.name}: mix is empty; give at least one kind a number above 0")


@dataclasses.dataclass(frozen=True)
class Scoring:
    """Scoring on the held-out part of the generated world.

    Attributes:
        clips: number of clips; 0 disables scoring.
        every: steps between scorings; with 0, only the end of each stage is scored.
    """

    clips: int = 0
    every: int = 0


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A complete training run.

    Attributes:
        model: name or folder of the model to start from.
        stages: stages, run one after another.
        manifests: JSON lines files of real media; the generated world if there are none.
        seed: seed of all random draws.
        precision: precision of the computation; weights are float32. "auto" is bfloat16 where the device supports it.
        workers: processes that prepare batches in advance.
        checkpoint_every: steps between checkpoints.
        scoring: scoring on held-out clips.
        unknown: notes on what the source of this recipe leaves open.
    """

    model: str
    stages: tuple[Stage, ...]
    manifests: tuple[str, ...] = ()
    seed: int = 0
    precision: Precision = "auto"
    workers: int = 1
    checkpoint_every: int = 500
    scoring: Scoring = Scoring()
    unknown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"needs at least one stage, and distinct names of stages; got {names}")

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a recipe.

        Raises:
            ConfigError: if it cannot be read, is not TOML or JSON, or has an unknown key or an impossible value.
        """
        try:
            text = path.read_text(encoding="utf-8")
            values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise ConfigError(f"{path} is not {'JSON' if path.suffix == '.json' else 'TOML'}: {error}") from error
        return read_dataclass(cls, values, str(path))

    def starting_from(self, init: str | None) -> Self:
        """Returns the recipe with another model to start from, if one is given.

        Raises:
            FavorError: if the model to start from does not exist.
        """
        recipe = self if init is None else dataclasses.replace(self, model=init)
        find_folder(recipe.model)
        return recipe

    def to_dict(self) -> dict[str, object]:
        """Returns the recipe as JSON values."""
        return to_json(self)


def learning_rate(stage: Stage, step: int) -> float:
    """Returns the learning rate of a step of a stage, counted from 0."""
    if step < stage.warmup:
        return stage.learning_rate * (step + 1) / stage.warmup
    done = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
    left = {"none": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[stage.decay]
    return stage.learning_rate * (stage.final + (1 - stage.final) * left)
