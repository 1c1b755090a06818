"""The seam: what the pipeline asks of any model, and what a model says of itself before it is loaded.

Read from the top: a ``ModelCard`` describes a model, a ``ModelFamily`` finds and opens models, a ``ClipModel`` answers
``Prompt`` values about clips with ``Answer`` values, and a ``Transcriber`` returns timed words.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, Self

from favor.media.clip import Clip
from favor.media.needs import ClipNeeds
from favor.models.placement import Placement

Ability = Literal["score", "modalities", "dialogue", "no_clip"]
Modality = Literal["picture", "sound"]
FinishReason = Literal["stop", "length"]
Encoded = Any  # what a model makes of a clip; only that model looks inside

ALL_ABILITIES: frozenset[Ability] = frozenset({"score", "modalities", "dialogue", "no_clip"})
ALL_MODALITIES: frozenset[Modality] = frozenset({"picture", "sound"})


@dataclasses.dataclass(frozen=True)
class TaskPrompts:
    """How a model is best asked for what the commands write.

    Attributes:
        caption: asks for a description of the clip.
        transcript: asks for the words that are spoken; None for a model that writes no transcripts.
    """

    caption: str
    transcript: str | None = None


@dataclasses.dataclass(frozen=True)
class Batch:
    """What is asked at once.

    Attributes:
        windows: with picture and sound.
        seconds: the length of a window.
        new_tokens: the longest answer.
        beams: of the search.
    """

    windows: int = 4
    seconds: int = 30
    new_tokens: int = 128
    beams: int = 1


@dataclasses.dataclass(frozen=True)
class MemoryNeed:
    """Bytes on the device.

    Attributes:
        weights: of the whole model.
        cache: keys and values of prompts and answers.
        features: pixels and encoder features of the windows, each with the copy that joins its parts.
        activations: of the widest pass.
    """

    weights: int
    cache: int
    features: int
    activations: int

    @property
    def total(self) -> int:
        """All of it at once, which is an upper limit: encoders and language model take turns."""
        return self.weights + self.cache + self.features + self.activations


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelCard:
    """A model before any of its weights is loaded; a family may extend it.

    Attributes:
        name: opens the model, in another process too: a known name, or the absolute path of a model folder.
        revision: changes whenever the same question may get another answer because the model has changed.
        trained: whether the weights were trained; the text of random ones means nothing.
        knows: one line on what the model can be asked about.
        needs: what of a clip is decoded for it.
        prompts: how it is asked for captions and transcripts.
        abilities: what it can do besides answering one question about a clip: ``score`` texts (`ScoringModel`), and
            answer prompts with a mask of ``modalities``, with the earlier turns of a ``dialogue``, or with ``no_clip``.
    """

    name: str
    revision: str
    trained: bool
    knows: str
    needs: ClipNeeds
    prompts: TaskPrompts
    abilities: frozenset[Ability] = frozenset()

    def memory_need(self, batch: Batch, placement: Placement) -> MemoryNeed | None:
        """Returns the memory that a batch takes at most, weights included, or None if the family cannot compute it."""
        return None


@dataclasses.dataclass(frozen=True)
class Prompt:
    """What is asked about one clip.

    Attributes:
        text: the question.
        turns: earlier questions of the same dialogue with their answers.
        modalities: what of the clip the model may use.
    """

    text: str
    turns: tuple[tuple[str, str], ...] = ()
    modalities: frozenset[Modality] = ALL_MODALITIES


@dataclasses.dataclass(frozen=True)
class GenerationOptions:
    """How text is generated; greedy search by default.

    Attributes:
        max_new_tokens: upper limit of an answer, the end token included.
        min_new_tokens: no end before this many tokens.
        num_beams: beams of a beam search; 1 for none.
        temperature: 0 takes the likeliest token; above 0 tokens are drawn, the flatter the higher.
        top_k: draws among the k likeliest only; 0 for all.
        top_p: draws among the likeliest tokens that together have this probability.
        repetition_penalty: above 1 makes tokens that were produced already less likely.
        length_penalty: above 0 makes beam search prefer longer answers.
        seed: of the draws; an answer depends on it and not on the batch.

    Raises:
        ValueError: if a value is out of range, or beams are to be drawn.
    """

    max_new_tokens: int = 64
    min_new_tokens: int = 0
    num_beams: int = 1
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    length_penalty: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low in (("max_new_tokens", 1), ("min_new_tokens", 0), ("num_beams", 1), ("top_k", 0)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be {low} or more; got {getattr(self, name)}")
        if self.min_new_tokens > self.max_new_tokens:
            raise ValueError(f"min_new_tokens {self.min_new_tokens} exceeds max_new_tokens {self.max_new_tokens}")
        if self.temperature < 0 or self.repetition_penalty <= 0 or not 0 < self.top_p <= 1:
            raise ValueError(
                f"needs temperature >= 0, repetition_penalty > 0 and 0 < top_p <= 1; got {self.temperature}, "
                f"{self.repetition_penalty} and {self.top_p}"
            )
        if self.num_beams > 1 and self.temperature > 0:
            raise ValueError(f"beams are not drawn: set temperature to 0 or num_beams to 1; got {self.num_beams} beams")

    @classmethod
    def released(cls) -> Self:
        """Returns what the released code generates with, without its draws from the 1 % likeliest (spec section 3)."""
        return cls(max_new_tokens=512, min_new_tokens=1, num_beams=5, repetition_penalty=1.5)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Reads options from JSON values.

        Raises:
            ValueError: for an unknown key.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"there is no generation option {unknown[0]!r}; there are {', '.join(known)}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as JSON values."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Answer:
    """A model's answer to one prompt.

    Attributes:
        text: without special tokens and surrounding space.
        token_ids: the produced tokens; the end token, if there is one, is the last. Empty if the model reports none.
        finish_reason: "stop" if the model ended by itself, "length" if it was cut.
        mean_logprob: mean log-probability of ``token_ids`` under the model's own distribution, in nats; None if the
            model reports none.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    finish_reason: FinishReason = "stop"
    mean_logprob: float | None = None


