"""The seam: the protocols and values through which the pipeline uses any model.

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
Encoded = Any  # a model's encoding of a clip; opaque to everything else

ALL_ABILITIES: frozenset[Ability] = frozenset({"score", "modalities", "dialogue", "no_clip"})
ALL_MODALITIES: frozenset[Modality] = frozenset({"picture", "sound"})


@dataclasses.dataclass(frozen=True)
class TaskPrompts:
    """The prompts of a model for the tasks of the commands.

    Attributes:
        caption: prompt for a description of the clip.
        transcript: prompt for the spoken words; None for a model that writes no transcripts.
    """

    caption: str
    transcript: str | None = None


@dataclasses.dataclass(frozen=True)
class Batch:
    """The size of a batch of questions, one about each window.

    Attributes:
        windows: number of windows, each with picture and sound.
        seconds: length of a window.
        new_tokens: maximum length of an answer.
        beams: number of beams of the search.
    """

    windows: int = 4
    seconds: int = 30
    new_tokens: int = 128
    beams: int = 1


@dataclasses.dataclass(frozen=True)
class MemoryNeed:
    """The memory that a batch takes on the device, in bytes.

    Attributes:
        weights: all weights of the model.
        cache: keys and values of prompts and answers.
        features: pixels and encoder features of the windows, each with the copy that joins its parts.
        activations: activations of the widest pass.
    """

    weights: int
    cache: int
    features: int
    activations: int

    @property
    def total(self) -> int:
        """The sum of all parts, an upper limit: encoders and language model take turns."""
        return self.weights + self.cache + self.features + self.activations


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelCard:
    """A description of a model, available before its weights are loaded; a family may extend it.

    Attributes:
        name: name that opens the model in any process: a known name, or the absolute path of a model folder.
        revision: identifier that changes whenever a change of the model may change its answers, and that no other model
            has: the ids of answers contain it, but not the name, since a copy of a folder is the same model.
        trained: whether the weights were trained; the text from random weights is meaningless.
        knows: one line on what the model can be asked about.
        needs: what to decode of a clip for this model.
        prompts: its prompts for captions and transcripts.
        abilities: what it supports besides answering one question about a clip: to ``score`` texts (`ScoringModel`),
            and prompts with a mask of ``modalities``, with earlier turns of a ``dialogue``, or with ``no_clip``. It is
            the caller's duty to check this before use: a model need not reject what it does not support.
    """

    name: str
    revision: str
    trained: bool
    knows: str
    needs: ClipNeeds
    prompts: TaskPrompts
    abilities: frozenset[Ability] = frozenset()

    def memory_need(self, batch: Batch, placement: Placement) -> MemoryNeed | None:
        """Returns an upper limit of the memory for a batch, weights included, or None if the family has no estimate."""
        return None


@dataclasses.dataclass(frozen=True)
class Prompt:
    """A question about one clip.

    Attributes:
        text: the question.
        turns: earlier questions of the same dialogue with their answers.
        modalities: modalities of the clip that the model may use.
    """

    text: str
    turns: tuple[tuple[str, str], ...] = ()
    modalities: frozenset[Modality] = ALL_MODALITIES


@dataclasses.dataclass(frozen=True)
class GenerationOptions:
    """How text is generated; greedy search by default.

    Attributes:
        max_new_tokens: maximum length of an answer, end token included.
        min_new_tokens: number of tokens before which an answer does not end.
        num_beams: number of beams; 1 disables beam search.
        temperature: 0 takes the likeliest token; above 0 tokens are sampled, the higher the more evenly.
        top_k: samples from the k likeliest tokens only; 0 for all.
        top_p: samples from the likeliest tokens that together have this probability.
        repetition_penalty: a value above 1 makes tokens that were already produced less likely.
        length_penalty: a value above 0 makes beam search prefer longer answers.
        seed: seed of the sampling; an answer depends on it, but not on the batch.

    Raises:
        ValueError: if a value is out of range, or sampling is combined with beam search.
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
            raise ValueError(
                f"beam search does not sample; set temperature to 0 or num_beams to 1; got {self.num_beams} beams"
            )

    @classmethod
    def released(cls) -> Self:
        """Returns the options of the released code, without its sampling from the 1 % likeliest (spec section 3)."""
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
        text: the answer, without special tokens and surrounding space.
        token_ids: the produced tokens; the end token, if there is one, comes last. Empty if the model reports none.
        finish_reason: "stop" if the model ended the answer, "length" if it was cut off.
        mean_logprob: mean log-probability of ``token_ids`` under the model's own distribution, in nats; None if the
            model reports none.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    finish_reason: FinishReason = "stop"
    mean_logprob: float | None = None


