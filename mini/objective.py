"""The training loss of a batch of scenes: answering from facts, perceiving the facts, and both combined."""

import dataclasses
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from favor.models.favor.aligner import audio_frames
from favor.models.favor.encoders.visual import normalise
from favor.models.favor.model import FavorModel
from mini.batches import Batch, Clips
from mini.fact_tokens import FactCodes
from mini.facts import KINDS, LONGEST_SIGN
from mini.loop import Measures
from mini.packing import GROUPS, PackedLoss, PackedQuestions, PackedResult
from mini.patch_labels import CLASSES

TAUGHT_FILE = Path("taught") / "taught.safetensors"  # in a separate folder, since these are not weights of the model
NOTHING = 0.02  # weight of labels that say that nothing is there
FACT_WEIGHTS = (
    {"word": 10.0, "happening": 8.0, "outcome": 4.0}
    | {f"{whose}_{look}": 4.0 for whose in ("own", "other") for look in ("colour", "shape")}
    | {f"letter{place}": 2.0 for place in range(LONGEST_SIGN)}
    | {f"{look}{column}": 2.0 for look in ("shape", "colour") for column in range(3)}
)
PATCH_WEIGHTS = {"shape": 4.0}  # colours are learnt immediately, shapes take longest
CODES = 2.0  # weight of the distance to the encoded facts
PERCEPTION = 2.0  # weight of the perception loss, relative to the answer loss
SHARPNESS = 0.2  # scale of the logits when facts are recognised by their codes
GRAIN = 0.08  # most noise added to a picture, in units of normalised pixels
REPORTED = ("shape1", "colour1", "word", "sound_bell", "happening", "own_colour", "other_shape", "letter2")


class Grouped(nn.Module):
    """The summed cross-entropy of several kinds of labels, with a low weight for the frequent label "nothing".

    Args:
        sizes: number of classes of each kind; class 0 is nothing.
        weights: weights of kinds other than 1.
    """

    member: Tensor
    offsets: Tensor
    weights: Tensor

    def __init__(self, sizes: dict[str, int], weights: dict[str, float]) -> None:
        super().__init__()
        counts = torch.tensor(list(sizes.values()))
        ends = counts.cumsum(0).tolist()
        self.total, self.spans = ends[-1], dict(zip(sizes, zip([0, *ends], ends, strict=False), strict=True))
        kinds = torch.arange(len(counts)).repeat_interleave(counts)
        shares = torch.tensor([weights.get(name, 1.0) for name in sizes])
        self.register_buffer("member", F.one_hot(kinds).float(), persistent=False)  # (classes of all kinds, kinds)
        self.register_buffer("offsets", counts.cumsum(0) - counts, persistent=False)
        self.register_buffer("weights", shares / shares.sum(), persistent=False)

    def forward(self, logits: Tensor, wanted: Tensor) -> Tensor:
        """Returns the loss of logits (n, classes of all kinds) for target labels (n, kinds)."""
        logits, wanted = logits.float(), wanted.long()
        highest = logits.detach().amax(-1, keepdim=True)
        with torch.autocast(logits.device.type, enabled=False):  # the sums need full precision
            sums = ((logits - highest).exp() @ self.member).clamp(min=1e-30).log() + highest  # (n, kinds)
        losses = sums - logits.gather(-1, wanted + self.offsets)
        shares = torch.where(wanted > 0, 1.0, NOTHING)
        return ((losses * shares).sum(0) / shares.sum(0) * self.weights).sum()

    def right(self, logits: Tensor, wanted: Tensor, name: str) -> tuple[Tensor, Tensor]:
        """Counts the correct predictions and all labels of a kind, leaving out "nothing"."""
        labels = wanted[:, list(self.spans).index(name)]
        predicted, there = logits[:, slice(*self.spans[name])].argmax(-1), labels > 0
        return ((predicted == labels) & there).sum(), there.sum()


@dataclasses.dataclass(frozen=True)
class Perceived:
    """The model's representations of a batch of clips.

    Attributes:
        patches: (frames, patches, ViT width) the ViT's output.
        slots: (frames, slots, hidden) the image Q-Former's output.
        tokens: (blocks, queries, hidden) the causal Q-Former's output.
    """

    patches: Tensor
    slots: Tensor
    tokens: Tensor


