"""A batch of examples becomes a loss, through the very prompt that generation uses."""

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from favor.features import Features
from favor.model import FavorModel
from favor.training.examples import Example
from favor.training.losses import IGNORED, answer_loss, diversity_loss


@dataclasses.dataclass(frozen=True)
class Losses:
    """What a batch costs.

    Attributes:
        answer: cross-entropy of the answers' tokens.
        diversity: of the coarse queries; zero for text alone.
    """

    answer: Tensor
    diversity: Tensor


class Objective(nn.Module):
    """The model as a function from examples to losses.

    Args:
        model: with tokenizers.
    """

    def __init__(self, model: FavorModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, examples: Sequence[Example]) -> Losses:
        """Computes the losses of a batch; a clip that is there several times is encoded once.

        Args:
            examples: all with a clip, or all without.
        """
        questions = [example.question for example in examples]
        if examples[0].clip is None:
            diversity = self.model.aligner.llm_proj.weight.new_zeros(())
            tokens = self._no_tokens(len(examples))
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

    def _no_tokens(self, count: int) -> list[Tensor]:
        weight = self.model.aligner.llm_proj.weight
        return [weight.new_zeros(0, len(weight))] * count

    def _answer_loss(self, prompts: Sequence[Tensor], answers: Sequence[Sequence[int]]) -> Tensor:
        """Reads prompts and answers, padded on the right, and predicts the answers."""
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
        learnt = wanted != IGNORED  # the vocabulary is projected where something is learnt only
        return answer_loss(llm.lm_head(hidden[learnt])[None], wanted[learnt][None])
