"""What a batch of scenes teaches: to tell what is true, to make the tokens of which it is told, and both together."""

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

TAUGHT_FILE = Path("taught") / "taught.safetensors"  # in a folder of its own, since it is no weight of the model
NOTHING = 0.02  # weight of what is told right by telling that there is nothing
FACT_WEIGHTS = (
    {"word": 10.0, "happening": 8.0, "outcome": 4.0}
    | {f"{whose}_{look}": 4.0 for whose in ("own", "other") for look in ("colour", "shape")}
    | {f"letter{place}": 2.0 for place in range(LONGEST_SIGN)}
    | {f"{look}{column}": 2.0 for look in ("shape", "colour") for column in range(3)}
)
PATCH_WEIGHTS = {"shape": 4.0}  # colours are learnt at once, shapes take longest
CODES = 2.0  # weight of the distance to the LLM's own tokens
PERCEPTION = 2.0  # weight of all that is perceived, beside what is told
SHARPNESS = 0.2  # of telling facts by their codes
GRAIN = 0.08  # the most noise that a picture gets, in the unit of normalised pixels
REPORTED = ("shape1", "colour1", "word", "sound_bell", "happening", "own_colour", "other_shape", "letter2")


class Grouped(nn.Module):
    """Cross-entropies of several kinds of labels at once, in which nothing weighs little, for it is true mostly.

    Args:
        sizes: classes of each kind, of which 0 is nothing.
        weights: of kinds that do not weigh 1.
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
        """The loss of logits (n, classes of all kinds) where labels (n, kinds) are wanted."""
        logits, wanted = logits.float(), wanted.long()
        highest = logits.detach().amax(-1, keepdim=True)
        with torch.autocast(logits.device.type, enabled=False):  # sums need all their digits
            sums = ((logits - highest).exp() @ self.member).clamp(min=1e-30).log() + highest  # (n, kinds)
        losses = sums - logits.gather(-1, wanted + self.offsets)
        shares = torch.where(wanted > 0, 1.0, NOTHING)
        return ((losses * shares).sum(0) / shares.sum(0) * self.weights).sum()

    def right(self, logits: Tensor, wanted: Tensor, name: str) -> tuple[Tensor, Tensor]:
        """Of the places with something of a kind, how many are told right, and how many there are."""
        labels = wanted[:, list(self.spans).index(name)]
        told, there = logits[:, slice(*self.spans[name])].argmax(-1), labels > 0
        return ((told == labels) & there).sum(), there.sum()


@dataclasses.dataclass(frozen=True)
class Perceived:
    """What became of clips.

    Attributes:
        patches: (frames, patches, ViT width).
        slots: (frames, slots, hidden) what the image Q-Former made of the frames.
        tokens: (blocks, queries, hidden).
    """

    patches: Tensor
    slots: Tensor
    tokens: Tensor


def perceive(model: FavorModel, clips: Clips) -> Perceived:
    """Looks and listens, as ``FavorModel.prompts`` does, but all clips together; the speech encoder stays frozen."""
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
    """The values at places; zeros at -1."""
    places = torch.where(places < 0, len(values), places)
    return torch.cat([values, values.new_zeros(1, *values.shape[1:])]).index_select(0, places)


class PretrainingObjective(nn.Module):
    """The loss of a batch.

    Args:
        model: that learns.
        codes: of what the LLM reads in place of clips.
    """

    def __init__(self, model: FavorModel, codes: FactCodes) -> None:
        super().__init__()
        self.model, self.codes, self.reader = model, codes, PackedLoss(model)
        self.facts, self.patches = Grouped(KINDS, FACT_WEIGHTS), Grouped(CLASSES, PATCH_WEIGHTS)
        grid = model.config.visual.image_size // model.config.visual.patch_size
        self.per_query = grid**2 // model.config.slots  # patches that each query of the image Q-Former tells of
        self.seen = nn.Linear(model.config.visual.hidden_size, self.patches.total)
        self.shown = nn.Linear(model.config.image_qformer.hidden_size, self.per_query * self.patches.total)
        self.bias = nn.Parameter(torch.zeros(self.facts.total))

    def forward(self, batch: Batch, joined: bool) -> tuple[Tensor, Measures]:
        """Looks, listens, tells, and compares.

        Args:
            batch: of clips and further scenes.
            joined: whether clips are told from what was perceived of them, and not from what is true.

        Returns:
            The loss, and measures.
        """
        facts = batch.facts.flatten(0, 1).long()
        codes = self.codes(facts)
        perceived = perceive(self.model, batch.clips)
        made = perceived.tokens.flatten(0, 1)
        true = facts[: len(made)]
        loss, logits = self._perception(batch.clips, perceived, true, codes[: len(made)].detach())
        told = self.reader(torch.cat([made, codes[len(made) :]]) if joined else codes, batch.rows)
        measures: Measures = {"told": (told.loss.detach(), 1), "perceived": (loss.detach(), 1)}
        measures |= _rights(told, batch.rows)
        measures |= {name: self.facts.right(logits.detach(), true, name) for name in REPORTED}
        return told.loss + PERCEPTION * loss, measures

    def _perception(self, clips: Clips, perceived: Perceived, facts: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """What patches, slots and tokens tell; and the logits of the facts that the tokens tell."""
        tokens = perceived.tokens.flatten(0, 1).float()
        logits = F.linear(tokens, SHARPNESS * self.codes.codes.weight.detach(), self.bias)
        loss = self.facts(logits, facts) + CODES * F.mse_loss(tokens, codes)
        labels = clips.patches.flatten(0, 1)
        shown = self.shown(perceived.slots).unflatten(-1, (self.per_query, -1)).flatten(0, 2)
        told = self.patches(shown, labels) + self.patches(self.seen(perceived.patches).flatten(0, 1), labels)
        return loss + told, logits

    def save(self, folder: Path) -> None:
        """Writes what is learnt beside the model, the codes and what tells of facts and patches, into its folder."""
        (folder / TAUGHT_FILE).parent.mkdir(exist_ok=True)
        save_file({n: v.contiguous() for n, v in self.state_dict().items() if _is_beside(n)}, folder / TAUGHT_FILE)

    def load(self, folder: Path) -> bool:
        """Reads what ``save`` wrote, if there is something, and returns whether there was."""
        if not (folder / TAUGHT_FILE).exists():
            return False
        self.load_state_dict(self.state_dict() | load_file(folder / TAUGHT_FILE))
        return True


def _rights(told: PackedResult, rows: PackedQuestions) -> Measures:
    """Of each group of questions how many are answered right, and how many there are."""
    pairs = torch.stack([told.right.float(), torch.ones_like(told.right, dtype=torch.float)], dim=1)
    groups = pairs.new_zeros(len(GROUPS), 2).index_add(0, rows.groups, pairs)
    return {name: (right, asked) for name, (right, asked) in zip(GROUPS, groups, strict=True)}


def _is_beside(name: str) -> bool:
    return not name.startswith(("model.", "reader."))
