"""The LLM: Llama with low-rank adapters, its tokenizers, and the splice of audio-visual tokens into the prompt."""

import dataclasses
import threading
from collections.abc import Sequence
from pathlib import Path

import torch
from peft import LoraConfig as PeftLoraConfig
from peft import inject_adapter_in_model
from torch import Tensor, nn
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from favor.models.favor.config import FavorConfig, LanguageConfig, LoraConfig, PromptConfig
from favor.models.favor.folder import LANGUAGE_TOKENIZER, QUESTION_TOKENIZER


def build_llm(config: LanguageConfig, lora: LoraConfig | None) -> LlamaForCausalLM:
    """Builds the LLM, with low-rank adapters on its attention unless ``lora`` is None.

    Peft renames an adapted ``q_proj.weight`` to ``q_proj.base_layer.weight`` and adds ``q_proj.lora_A.default.weight``.
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
    """The tokenizers of the LLM's prompt around the audio-visual tokens and of the image Q-Former's instruction.

    It is thread-safe: the tokenizers change their own state in each call, so calls take turns.

    Args:
        config: text of the prompt.
        language: tokenizer of the LLM.
        question: tokenizer of the image Q-Former, which is BERT's.
    """

    def __init__(
        self, config: PromptConfig, language: PreTrainedTokenizerBase, question: PreTrainedTokenizerBase
    ) -> None:
        self.config, self.language, self.question = config, language, question
        self.question.truncation_side = "left"
        self._lock = threading.Lock()

    def before_ids(self) -> list[int]:
        """Returns the ids before the audio-visual tokens, BOS included."""
        return [self.language.bos_token_id, *self._pieces([self.config.before])[0]]

    def after_ids(self, instructions: Sequence[str]) -> list[list[int]]:
        """Returns the ids after the audio-visual tokens, for each instruction."""
        return self._pieces([self.config.after.replace("{instruction}", text) for text in instructions])

    def question_ids(self, instructions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Returns the image Q-Former's ids (n, L) and their mask, padded on the right."""
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
        """Returns the ids of answers, each with its end token, as the LLM learns to produce them."""
        return [[*ids, self.language.eos_token_id] for ids in self._pieces(answers)]

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of produced tokens, without special tokens and surrounding space."""
        with self._lock:
            return self.language.decode(list(ids), skip_special_tokens=True).strip()

    def _pieces(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenises each piece by itself, so that each gets SentencePiece's leading space (spec section 3)."""
        with self._lock:
            return self.language(list(texts), add_special_tokens=False)["input_ids"]


def read_prompter(folder: Path, config: FavorConfig) -> Prompter:
    """Reads the two tokenizers of a model folder."""
    return Prompter(
        config.prompt,
        AutoTokenizer.from_pretrained(folder / LANGUAGE_TOKENIZER),
        AutoTokenizer.from_pretrained(folder / QUESTION_TOKENIZER),
    )


def splice(embed: nn.Module, before: Sequence[int], tokens: Tensor, after: Sequence[int]) -> Tensor:
    """Embeds two pieces of text and inserts audio-visual tokens (n, width) between them: (all tokens, width)."""
    text = embed(torch.tensor([*before, *after], device=tokens.device))  # (text tokens, width)
    return torch.cat([text[: len(before)], tokens.to(text.dtype), text[len(before) :]])


def pad_left(prompts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Stacks prompts of unequal length, padded with zeros on the left, as generation expects.

    Returns:
        (batch, longest, width), and the mask (batch, longest), zero for padding.
    """
    embeddings = nn.utils.rnn.pad_sequence(list(prompts), batch_first=True, padding_side="left")
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=embeddings.device)
    places = torch.arange(embeddings.shape[1], 0, -1, device=embeddings.device)  # counted from the end
    return embeddings, (places <= lengths[:, None]).long()
