"""Teaches the LLM to tell what is true: facts stand where the tokens of a clip will stand.

A language model that starts from nothing learns so much cheaper than through encoders that have not learnt to see:
what it says of a clip needs no clip. Afterwards the causal Q-Former learns to make these very tokens (``perceiving``).

Run it as ``python -m favor.training.pretraining.telling MODEL_FOLDER OUTPUT``. With ``--first`` it goes on from an
earlier output, whose codes then stay as they are: the Q-Formers may be learning to make them.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from favor.checkpoints import write_folder
from favor.config import FavorConfig
from favor.language import Prompter
from favor.model import FavorModel
from favor.synthetic import SPLITS, TASKS, Item
from favor.synthetic.world import ask_more, write_for
from favor.training.losses import IGNORED
from favor.training.pretraining.facts import HALF_SECONDS, KINDS, NAMES, PLACES, Facts, scene_facts
from favor.training.pretraining.loop import Course, Measures, course_parser, learn
from favor.training.sources import LARGEST_INDEX, batch_generator
from favor.weights.make_initial import waves

CODES_FILE = Path("codes") / "codes.safetensors"  # in a folder of its own, since it is no weight of the model
SHARES = dict.fromkeys(TASKS, 1.0) | {"video_qa": 3.0, "asr": 2.0, "caption": 2.0, "avsr": 1.5, "avsd": 1.5}
ROUNDS = 5  # of further questions to each scene, since order, place and cause take many examples to learn
TABLES = 5.0  # times the rate of the rest: of embeddings, each row of which is met rarely
STREAM = 1  # the batches of seeing are stream 0


class FactCodes(nn.Module):
    """Facts as a token: the sum of a code for each, normalised as the causal Q-Former's output is.

    At first nothing adds nothing.

    Args:
        width: of the causal Q-Former.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        counts = torch.tensor([0, *KINDS.values()])
        self.offsets = counts.cumsum(0)[:-1]  # where the codes of each kind begin
        self.codes = nn.Embedding(int(counts.sum()), width)
        self.base = nn.Parameter(torch.randn(width))
        with torch.no_grad():
            self.codes.weight[self.offsets] = 0.0
            first = int(self.offsets[PLACES["half_second"]]) + 1
            self.codes.weight[first : first + HALF_SECONDS] = waves(torch.arange(HALF_SECONDS), width)

    def forward(self, facts: Tensor) -> Tensor:
        """Codes facts (..., kinds) as (..., width)."""
        return F.layer_norm(self.base + self.codes(facts + self.offsets).sum(-2), self.base.shape)


def name_codes(codes: FactCodes, model: FavorModel) -> None:
    """Starts the codes of what has a name near the LLM's embedding of that name, and the projection with them.

    To find what a question names, and to say what is found there, is then the same for all words, and is learnt once.
    """
    embeddings = model.llm.get_input_embeddings().weight
    projection, _ = torch.linalg.qr(torch.randn(embeddings.shape[1], codes.codes.weight.shape[1]))
    with torch.no_grad():
        model.aligner.llm_proj.weight.copy_(projection)
        model.llm.lm_head.weight.copy_(embeddings * embeddings.shape[1] ** -0.5)
        for start, names in zip(codes.offsets.tolist(), NAMES.values(), strict=True):
            for value, ids in enumerate(model.prompter.answer_ids(names) if names else ()):
                if len(ids) == 2:  # one token and the end
                    codes.codes.weight[start + 1 + value] += embeddings[ids[0]] @ projection


def let_attend(model: FavorModel) -> None:
    """Starts the LLM's attention as looking for what is alike and handing it on (Trockman and Kolter 2023)."""
    with torch.no_grad():
        for layer in model.llm.model.layers:
            attention = layer.self_attn
            query, key, value, out = (
                module.get_base_layer().weight if hasattr(module, "get_base_layer") else module.weight
                for module in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj)
            )
            key.copy_((key + query) * 2**-0.5)
            out.copy_((out + value.T) * 2**-0.5)


def load_codes(folder: Path, width: int) -> FactCodes:
    """Reads the codes that ``telling`` wrote beside a model."""
    codes = FactCodes(width)
    codes.load_state_dict(load_file(folder / CODES_FILE))
    return codes


