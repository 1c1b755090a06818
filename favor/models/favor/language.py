"""The LLM: Llama with low-rank adapters, its tokenizers, and the splice of audio-visual tokens into the prompt."""

import dataclasses
import threading
from collections.abc import Sequence

import torch
from peft import LoraConfig as PeftLoraConfig
from peft import inject_adapter_in_model
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from favor.models.favor.config import LanguageConfig, LoraConfig, PromptConfig


def build_llm(config: LanguageConfig, lora: LoraConfig | None) -> LlamaForCausalLM:
    """Builds the LLM, with adapters on its attention if there are any.

    Peft keeps an adapted ``q_proj.weight`` under ``q_proj.base_layer.weight``, beside ``q_proj.lora_A.default.weight``.
    """
    sizes = dataclasses.asdict(config)
    rope = {"rope_type": "default", "rope_theta": sizes.pop("rope_theta")}
    llm = LlamaForCausalLM(LlamaConfig(**sizes, rope_parameters=rope))
    if lora is None:
        return llm
    adapters = PeftLoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=list(lora.targets)
    )
    return inject_adapter_in_model(adapters, llm)


class Prompter:
    """Turns text into ids: the LLM's prompt around the audio-visual tokens, and the image Q-Former's instruction.

    Threads may share it: the tokenizers change their own state at each call, so calls take turns.

    Args:
        config: the prompt's text.
        language: the LLM's tokenizer.
        question: the image Q-Former's, BERT's.
    """

    def __init__(
        self, config: PromptConfig, language: PreTrainedTokenizerBase, question: PreTrainedTokenizerBase
    ) -> None:
        self.config, self.language, self.question = config, language, question
        self.question.truncation_side = "left"
        self._lock = threading.Lock()

    def before_ids(self) -> list[int]:
        """BOS and what precedes the audio-visual tokens."""
        return [self.language.bos_token_id, *self._pieces([self.config.before])[0]]

    def after_ids(self, instructions: Sequence[str]) -> list[list[int]]:
        """What follows the audio-visual tokens, for each instruction."""
        return self._pieces([self.config.after.replace("{instruction}", text) for text in instructions])

    def question_ids(self, instructions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """The image Q-Former's ids (n, L) and their mask, padded on the right."""
        with self._lock:
            encoded = self.question(
                list(instructions),
                padding=True,
                truncation=True,
                max_length=self.config.max_question_tokens,
                return_tensors="pt",
            )
        return encoded["input_ids"], encoded["attention_mask"]

    def answer_ids(self, answers: Sequence[str]) -> list[list[int]]:
        """What the LLM learns to say, each with its end token."""
        return [[*ids, self.language.eos_token_id] for ids in self._pieces(answers)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of produced tokens, without special ones and surrounding space."""
        with self._lock:
            return self.language.decode(list(ids), skip_special_tokens=True).strip()

    def _pieces(self, texts: Sequence[str]) -> list[list[int]]:
        """Each piece is tokenised by itself, so each gets SentencePiece's leading space (spec section 3)."""
        with self._lock:
            return self.language(list(texts), add_special_tokens=False)["input_ids"]


def splice(embed: nn.Module, before: Sequence[int], tokens: Tensor, after: Sequence[int]) -> Tensor:
    """Puts audio-visual tokens (n, width) between two pieces of text: (all tokens, width)."""
    text = embed(torch.tensor([*before, *after], device=tokens.device))  # (text tokens, width)
    return torch.cat([text[: len(before)], tokens.to(text.dtype), text[len(before) :]])


def pad_left(prompts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Stacks prompts of unequal length, padded with zeros on the left, where generation expects it.

    Returns:
        (batch, longest, width), and (batch, longest) with one where a prompt is.
    """
    embeddings = nn.utils.rnn.pad_sequence(list(prompts), batch_first=True, padding_side="left")
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=embeddings.device)
    places = torch.arange(embeddings.shape[1], 0, -1, device=embeddings.device)  # counted from the end
    return embeddings, (places <= lengths[:, None]).long()