def perceive(model: FavorModel, clips: Clips) -> Perceived:
    """Runs the encoders and Q-Formers like ``FavorModel.prompts``, but on all clips at once; speech stays frozen."""
    pixels = normalise(clips.frames, model.config.visual.image_size, still=False)
    visual = model.visual(pixels + GRAIN * torch.rand_like(pixels[:, :1, :1, :1]) * torch.randn_like(pixels))
    slots = model.image_qformer(visual, clips.questions[clips.asked], clips.question_mask[clips.asked])
    with torch.no_grad():
        speech = model.speech(clips.samples)  # (pieces, tokens, width)
    aligner = model.aligner
    halves = audio_frames(aligner.speech_proj(speech).flatten(0, 1), model.config.slots)
    sound = _pick(halves.unflatten(0, (len(speech), -1)), clips.heard).flatten(0, 1)
    frames = torch.cat([_pick(slots, clips.shown), sound.to(slots.dtype)], dim=-1)
    return Perceived(visual[:, 1:], slots, aligner.join(aligner.query_blocks(frames, clips.is_frame)))


def _pick(values: Tensor, places: Tensor) -> Tensor:
    """Returns the values at the given indices; zeros at -1."""
    places = torch.where(places < 0, len(values), places)
    return torch.cat([values, values.new_zeros(1, *values.shape[1:])]).index_select(0, places)


class PretrainingObjective(nn.Module):
    """The loss of a batch.

    Args:
        model: the model to train.
        codes: encoder of the facts that the LLM reads in place of clips.
    """

    def __init__(self, model: FavorModel, codes: FactCodes) -> None:
        super().__init__()
        self.model, self.codes, self.reader = model, codes, PackedLoss(model)
        self.facts, self.patches = Grouped(KINDS, FACT_WEIGHTS), Grouped(CLASSES, PATCH_WEIGHTS)
        grid = model.config.visual.image_size // model.config.visual.patch_size
        self.per_query = grid**2 // model.config.slots  # patches predicted from each query of the image Q-Former
        self.seen = nn.Linear(model.config.visual.hidden_size, self.patches.total)
        self.shown = nn.Linear(model.config.image_qformer.hidden_size, self.per_query * self.patches.total)
        self.bias = nn.Parameter(torch.zeros(self.facts.total))

    def forward(self, batch: Batch, joined: bool) -> tuple[Tensor, Measures]:
        """Computes the loss of a batch.

        Args:
            batch: clips and further scenes.
            joined: whether questions about clips are answered from the perceived tokens rather than from the facts.

        Returns:
            The loss, and the measures to report.
        """
        facts = batch.facts.flatten(0, 1).long()
        codes = self.codes(facts)
        perceived = perceive(self.model, batch.clips)
        made = perceived.tokens.flatten(0, 1)
        true = facts[: len(made)]
        loss, logits = self._perception(batch.clips, perceived, true, codes[: len(made)].detach())
        answers = self.reader(torch.cat([made, codes[len(made) :]]) if joined else codes, batch.rows)
        measures: Measures = {"answers": (answers.loss.detach(), 1), "perception": (loss.detach(), 1)}
        measures |= _count_right(answers, batch.rows)
        measures |= {name: self.facts.right(logits.detach(), true, name) for name in REPORTED}
        return answers.loss + PERCEPTION * loss, measures

    def _perception(self, clips: Clips, perceived: Perceived, facts: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the loss of predicting labels from patches, slots and tokens, and the logits of the tokens' facts."""
        tokens = perceived.tokens.flatten(0, 1).float()
        logits = F.linear(tokens, SHARPNESS * self.codes.codes.weight.detach(), self.bias)
        loss = self.facts(logits, facts) + CODES * F.mse_loss(tokens, codes)
        labels = clips.patches.flatten(0, 1)
        shown = self.shown(perceived.slots).unflatten(-1, (self.per_query, -1)).flatten(0, 2)
        patch_loss = self.patches(shown, labels) + self.patches(self.seen(perceived.patches).flatten(0, 1), labels)
        return loss + patch_loss, logits

    def save(self, folder: Path) -> None:
        """Writes the trained parameters outside the model (codes and prediction heads) into the model's folder."""
        (folder / TAUGHT_FILE).parent.mkdir(exist_ok=True)
        save_file({n: v.contiguous() for n, v in self.state_dict().items() if _is_beside(n)}, folder / TAUGHT_FILE)

    def load(self, folder: Path) -> bool:
        """Loads the output of ``save`` if there is one, and returns whether there was."""
        if not (folder / TAUGHT_FILE).exists():
            return False
        self.load_state_dict(self.state_dict() | load_file(folder / TAUGHT_FILE))
        return True


def _count_right(answers: PackedResult, rows: PackedQuestions) -> Measures:
    """Counts the correct answers and all questions of each group."""
    pairs = torch.stack([answers.right.float(), torch.ones_like(answers.right, dtype=torch.float)], dim=1)
    groups = pairs.new_zeros(len(GROUPS), 2).index_add(0, rows.groups, pairs)
    return {name: (right, asked) for name, (right, asked) in zip(GROUPS, groups, strict=True)}


def _is_beside(name: str) -> bool:
    return not name.startswith(("model.", "reader."))
