"""Packing of scenes and their questions into rows for the LLM.

All questions about a scene share a row, masked from each other, so that the scene's tokens are processed once.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from favor.models.favor.language import Prompter
from favor.models.favor.model import FavorModel
from favor.synthetic import WORLD_TASKS, Item
from favor.synthetic.questions.items import CAUSAL, FINE, STATIC
from favor.training.objective import IGNORED

GROUPS = (STATIC, FINE, CAUSAL, *WORLD_TASKS)  # groups of questions: by kind, or else by task
ALIGNED = 8  # row lengths are multiples of this, for a GPU's attention kernels
EVENNESS = 0.5  # 0 weights all tokens equally, so that captions dominate; 1 weights all answers equally


@dataclasses.dataclass(frozen=True)
class Asked:
    """The tokenized questions about a scene.

    Attributes:
        questions: ids of each question, with all text after the scene's tokens.
        answers: ids of each answer.
        groups: index in ``GROUPS`` of each question.
    """

    questions: list[list[int]]
    answers: list[list[int]]
    groups: list[int]

    @classmethod
    def of(cls, items: Sequence[Item], prompter: Prompter) -> Self:
        """Tokenizes items."""
        questions = prompter.after_ids([item.question for item in items])
        answers = prompter.answer_ids([item.answer for item in items])
        return cls(questions, answers, [GROUPS.index(item.kind or item.task) for item in items])


@dataclasses.dataclass(frozen=True)
class PackedQuestions:
    """Scenes with all their questions and answers.

    Attributes:
        text: (rows, length) ids of the text's tokens; 0 where there is no text.
        spots: (tokens of all scenes,) index of each token in the flattened rows.
        scene: (rows, length) number of the scene; -1 for padding.
        segment: (rows, length) 0 for the scene's tokens, otherwise the number of the question from 1.
        place: (rows, length) position of each token; every question directly follows its scene.
        learnt: (targets,) indices in the flattened rows from which the next token of an answer is predicted.
        wanted: (targets,) id of that token.
        question: (targets,) number of its question, counted over all scenes.
        groups: (questions,) indices in ``GROUPS``.
    """

    text: Tensor
    spots: Tensor
    scene: Tensor
    segment: Tensor
    place: Tensor
    learnt: Tensor
    wanted: Tensor
    question: Tensor
    groups: Tensor

    def to(self, device: torch.device) -> Self:
        """Returns a copy on a device."""
        return each_tensor(self, lambda tensor: tensor.to(device))


def each_tensor(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Returns a copy of a tensor, or of a possibly nested dataclass of tensors, with each tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    fields = {field.name: each_tensor(getattr(value, field.name), change) for field in dataclasses.fields(value)}
    return type(value)(**fields)


Lines = NDArray[np.int64]  # (5, length): text, token, segment, place and target


def lay_out(counts: Sequence[int], asked: Sequence[Asked], before: Sequence[int]) -> PackedQuestions:
    """Packs scenes and their questions into rows.

    Args:
        counts: number of tokens of each scene.
        asked: questions about each scene.
        before: ids of the text before a scene's tokens.
    """
    firsts = np.cumsum([0, *counts])
    lines = [_lay_out(*one, before) for one in zip(firsts[:-1].tolist(), counts, asked, strict=True)]
    rows = pack([line.shape[1] for line in lines])
    length = max(sum(lines[place].shape[1] for place in row) for row in rows)
    length += -length % ALIGNED
    filled = np.empty((6, len(rows), length), np.int64)
    filled[:] = np.array([0, -1, -1, 0, IGNORED, -1])[:, None, None]
    questions = np.cumsum([0, *(len(one.questions) for one in asked)])
    scenes = np.full((len(rows), length), -1, np.int64)
    for number, row in enumerate(rows):
        end = 0
        for place in row:
            start, end = end, end + lines[place].shape[1]
            filled[:5, number, start:end] = lines[place]
            filled[5, number, start:end] = questions[place] + lines[place][2] - 1
            scenes[number, start:end] = place
    text, token, segment, position, target, question = torch.from_numpy(filled)
    spots = token.flatten().argsort(stable=True)[(token < 0).sum() :]
    learnt = (target.flatten() != IGNORED).nonzero().flatten()
    wanted, numbers = target.flatten()[learnt], question.flatten()[learnt]
    groups = torch.tensor([group for one in asked for group in one.groups])
    return PackedQuestions(text, spots, torch.from_numpy(scenes), segment, position, learnt, wanted, numbers, groups)


def _lay_out(first: int, count: int, asked: Asked, before: Sequence[int]) -> Lines:
    prefix = len(before) + count
    ids = [question + answer[:-1] for question, answer in zip(asked.questions, asked.answers, strict=True)]
    wanted = [[IGNORED] * (len(q) - 1) + a for q, a in zip(asked.questions, asked.answers, strict=True)]
    lengths = [prefix, *map(len, ids)]
    text = np.concatenate([before, np.zeros(count, np.int64), *ids]).astype(np.int64)
    token = np.full(len(text), -1)
    token[len(before) : prefix] = first + np.arange(count)
    target = np.concatenate([np.full(prefix, IGNORED), *wanted]).astype(np.int64)
    place = np.concatenate([np.arange(prefix), *(prefix + np.arange(length) for length in lengths[1:])])
    return np.stack([text, token, np.repeat(np.arange(len(lengths)), lengths), place, target])


def pack(lengths: list[int]) -> list[list[int]]:
    """Packs pieces, longest first, into rows as long as the longest piece; returns the indices of each row's pieces."""
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    rows: list[list[int]] = []
    free: list[int] = []
    for place in order:
        row = next((row for row, space in enumerate(free) if space >= lengths[place]), len(rows))
        if row == len(rows):
            rows.append([])
            free.append(lengths[order[0]])
        rows[row].append(place)
        free[row] -= lengths[place]
    return rows


