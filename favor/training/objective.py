"""The losses of a batch of examples, computed on the same prompts as in generation."""

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from favor.models.favor.features import Features
from favor.models.favor.model import FavorModel
from favor.training.examples import Example


@dataclasses.dataclass(frozen=True)
class Losses:
    """The losses of a batch.

    Attributes:
        answer: cross-entropy of the answers' tokens.
        diversity: diversity loss of the coarse queries; zero for text alone.
    """

    answer: Tensor
    diversity: Tensor


class Objective(nn.Module):
    """The model as a function from examples to losses.

    Args:
        model: model with tokenizers.
    """

    def __init__(self, model: FavorModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, examples: Sequence[Example]) -> Losses:
        """Computes the losses of a batch; a clip that occurs several times is encoded once.

        Args:
            examples: examples that all have a clip, or all have none.
        """
        questions = [example.question for example in examples]
        if examples[0].clip is None:
            diversity = self.model.aligner.llm_proj.weight.new_zeros(())
            tokens = [self.model.no_tokens()] * len(examples)
        else:
            tokens, diversity = self._look_and_listen(examples, questions)
        prompts = self.model.splice(tokens, questions)
        answers = self.model.prompter.answer_ids([example.answer for example in examples])
        return Losses(self._answer_loss(prompts, answers), diversity)

    def _look_and_listen(self, examples: Sequence[Example], questions: Sequence[str]) -> tuple[list[Tensor], Tensor]:
        aligner = self.model.aligner
        windows = [aligner.frames(seen) for seen in self.model.modalities(self._features(examples), questions)]
        outputs = aligner.query(windows)
        return aligner.tokens(outputs, windows), diversity_loss(outputs[0].float())

    def _features(self, examples: Sequence[Example]) -> list[Features]:
        clips = {id(example.clip): example.clip for example in examples if example.clip is not None}
        features = dict(zip(clips, self.model.perceive(list(clips.values())), strict=True))
        return [features[id(example.clip)] for example in examples]

    def _answer_loss(self, prompts: Sequence[Tensor], answers: Sequence[Sequence[int]]) -> Tensor:
        """Computes the loss of answers after their prompts, padded on the right."""
        llm = self.model.llm
        embed = llm.get_input_embeddings()
        ids = [torch.tensor(answer, device=prompts[0].device) for answer in answers]
        rows = [torch.cat([prompt, embed(i[:-1])]) for prompt, i in zip(prompts, ids, strict=True)]
        targets = [
            torch.cat([i.new_full((len(prompt) - 1,), IGNORED), i]) for prompt, i in zip(prompts, ids, strict=True)
        ]
        inputs = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        wanted = nn.utils.rnn.pad_sequence(targets, batch_first=True, padding_value=IGNORED)
        lengths = torch.tensor([len(row) for row in rows], device=inputs.device)
        mask = (torch.arange(inputs.shape[1], device=inputs.device) < lengths[:, None]).long()
        hidden = llm.model(inputs_embeds=inputs, attention_mask=mask, use_cache=False).last_hidden_state
        learnt = wanted != IGNORED  # only learnt positions are projected to the vocabulary
        return answer_loss(llm.lm_head(hidden[learnt])[None], wanted[learnt][None])


COSINE_EPS = 1e-9
IGNORED = -100  # a target that is not learnt


def answer_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Computes the mean cross-entropy over the tokens of answers, end tokens included (spec section 6).

    Args:
        logits: (batch, length, vocabulary), predictions of the token after each position.
        targets: (batch, length), the token after each position, ``IGNORED`` where it belongs to no answer.

    Returns:
        A scalar, in nats.
    """
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED)


def diversity_loss(queries: Tensor) -> Tensor:
    """Computes the mean cosine between different queries of one block (spec section 6).

    Args:
        queries: (blocks, queries, width), the causal Q-Former's output before the projection to the LLM; with several
            resolutions, only that of the coarsest.

    Returns:
        A scalar, to be minimised.

    Raises:
        ValueError: if a block has fewer than two queries.
    """
    blocks, count, _ = queries.shape
    if count < 2:
        raise ValueError(f"the diversity loss compares queries of one block; got {count}, needs 2 or more")
    norms = queries.norm(dim=-1)  # (blocks, queries)
    cosines = queries @ queries.mT / (norms[:, :, None] * norms[:, None, :] + COSINE_EPS)
    others = ~torch.eye(count, dtype=torch.bool, device=queries.device)
    return cosines[:, others].sum() / (blocks * count * (count - 1))