class ClipModel(Protocol):
    """A model that answers questions about clips; threads may share it."""

    @property
    def card(self) -> ModelCard:
        """What was known of the model before it was loaded."""

    @property
    def device(self) -> str:
        """Where it computes, in torch's words: ``cpu``, ``cuda:0``."""

    def encode(self, clips: Sequence[Clip], /) -> Sequence[Encoded]:
        """Computes what does not depend on the question, once for any number of questions.

        Args:
            clips: decoded as the card's ``needs`` say.

        Returns:
            One value for each clip, which `answer` takes.
        """

    def answer(
        self, encoded: Sequence[Encoded | None], prompts: Sequence[Prompt], options: GenerationOptions, /
    ) -> list[Answer]:
        """Answers pairs of a clip and a prompt.

        Args:
            encoded: from `encode`; None for a prompt without a clip (ability ``no_clip``).
            prompts: one for each; turns and masks are only given to models with these abilities.
            options: how text is generated.

        Returns:
            One answer for each pair; it does not depend on the others.
        """


class ScoringModel(ClipModel, Protocol):
    """A model with the ability ``score``."""

    def score(
        self, encoded: Sequence[Encoded | None], prompts: Sequence[Prompt], texts: Sequence[str], /
    ) -> list[tuple[float, ...]]:
        """Rates given answers, without generating any.

        Args:
            encoded: as for `answer`.
            prompts: one for each.
            texts: one for each; what the model might have answered.

        Returns:
            For each text the log-probabilities of its tokens in nats, the end token included.
        """


@dataclasses.dataclass(frozen=True)
class TimedWord:
    """A spoken word.

    Attributes:
        text: with its punctuation.
        start: seconds from the start of the clip.
        end: likewise.
        probability: that it is the right word, if the model reports that.
    """

    text: str
    start: float
    end: float
    probability: float | None = None


class Transcriber(Protocol):
    """A model that writes down what is spoken, with the time of each word."""

    @property
    def card(self) -> ModelCard:
        """What was known of the model before it was loaded."""

    @property
    def device(self) -> str:
        """Where it computes, in torch's words: ``cpu``, ``cuda:0``."""

    def transcribe(self, clips: Sequence[Clip], languages: Sequence[str | None], /) -> list[list[TimedWord]]:
        """Transcribes clips with sound.

        Args:
            clips: decoded as the card's ``needs`` say.
            languages: one for each, as ISO 639-1 codes; None for a language to be detected.

        Returns:
            The words of each clip in the order in which they are spoken.
        """


class ModelFamily(Protocol):
    """Models that are found and opened in one way: what an entry point of the group ``favor.models`` gives."""

    def describe(self, name: str, /) -> ModelCard:
        """Describes a model without loading its weights.

        Args:
            name: that of the entry point, or the path of a model folder of this family.

        Raises:
            FavorError: if there is no such model; the message says what to do.
        """

    def open(self, name: str, placement: Placement, /) -> ClipModel:
        """Loads a model.

        Args:
            name: as for `describe`.
            placement: where it computes and in which precision.

        Raises:
            FavorError: if there is no such model, or it cannot be placed so.
        """