def visible(scene: Tensor, segment: Tensor) -> Tensor:
    """Returns the attention mask: each token sees earlier tokens of its scene and of its own question.

    Args:
        scene: (rows, length) number of the scene; -1 for padding.
        segment: (rows, length) 0 for the scene itself, otherwise the number of the question from 1.

    Returns:
        (rows, length, length) bool.
    """
    earlier = torch.ones(scene.shape[1], scene.shape[1], dtype=torch.bool, device=scene.device).tril()
    same_scene = scene[:, :, None] == scene[:, None, :]
    same_segment = (segment[:, None, :] == 0) | (segment[:, :, None] == segment[:, None, :])
    return earlier & same_scene & same_segment


@dataclasses.dataclass(frozen=True)
class PackedResult:
    """The LLM's results for packed questions.

    Attributes:
        loss: cross-entropy of the answers' tokens.
        right: (questions,) bool, whether greedy decoding would give exactly the answer: each of its tokens is the
            most likely one after those before it.
    """

    loss: Tensor
    right: Tensor


class PackedLoss(nn.Module):
    """The LLM's loss on packed questions about scenes.

    Args:
        model: the model whose LLM and projection are used.
        evenness: weighting of long and short answers, as in ``EVENNESS``.
    """

    def __init__(self, model: FavorModel, evenness: float = EVENNESS) -> None:
        super().__init__()
        self.model, self.evenness = model, evenness

    def forward(self, tokens: Tensor, rows: PackedQuestions) -> PackedResult:
        """Computes the loss of all rows.

        Args:
            tokens: (tokens of all scenes, width of the causal Q-Former).
            rows: the packed scenes and questions.
        """
        llm = self.model.llm
        text = llm.get_input_embeddings()(rows.text)
        seen = self.model.aligner.llm_proj(tokens).to(text.dtype)
        text = text.flatten(0, 1).index_copy(0, rows.spots, seen).view(text.shape)
        mask = visible(rows.scene, rows.segment)[:, None]
        output = llm.model(inputs_embeds=text, attention_mask=mask, position_ids=rows.place, use_cache=False)
        logits = llm.lm_head(output.last_hidden_state.flatten(0, 1).index_select(0, rows.learnt)).float()
        losses = F.cross_entropy(logits, rows.wanted, reduction="none")
        pairs = torch.stack([torch.ones_like(losses), (logits.argmax(-1) != rows.wanted).float()], dim=1)
        lengths, wrong = pairs.new_zeros(len(rows.groups), 2).index_add(0, rows.question, pairs).unbind(1)
        weights = lengths[rows.question] ** -self.evenness
        return PackedResult((losses * weights).sum() / weights.sum(), wrong == 0)