@dataclasses.dataclass(frozen=True)
class Asked:
    """All that is asked about a clip.

    Attributes:
        questions: ids of each question, with all that follows the clip's tokens.
        answers: ids of each answer.
    """

    questions: list[list[int]]
    answers: list[list[int]]

    @classmethod
    def of(cls, items: Sequence[Item], prompter: Prompter) -> Self:
        """Writes items as ids."""
        questions = prompter.after_ids([item.question for item in items])
        return cls(questions, prompter.answer_ids([item.answer for item in items]))


class Tales:
    """Batches of scenes, each a function of its number: what is true of their tokens, and what is asked."""

    def __init__(self, prompter: Prompter, config: FavorConfig, scenes: int) -> None:
        self.prompter, self.config, self.scenes = prompter, config, scenes
        self.chances = np.array(list(SHARES.values())) / sum(SHARES.values())

    def __getitem__(self, number: int) -> list[tuple[Facts, Asked]]:
        """Writes a batch."""
        generator = batch_generator(SPLITS["train"], STREAM, number)
        return [self._tell(generator) for _ in range(self.scenes)]

    def _tell(self, generator: np.random.Generator) -> tuple[Facts, Asked]:
        task = str(generator.choice(list(SHARES), p=self.chances))
        scene, items = write_for(np.random.default_rng((SPLITS["train"], int(generator.integers(LARGEST_INDEX)))), task)
        facts = scene_facts(scene, scene, self.config)
        return facts.reshape(-1, facts.shape[-1]), Asked.of(ask_more(generator, scene, items, ROUNDS), self.prompter)


class Teller(nn.Module):
    """The loss of what the LLM says of clips, of each of which much is asked.

    All questions to a clip share one row, in which they do not see each other: a clip's tokens pass once.

    Args:
        model: of which the LLM and the projection to it are used.
        evenness: 0 weighs all tokens alike, so that captions count most, and 1 all answers, be they long or short.
    """

    def __init__(self, model: FavorModel, evenness: float = 0.5) -> None:
        super().__init__()
        self.model, self.evenness = model, evenness

    def forward(self, tokens: Sequence[Tensor], asked: Sequence[Asked]) -> tuple[Tensor, Tensor]:
        """Computes the loss.

        Args:
            tokens: (tokens, width of the causal Q-Former) of each clip.
            asked: what is asked about each.

        Returns:
            The cross-entropy of the answers' tokens, and the share of them that is told right.
        """
        logits, wanted, question = self._read(tokens, asked)
        right = (logits.argmax(-1) == wanted).float().mean()
        weights = question.bincount()[question].float() ** -self.evenness
        losses = F.cross_entropy(logits, wanted, reduction="none")
        return (losses * weights).sum() / weights.sum(), right

    def told(self, tokens: Sequence[Tensor], asked: Sequence[Asked]) -> list[list[bool]]:
        """Returns for each question to each clip whether greedy decoding would give the very answer.

        It does where each token of the answer is the likeliest one after those before it.
        """
        logits, wanted, question = self._read(tokens, asked)
        counts = [len(one.questions) for one in asked]
        wrong = torch.zeros(sum(counts), dtype=torch.long).index_add(0, question, (logits.argmax(-1) != wanted).long())
        return [(part == 0).tolist() for part in wrong.split(counts)]

    def _read(self, tokens: Sequence[Tensor], asked: Sequence[Asked]) -> tuple[Tensor, Tensor, Tensor]:
        """Reads all rows: logits and wanted ids of all answers' tokens, and the number of the question of each."""
        llm = self.model.llm
        pieces = [self._lay_out(*pair) for pair in zip(tokens, asked, strict=True)]
        rows = pack([len(piece.target) for piece in pieces])
        firsts = torch.tensor([0, *(len(one.questions) for one in asked)]).cumsum(0)

        def fill(value: Callable[[int], Tensor], padding: int) -> Tensor:
            return nn.utils.rnn.pad_sequence(
                [torch.cat([value(p) for p in row]) for row in rows], batch_first=True, padding_value=padding
            )

        inputs, place = fill(lambda p: pieces[p].inputs, 0), fill(lambda p: pieces[p].place, 0)
        target, segment = fill(lambda p: pieces[p].target, IGNORED), fill(lambda p: pieces[p].segment, -1)
        scene = fill(lambda p: torch.full_like(pieces[p].place, p), -1)
        mask = visible(scene, segment)[:, None]
        output = llm.model(inputs_embeds=inputs, attention_mask=mask, position_ids=place, use_cache=False)
        learnt = target != IGNORED
        question = firsts[scene[learnt]] + segment[learnt] - 1
        return llm.lm_head(output.last_hidden_state[learnt]), target[learnt], question

    def _lay_out(self, tokens: Tensor, asked: Asked) -> "Piece":
        before, embed = torch.tensor(self.model.prompter.before_ids()), self.model.llm.get_input_embeddings()
        prefix = len(before) + len(tokens)
        pairs = list(zip(asked.questions, asked.answers, strict=True))
        ids = [torch.tensor(question + answer[:-1]) for question, answer in pairs]
        wanted = [torch.tensor([IGNORED] * (len(question) - 1) + answer) for question, answer in pairs]
        counts = torch.tensor([prefix, *map(len, ids)])
        return Piece(
            torch.cat([embed(before), self.model.aligner.llm_proj(tokens), *map(embed, ids)]),
            torch.cat([torch.full((prefix,), IGNORED), *wanted]),
            torch.arange(len(counts)).repeat_interleave(counts),
            torch.cat([torch.arange(prefix), *(prefix + torch.arange(len(i)) for i in ids)]),
        )


