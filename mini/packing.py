"""All that is asked about scenes, laid out in rows that the LLM reads at once.

All questions to a scene share a row, in which they do not see each other: a scene's tokens pass once.
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

GROUPS = (STATIC, FINE, CAUSAL, *WORLD_TASKS)  # of questions: their kind, or else their task
ALIGNED = 8  # tokens of which a row is a multiple: what a GPU's attention reads at once
EVENNESS = 0.5  # 0 weighs all tokens alike, so that captions count most, and 1 all answers, be they long or short


@dataclasses.dataclass(frozen=True)
class Asked:
    """All that is asked about a scene.

    Attributes:
        questions: ids of each question, with all that follows the scene's tokens.
        answers: ids of each answer.
        groups: of each question, its place in ``GROUPS``.
    """

    questions: list[list[int]]
    answers: list[list[int]]
    groups: list[int]

    @classmethod
    def of(cls, items: Sequence[Item], prompter: Prompter) -> Self:
        """Writes items as ids."""
        questions = prompter.after_ids([item.question for item in items])
        answers = prompter.answer_ids([item.answer for item in items])
        return cls(questions, answers, [GROUPS.index(item.kind or item.task) for item in items])


@dataclasses.dataclass(frozen=True)
class PackedQuestions:
    """Scenes with all their questions and answers.

    Attributes:
        text: (rows, length) ids of the text's tokens; 0 where there is no text.
        spots: (tokens of all scenes,) the places of all rows, counted through, where they stand.
        scene: (rows, length) the number of the scene; -1 for padding.
        segment: (rows, length) 0 for the scene's tokens, and then the number of the question.
        place: (rows, length) the position that each token has; each question follows the scene at once.
        learnt: (targets,) the places, counted likewise, after which a token of an answer is to be told.
        wanted: (targets,) the id of that token.
        question: (targets,) the number of its question, counted over all scenes.
        groups: (questions,) places in ``GROUPS``.
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
        """A copy on a device."""
        return each_tensor(self, lambda tensor: tensor.to(device))


def each_tensor(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A copy of a tensor, or of a dataclass of tensors and such dataclasses, with each tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    fields = {field.name: each_tensor(getattr(value, field.name), change) for field in dataclasses.fields(value)}
    return type(value)(**fields)


Lines = NDArray[np.int64]  # (5, length): text, token, segment, place and target


def lay_out(counts: Sequence[int], asked: Sequence[Asked], before: Sequence[int]) -> PackedQuestions:
    """Lays scenes out.

    Args:
        counts: tokens of each scene.
        asked: what is asked about each.
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
    """Lays pieces into rows no longer than the longest piece, the long ones first: the places of each row's pieces."""
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
    """Which places may see which: earlier ones of the same question, and of the scene that it is about.

    Args:
        scene: (rows, length) the number of the scene, -1 for padding.
        segment: (rows, length) 0 for the scene itself, and then the number of the question.

    Returns:
        (rows, length, length) bool.
    """
    earlier = torch.ones(scene.shape[1], scene.shape[1], dtype=torch.bool, device=scene.device).tril()
    same_scene = scene[:, :, None] == scene[:, None, :]
    same_segment = (segment[:, None, :] == 0) | (segment[:, :, None] == segment[:, None, :])
    return earlier & same_scene & same_segment


@dataclasses.dataclass(frozen=True)
class PackedResult:
    """What the LLM said.

    Attributes:
        loss: the cross-entropy of the answers' tokens.
        right: (questions,) bool, whether greedy decoding would give the very answer: each of its tokens is the
            likeliest one after those before it.
    """

    loss: Tensor
    right: Tensor


class PackedLoss(nn.Module):
    """The loss of what the LLM says of scenes, of each of which much is asked.

    Args:
        model: of which the LLM and the projection to it are used.
        evenness: see ``EVENNESS``.
    """

    def __init__(self, model: FavorModel, evenness: float = EVENNESS) -> None:
        super().__init__()
        self.model, self.evenness = model, evenness

    def forward(self, tokens: Tensor, rows: PackedQuestions) -> PackedResult:
        """Reads all rows.

        Args:
            tokens: (tokens of all scenes, width of the causal Q-Former).
            rows: in which they stand.
        """
        llm = self.model.llm
        text = llm.get_input_embeddings()(rows.text)
        seen = self.model.aligner.llm_proj(tokens).to(text.dtype)
        text = text.flatten(0, 1).index_copy(0, rows.spots, seen).view(text.shape)
        mask = visible(rows.scene, rows.segment)[:, None]
        output = llm.model(inputs_embeds=text, attention_mask=mask, position_ids=rows.place, use_cache=False)
        logits = llm.lm_head(output.last_hidden_state.flatten(0, 1).index_select(0, rows.learnt)).float()
        losses = F.cross_entropy(logits, rows.wanted, reduction="none")
        told = torch.stack([torch.ones_like(losses), (logits.argmax(-1) != rows.wanted).float()], dim=1)
        lengths, wrong = told.new_zeros(len(rows.groups), 2).index_add(0, rows.question, told).unbind(1)
        weights = lengths[rows.question] ** -self.evenness
        return PackedResult((losses * weights).sum() / weights.sum(), wrong == 0)
