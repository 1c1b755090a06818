"""Batched generation: from prompts to tokens, finish reasons and log-probabilities."""

import dataclasses
import inspect

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    LlamaForCausalLM,
    LogitsProcessor,
    LogitsProcessorList,
    MinNewTokensLengthLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    StaticCache,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from favor.models.base import FinishReason, GenerationOptions

_parameters = inspect.signature(LlamaForCausalLM.forward).parameters
CACHE = "cache" if "cache" in _parameters else "past_key_values"  # its name before transformers 5.24


@dataclasses.dataclass(frozen=True)
class Generated:
    """The tokens generated for one row; the attributes are those of ``Answer``."""

    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    mean_logprob: float


def generate_tokens(
    llm: LlamaForCausalLM, embeddings: Tensor, mask: Tensor, options: GenerationOptions
) -> list[Generated]:
    """Continues each prompt of a batch up to the end token or the maximum length.

    Args:
        llm: the language model.
        embeddings: (batch, length, width), padded on the left.
        mask: (batch, length), zero for padding.
        options: generation options.

    Returns:
        One result per row, independent of the other rows.
    """
    recorder = TokenLogprobs()
    # Allocated at its final size: a growing cache would be copied at each step.
    cache = StaticCache(config=llm.config, max_cache_len=embeddings.shape[1] + options.max_new_tokens)
    ids = llm.generate(
        inputs_embeds=embeddings,
        attention_mask=mask,
        generation_config=_generation_config(llm, options),
        logits_processor=_processors(llm, options, recorder, embeddings.device),
        **{CACHE: cache},
    )  # (batch, produced), padded after a row's end token
    rows = [_until_end(row, llm.config.eos_token_id) for row in ids.tolist()]
    logprobs = score_tokens(llm, embeddings, mask, rows) if options.num_beams > 1 else recorder.finish(ids)
    return [_result(row, row_logprobs, llm) for row, row_logprobs in zip(rows, logprobs, strict=True)]


def score_tokens(llm: LlamaForCausalLM, embeddings: Tensor, mask: Tensor, rows: list[list[int]]) -> Tensor:
    """Computes the log-probabilities of given continuations, in one pass over prompt and continuation.

    Args:
        llm: the language model.
        embeddings: (batch, length, width), padded on the left.
        mask: (batch, length), zero for padding.
        rows: token ids of each prompt's continuation, not empty.

    Returns:
        (batch, longest continuation) float32; values beyond a row's own length are meaningless.
    """
    longest = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=embeddings.device)
    inputs = torch.cat([embeddings, llm.get_input_embeddings()(ids[:, :-1])], dim=1)
    attended = torch.cat([mask, torch.ones_like(ids[:, :-1])], dim=1)
    positions = (attended.cumsum(1) - 1).clamp(min=0)
    hidden = llm.model(
        inputs_embeds=inputs, attention_mask=attended, position_ids=positions, use_cache=False
    ).last_hidden_state
    # One row's logits at a time: (batch, longest, vocabulary) would be gigabytes for long answers.
    logits = (llm.lm_head(row[-longest:]) for row in hidden)
    return torch.stack([_logprobs(row, row_ids) for row, row_ids in zip(logits, ids, strict=True)])


class TokenLogprobs(LogitsProcessor):
    """A recorder of the log-probability of each chosen token in ``generate_tokens``; it changes no scores.

    A token is known only one step after its logits, so the logits of a single step are kept.
    """

    def __init__(self) -> None:
        self._logits: Tensor | None = None
        self._steps: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Records the token that the last step chose, and keeps this step's logits (batch, vocabulary)."""
        if self._logits is not None:
            self._steps.append(_logprobs(self._logits, input_ids[:, -1]))
        self._logits = scores
        return scores

    def finish(self, ids: Tensor) -> Tensor:
        """Records the last of the ids (batch, steps) and returns all log-probabilities (batch, steps) in float32."""
        assert self._logits is not None, "nothing was generated"
        return torch.stack([*self._steps, _logprobs(self._logits, ids[:, -1])], dim=1)


class Draw(LogitsProcessor):
    """Gumbel noise, the same for each row of the batch, which turns taking the likeliest token into sampling.

    Sampling thus needs no global random state, and a row's text does not depend on its neighbours.

    Args:
        seed: seed of the noise.
    """

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Adds noise to scores (batch, vocabulary)."""
        exponential = torch.empty(scores.shape[-1]).exponential_(generator=self._generator)
        return scores.float() - exponential.log().to(scores.device)


def _processors(
    llm: LlamaForCausalLM, options: GenerationOptions, recorder: TokenLogprobs, device: torch.device
) -> LogitsProcessorList:
    """Returns the logits processors in order; the recorder comes first, to see the model's own logits."""
    processors = LogitsProcessorList([recorder] if options.num_beams == 1 else [])
    if options.repetition_penalty != 1:
        processors.append(RepetitionPenaltyLogitsProcessor(options.repetition_penalty))
    if options.min_new_tokens:
        eos = llm.config.eos_token_id
        processors.append(MinNewTokensLengthLogitsProcessor(0, options.min_new_tokens, eos, device=str(device)))
    if options.temperature > 0:
        processors.append(TemperatureLogitsWarper(float(options.temperature)))
        if options.top_k:
            processors.append(TopKLogitsWarper(options.top_k))
        if options.top_p < 1:
            processors.append(TopPLogitsWarper(options.top_p))
        processors.append(Draw(options.seed))
    return processors


def _generation_config(llm: LlamaForCausalLM, options: GenerationOptions) -> GenerationConfig:
    sizes = llm.config
    return GenerationConfig(
        max_new_tokens=options.max_new_tokens,
        num_beams=options.num_beams,
        length_penalty=float(options.length_penalty) if options.num_beams > 1 else None,
        do_sample=False,
        disable_compile=True,  # a static cache would be compiled on a GPU, which takes minutes for each new shape
        bos_token_id=sizes.bos_token_id,
        eos_token_id=sizes.eos_token_id,
        pad_token_id=sizes.eos_token_id if sizes.pad_token_id is None else sizes.pad_token_id,
    )


def _until_end(row: list[int], eos: int) -> list[int]:
    return row[: row.index(eos) + 1] if eos in row else row


def _result(row: list[int], logprobs: Tensor, llm: LlamaForCausalLM) -> Generated:
    reason: FinishReason = "stop" if row[-1] == llm.config.eos_token_id else "length"
    return Generated(tuple(row), reason, logprobs[: len(row)].mean().item())


def _logprobs(logits: Tensor, ids: Tensor) -> Tensor:
    """Returns the log-probabilities (n,) of ids (n,) under logits (n, vocabulary)."""
    return logits.float().log_softmax(-1).gather(-1, ids[:, None]).squeeze(-1)
