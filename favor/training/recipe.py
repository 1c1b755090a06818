"""Recipes of training: what is trained, on what, how long; read from TOML or JSON."""

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
    """Which parts are trained; FAVOR trains what lies between the encoders and the LLM, and the LLM's adapters.

    Attributes:
        visual: the ViT and its last norm.
        image_qformer: InstructBLIP's.
        speech: Whisper's encoder.
        sound: BEATs.
        aligner: projections, positions, causal Q-Former and the projection to the LLM.
        language: the LLM: its adapters alone (``lora``), or all of it.
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
    """How often a batch is of each kind; the numbers are relative to each other.

    The first twelve are tasks on their own clips. The rest are mixtures (spec section 6): ``video_foreign`` and
    ``image_foreign`` show a clip with a sound of another one, ``spoken`` asks whether a spoken text fits an image, and
    ``text`` is question and answer without any clip, for a language model that starts from nothing.
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
        """The kinds that occur, and how likely each is."""
        given = {kind: weight for kind, weight in dataclasses.asdict(self).items() if weight > 0}
        return {kind: weight / sum(given.values()) for kind, weight in given.items()}


@dataclasses.dataclass(frozen=True)
class Stage:
    """A span of training with its own optimiser.

    Attributes:
        name: in metrics and checkpoints.
        steps: of the optimiser.
        parts: which are trained.
        mix: kinds of batches.
        clips: of a batch.
        questions: to each clip of it, at most.
        accumulate: batches of a step.
        learning_rate: at its highest.
        warmup: steps in which it rises evenly.
        decay: how it falls afterwards.
        final: to which share of the highest.
        betas: of AdamW.
        weight_decay: of matrices; vectors have none.
        clip_norm: the gradient's norm is cut to it.
        diversity: weight of the diversity loss beside the cross-entropy.
        dropout: whether the trained parts drop out as they are made to, or "none" where no example comes twice.
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
        clips: how many; 0 for none.
        every: steps between two scorings; 0 for at the end of each stage only.
    """

    clips: int = 0
    every: int = 0


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A whole training.

    Attributes:
        model: a preset's name or a model folder: where training starts.
        stages: one after the other.
        manifests: JSON lines files of real media; the generated world if there are none.
        seed: of everything that is drawn.
        precision: of the computation; weights are float32. "auto" is bfloat16 where the device has it.
        workers: processes that make batches ahead.
        checkpoint_every: steps.
        scoring: on held-out clips.
        unknown: what the source of this recipe does not say, in words.
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
            raise ConfigError(f"stages must be there and have different names; got {names}")

    @property
    def steps(self) -> int:
        """Of all stages."""
        return sum(stage.steps for stage in self.stages)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a recipe.

        Raises:
            ConfigError: if it is no TOML or JSON, has an unknown key or an impossible value.
        """
        try:
            text = path.read_text(encoding="utf-8")
            values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise ConfigError(f"{path} is no {'JSON' if path.suffix == '.json' else 'TOML'}: {error}") from error
        return read_dataclass(cls, values, str(path))

    def starting_from(self, init: str | None) -> Self:
        """Returns the recipe with another model to start from, if one is given.

        Raises:
            FavorError: if there is no model to start from.
        """
        recipe = self if init is None else dataclasses.replace(self, model=init)
        find_folder(recipe.model)
        return recipe

    def to_dict(self) -> dict[str, object]:
        """Returns the recipe as JSON values."""
        return to_json(self)


def learning_rate(stage: Stage, step: int) -> float:
    """The learning rate of a step of a stage, counted from 0."""
    if step < stage.warmup:
        return stage.learning_rate * (step + 1) / stage.warmup
    done = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
    left = {"none": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[stage.decay]
    return stage.learning_rate * (stage.final + (1 - stage.final) * left)
