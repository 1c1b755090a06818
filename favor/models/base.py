"""The seam: what the pipeline asks of any model."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, Self

FinishReason = Literal["stop", "length"]


@dataclasses.dataclass(frozen=True)
class GenerationOptions:
    """How text is generated; greedy search unless told otherwise.

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
        """What the released code generates with, without its draws from the 1 % likeliest (spec section 3)."""
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
        """The options as JSON values."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the model said to one question.

    Attributes:
        text: without special tokens and surrounding space.
        token_ids: the produced tokens; the end token, if there is one, is the last.
        finish_reason: "stop" if the model ended by itself, "length" if it was cut.
        mean_logprob: mean log-probability of ``token_ids`` under the model's own distribution, in nats.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    mean_logprob: float