class ClipModel(Protocol):
    """A model that answers questions about clips; it must be thread-safe."""

    @property
    def card(self) -> ModelCard:
        """The description of the model that was available before it was loaded."""

    @property
    def device(self) -> str:
        """The device it computes on, as torch names it: ``cpu``, ``cuda:0``."""

    def encode(self, clips: Sequence[Clip], /) -> Sequence[Encoded]:
        """Computes what does not depend on the question, once for any number of questions.

        Args:
            clips: clips decoded according to the card's ``needs``.

        Returns:
            One encoding per clip, to be passed to `answer`.
        """

    def answer(
        self, encoded: Sequence[Encoded | None], prompts: Sequence[Prompt], options: GenerationOptions, /
    ) -> list[Answer]:
        """Answers pairs of a clip and a prompt.

        Args:
            encoded: encodings from `encode`; None for a prompt without a clip (ability ``no_clip``).
            prompts: one per encoding; the caller has checked the card's ``abilities`` if it uses turns or masks.
            options: how text is generated.

        Returns:
            One answer per pair, independent of the other pairs.
        """


class ScoringModel(ClipModel, Protocol):
    """A model with the ability ``score``."""

    def score(
        self, encoded: Sequence[Encoded | None], prompts: Sequence[Prompt], texts: Sequence[str], /
    ) -> list[tuple[float, ...]]:
        """Computes the log-probabilities of given answers, without generating any.

        Args:
            encoded: as for `answer`.
            prompts: one per encoding.
            texts: one candidate answer per prompt.

        Returns:
            For each text, the log-probabilities of its tokens in nats, end token included.
        """


@dataclasses.dataclass(frozen=True)
class TimedWord:
    """A spoken word and its time.

    Attributes:
        text: the word with its punctuation.
        start: start of the word, in seconds from the start of the clip.
        end: end of the word, in seconds from the start of the clip.
        probability: probability that the word is right, if the model reports one.
    """

    text: str
    start: float
    end: float
    probability: float | None = None


class Transcriber(Protocol):
    """A model that transcribes speech, with the time of each word."""

    @property
    def card(self) -> ModelCard:
        """The description of the model that was available before it was loaded."""

    @property
    def device(self) -> str:
        """The device it computes on, as torch names it: ``cpu``, ``cuda:0``."""

    def transcribe(self, clips: Sequence[Clip], languages: Sequence[str | None], /) -> list[list[TimedWord]]:
        """Transcribes clips with sound.

        Args:
            clips: clips decoded according to the card's ``needs``.
            languages: one ISO 639-1 code per clip; None to detect the language.

        Returns:
            The words of each clip in spoken order.
        """


class ModelFamily(Protocol):
    """Models described and loaded by the same code; what an entry point of the group ``favor.models`` provides."""

    def describe(self, name: str, /) -> ModelCard:
        """Describes a model without loading its weights.

        Args:
            name: name of the entry point, or the path of a model folder of this family.

        Raises:
            FavorError: if there is no such model; the message says what to do.
        """

    def open(self, name: str, placement: Placement, /) -> ClipModel:
        """Loads a model.

        Args:
            name: as for `describe`.
            placement: device and precision.

        Raises:
            FavorError: if there is no such model, or the placement is not possible.
        """