@dataclasses.dataclass(frozen=True)
class Piece:
    """A scene with all its questions and answers in one line.

    Attributes:
        inputs: (length, width).
        target: (length,) the token that is to be told after each place, or ``IGNORED``.
        segment: (length,) 0 for the clip's tokens, and then the number of the question.
        place: (length,) the position that each token has; each question follows the clip at once.
    """

    inputs: Tensor
    target: Tensor
    segment: Tensor
    place: Tensor


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
    """Which places may see which: earlier ones of the same question, and of the clip that it is about.

    Args:
        scene: (rows, length) the number of the scene, -1 for padding.
        segment: (rows, length) 0 for the clip itself, and then the number of the question.

    Returns:
        (rows, length, length) bool.
    """
    earlier = torch.ones(scene.shape[1], scene.shape[1], dtype=torch.bool, device=scene.device).tril()
    same_scene = scene[:, :, None] == scene[:, None, :]
    same_segment = (segment[:, None, :] == 0) | (segment[:, :, None] == segment[:, None, :])
    return earlier & same_scene & same_segment


def teach(model: FavorModel, codes: FactCodes, tales: Tales, course: Course) -> bool:
    """Trains the LLM; from the first batch of all on also its projection and the codes."""
    teller = Teller(model)
    model.requires_grad_(False)
    codes.requires_grad_(False)
    parts = (model.llm,) if course.first else (model.llm, model.aligner.llm_proj, codes)
    tables = [model.llm.get_input_embeddings().weight, *([] if course.first else [codes.codes.weight])]
    rest = [p for part in parts for p in part.parameters() if all(p is not table for table in tables)]

    def cost(number: int) -> tuple[Tensor, Measures]:
        facts, asked = zip(*tales[number], strict=True)
        loss, right = teller([codes(torch.from_numpy(one)) for one in facts], asked)
        return loss, {"tokens right": (right.item(), 1)}

    return learn(cost, [(rest, 1.0), (tables, TABLES)], course)


def main() -> None:
    """Reads a model folder, teaches its LLM and writes another one, with the codes beside it."""
    options = course_parser(__doc__, steps=3000, batch=8, rate=1.5e-3).parse_args()
    model = FavorModel.from_pretrained(options.model, device="cpu", dtype="float32")
    torch.manual_seed(0)
    if options.first:
        codes = load_codes(options.model, model.config.causal_qformer.hidden_size)
    else:
        codes = FactCodes(model.config.causal_qformer.hidden_size)
        name_codes(codes, model)
        let_attend(model)
    if teach(model, codes, Tales(model.prompter, model.config, options.batch), Course.of(options)):
        write_folder(model, model.config, model.prompter, options.output)
        (options.output / CODES_FILE).parent.mkdir(exist_ok=True)
        save_file(codes.state_dict(), options.output / CODES_FILE)


if __name__ == "__main__":
    main()
